"""Overviews: reads that join domains for one screen or answer; they never write."""
