"""Tests of many machines: a pooler between, several web and jobs processes, a replica."""
