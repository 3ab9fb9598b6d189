"""Tests of disclosure."""
