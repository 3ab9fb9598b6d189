"""A real Apache Kafka broker on this machine, for tests and for use by hand."""
