"""Tests of what protects data at rest: encryption, erasure, retention, backups, and logs without patients."""
