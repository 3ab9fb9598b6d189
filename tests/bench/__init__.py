"""Tests of the benchmark: its parts, what it generates, and the plans of what pages ask of a large database."""
