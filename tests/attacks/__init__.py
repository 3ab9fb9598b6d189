"""Attacks on all that the application has: what they walk over is asked of it, so a new part is attacked as well."""
