"""Telemetry: figures for Prometheus, traces for OpenTelemetry, slow statements for the log. None names a patient."""
