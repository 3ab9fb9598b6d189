"""Clinics: the places care happens at, each in a time zone."""
