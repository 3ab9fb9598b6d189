"""Tests of many doing the same at once."""
