"""Erasure: forgetting one patient on purpose, and the legal holds and retention that keep him from being forgotten."""
