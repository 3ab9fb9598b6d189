"""Tests of calls to other services, against a real server that misbehaves as it is told."""
