"""The fault suite: real processes under load, faults at seeded moments, and a judge of the history afterwards.

`make chaos` runs it (SEED, SECONDS and FAULTS choose a run); docs/security/reliability.md says what each fault does.
Nothing here is a copy of the application: web, jobs, PostgreSQL and Kafka are started as they are in production, and
talk to each other through small proxies that can cut, delay or freeze a connection.
"""
