"""Telemetry: what is counted, traced and logged, and that nothing of it names a patient."""
