"""Connections beside the engines: those of psycopg itself that jobs use, timed and traced like the engines' own."""

from typing import Any

import psycopg
from psycopg.rows import Row

from careapp.localdb.addresses import libpq_url
from careapp.telemetry import traces
from careapp.telemetry.statements import timed


class WatchedCursor(psycopg.Cursor[Row]):
    """A cursor whose statements are logged where they are slow, and are part of what is being traced."""

    def execute(self, query: Any, *arguments: Any, **given: Any) -> "WatchedCursor[Row]":
        """As psycopg's own."""
        told = query if isinstance(query, str) else type(query).__name__  # what is put together may hold values
        with timed(told), traces.statement(told):
            return super().execute(query, *arguments, **given)


def connect(address: str, name: str, **given: Any) -> psycopg.Connection[Any]:
    """A connection on which each statement is its own transaction; `name` is what the database shows of it."""
    return psycopg.connect(
        libpq_url(address), autocommit=True, application_name=name, cursor_factory=WatchedCursor, **given
    )
