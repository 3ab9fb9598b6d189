"""Outbox: events are rows of the business transaction; a relay in the jobs process sends them to Kafka."""
