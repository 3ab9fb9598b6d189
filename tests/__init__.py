"""Tests: on real PostgreSQL as the app role, real Kafka and a real browser."""
