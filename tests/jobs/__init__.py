"""Tests of the jobs process: the relay against a real PostgreSQL and a real Kafka, and the upkeep."""
