"""Tests of prescriptions."""
