"""Tests of taking in other systems' records."""
