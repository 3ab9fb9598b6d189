"""Tests of whole processes: starting, refusing to start, ending."""
