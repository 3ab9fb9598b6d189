"""Tests of running an installation: its first tenant and users, its settings, its start, its log."""
