"""Upkeep of the outbox, as the relay role: old published events go, and the figures people watch are read."""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from careapp.telemetry.beside import connect

KEPT_DAYS = 7
ROWS_AT_A_TIME = 5000  # a short transaction each, so that nobody waits and vacuum keeps up

# What a version before marked in place.
_DELETE = """
DELETE FROM outbox WHERE (tenant_id, id) IN (
  SELECT tenant_id, id FROM outbox WHERE published_at < now() - make_interval(days => %s)
  ORDER BY published_at LIMIT %s)"""
# What was sent on a day that had no partition; of the days that are kept, none is looked at.
_DELETE_STRAYS = """
DELETE FROM outbox_sent WHERE published_at < date_trunc('day', now() - make_interval(days => %s), 'UTC')"""
_FIGURES = """
SELECT count(*) AS pending, count(*) FILTER (WHERE parked_at IS NOT NULL) AS parked,
       coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE parked_at IS NULL)), 0)::float
         AS oldest_seconds
FROM outbox WHERE published_at IS NULL"""


@dataclass(frozen=True)
class Figures:
    """Events not yet published, how many of them are parked, and the age in seconds of the oldest that is not."""

    pending: int
    parked: int
    oldest_seconds: float


def figures(database_url: str) -> Figures:
    """How the outbox stands, over all tenants."""
    with _connected(database_url) as connection:
        row = connection.cursor(row_factory=class_row(Figures)).execute(_FIGURES).fetchone()
    assert row is not None  # an aggregate without GROUP BY always gives a row
    return row


def drop_days(database_url: str) -> list[str]:
    """Drop the partitions of days that ended more than seven days ago, and return their names.

    Raises psycopg.errors.LockNotAvailable, and drops none, while somebody uses the table for seconds on end.
    """
    with _connected(database_url) as connection:
        return [part for (part,) in connection.execute("SELECT drop_sent_days(%s)", [KEPT_DAYS])]


def delete_strays(database_url: str) -> int:
    """Delete what was sent more than seven days ago on a day that had no partition, and return how many events.

    For after `drop_days`: of days that could not be dropped it would delete each row.
    """
    with _connected(database_url) as connection:
        return connection.execute(_DELETE_STRAYS, [KEPT_DAYS]).rowcount


def delete_marked(database_url: str) -> int:
    """Delete events that a version before marked in place more than seven days ago, and return how many.

    The heads of sequences stay for ever.
    """
    deleted = 0
    with _connected(database_url) as connection:
        while count := connection.execute(_DELETE, [KEPT_DAYS, ROWS_AT_A_TIME]).rowcount:
            deleted += count
    return deleted


def _connected(database_url: str) -> psycopg.Connection[Any]:
    """A connection on which each statement is its own transaction."""
    return connect(database_url, "careapp outbox upkeep")
