"""Upstream: calls to other services: time limits, retries of reads, a circuit breaker, and no redirects."""
