"""Tests of the embedded PostgreSQL and of the bootstrap of a database."""
