"""The one error of the embedded PostgreSQL."""


class LocalDatabaseError(RuntimeError):
    """The embedded PostgreSQL cannot be started, joined, stopped or set up; the text says why and what to do."""
