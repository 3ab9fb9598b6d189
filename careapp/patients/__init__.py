"""Patients: who they are, how to find them, and the facts known about them."""
