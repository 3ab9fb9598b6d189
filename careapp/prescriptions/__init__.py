"""Prescriptions: medicines ordered inside an episode."""
