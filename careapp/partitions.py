"""Tables kept in partitions by time: which, by what, and making those that are wanted (decision record 26)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog

from careapp.telemetry.beside import connect

# Each with the span of a partition, and how many are made ahead.
KEPT_BY = {"audit_event": ("month", 3), "audit_patients": ("month", 3), "outbox_sent": ("day", 3)}
FILING_LOCK = 7302269
BY_YEAR = "appointments"  # those of episodes long over, a year each, made when one is first needed
# A partition's name goes on with its year, month or day, or one of the words.
PARTITION = re.compile(rf"({'|'.join((*KEPT_BY, BY_YEAR))})_(\d{{4}}(?:_\d{{2}}){{0,2}}|before|other|present)")

_log = structlog.get_logger()


def make_ahead(relay_url: str) -> list[str]:
    """Make the coming partitions where they are missing, each table's in its own transaction; returns their names.

    One whose rows have gone to the partition for the rest stays there, and the log says so. A table that a backup reads
    has to wait for the next hour: there is time, as partitions are made well ahead.
    """
    with connect(relay_url, "careapp partitions") as connection:
        parts = [part for parent in KEPT_BY for part in _make_now_or_later(connection, parent)]
    for part in (part for part, made in parts if not made):
        _log.error("partition not made: there are rows of its time already", partition=part)
    return [part for part, made in parts if made]


@contextmanager
def alone_with_years(relay_url: str) -> Iterator[bool]:
    """Whether nobody else makes, fills or drops years until the block ends: of two jobs at once one would drop the year
    that the other has just made.
    """
    with connect(relay_url, "careapp filing", keepalives_idle=60) as connection:
        [(alone,)] = connection.execute("SELECT pg_try_advisory_lock(%s)", [FILING_LOCK]).fetchall()
        yield alone


def make_year(relay_url: str, year: int) -> bool:
    """Make the partition of a year's appointments where it is missing; returns whether it is there now. Where others
    write to what appointments point at for half a second on end, it waits for the next day.
    """
    with connect(relay_url, "careapp partitions") as connection:
        try:
            [(part,)] = connection.execute("SELECT make_appointment_year(%s)", [year]).fetchall()
        except psycopg.errors.LockNotAvailable:
            _log.info("a year's partition waits for the next day: tables are in use", partition=f"{BY_YEAR}_{year}")
            return False
    if part:
        _log.info("partition made", partition=part)
    return True


def drop_empty_years(relay_url: str) -> list[str]:
    """Drop the partitions of years in which no tenant has an appointment any more, and return their names."""
    with connect(relay_url, "careapp partitions") as connection:
        try:
            return [part for (part,) in connection.execute("SELECT drop_empty_appointment_years()")]
        except psycopg.errors.LockNotAvailable:
            _log.info("years of appointments are in use, and stay until the next day")
            return []


def know_appointments(relay_url: str) -> bool:
    """Have what the planner knows of all appointments follow what it knows of their partitions, which autovacuum keeps
    alone; returns whether there was anything new.
    """
    with connect(relay_url, "careapp partitions") as connection:
        try:
            [(followed,)] = connection.execute("SELECT analyze_appointments()").fetchall()
        except psycopg.errors.LockNotAvailable:  # somebody else is at it, or makes a partition
            return False
    return bool(followed)


def _make_now_or_later(connection: psycopg.Connection[Any], parent: str) -> list[tuple[str, bool]]:
    try:
        return make(connection, parent)
    except psycopg.errors.LockNotAvailable:
        _log.info("partitions wait for the next hour: the table is in use", partition=parent)
        return []


def make(connection: psycopg.Connection[Any], parent: str, *, coming: bool = True) -> list[tuple[str, bool]]:
    """Make the present partition of one table and the coming ones, as the relay role.

    Returns each that was missing, and whether it is there now. Raises LockNotAvailable after 2 s where a backup has
    the partition for the rest.
    """
    span, ahead = KEPT_BY[parent]
    make_them = "SELECT part, made FROM make_partitions(%s, %s, %s)"
    return connection.execute(make_them, [parent, span, ahead if coming else 0]).fetchall()
