"""Replica: reads whose answer may be late go to a copy of the database while it is near enough; no others ever do.

Near enough is found out in the transaction that reads, on the very server that answers: it must have replayed what
the primary had written some seconds ago, and the last write of whoever asks (ADR 25). Where it has not, is away, or
refuses, the primary answers. A copy cannot be written to: a read's audit row is written on the primary, before the
answer leaves.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import structlog
from psycopg.pq import ExecStatus
from sqlalchemy import text

from careapp import tenancy  # noqa: F401  # its hook, which opens a transaction, comes before the one here
from careapp.db import db, on_replica
from careapp.transactions import Transaction, at_begin

SAMPLE_SECONDS = 1.0  # how often a process asks the primary how far it is, while late reads come
NEVER = 10**18 - 1  # a transaction that no copy will have
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 15.0  # seconds without the copy after it was away or behind

_FLUSHED = text("SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint")
_NEAR = "pg_is_in_recovery() AND pg_last_wal_replay_lsn() - '0/0' >= {flushed}"
# A transaction that the copy has heard of, and that is under way there no more, is in the snapshots it takes from now
# on. One it has not heard of would be an error to ask about.
_HAS = """CASE WHEN '{position}'::xid8 < pg_snapshot_xmax(pg_current_snapshot())
  THEN coalesce(pg_xact_status('{position}') <> 'in progress', true) ELSE false END"""

_after: ContextVar[int | None] = ContextVar("careapp_replica_after", default=None)
_written: ContextVar[list[int] | None] = ContextVar("careapp_written", default=None)
_log = structlog.get_logger()


class Behind(Exception):
    """The copy is further behind than it may be."""


class NotYet(Exception):
    """The copy has not replayed the last write of whoever asks; for others it may be near enough."""


@dataclass(frozen=True)
class Sample:
    """How far the primary's log was on its disk, and when, by a clock of this process."""

    at: float
    flushed: int


class Nearness:
    """How far the primary was in the last seconds, as a process finds out; and whether the copy is tried at all.

    `longest` is by how many seconds an answer may be late.
    """

    def __init__(self, longest: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.longest, self._clock = longest, clock
        self._samples: tuple[Sample, ...] = ()  # replaced, never changed: threads read it without a lock
        self._asking = threading.Lock()
        self._not_before, self._failed_in_a_row = 0.0, 0

    def wanted(self) -> Sample | None:
        """How far a copy must be: where the primary was `longest` seconds ago, or as long ago as is known.

        None while the copy is not to be tried. Asks the primary now and then, in a transaction of its own.
        """
        if self._clock() < self._not_before:
            return None
        if self._due() and self._asking.acquire(blocking=False):
            try:
                at = self._clock()  # before it is asked, so that it is never taken for younger than it is
                self._samples = (*self._recent(), Sample(at, _flushed()))
            finally:
                self._asking.release()
        recent = self._recent()
        return recent[0] if recent else None

    def _due(self) -> bool:
        return not self._samples or self._clock() - self._samples[-1].at >= SAMPLE_SECONDS

    def _recent(self) -> tuple[Sample, ...]:
        oldest = self._clock() - self.longest
        return tuple(sample for sample in self._samples if sample.at >= oldest)

    def behind(self, sample: Sample) -> None:
        """The copy had not replayed what the primary had written at a sample; if that is not just now, it is slow."""
        if self._clock() - sample.at >= SAMPLE_SECONDS:
            self.failed("it is behind")

    def failed(self, why: str) -> None:
        """Leave the copy alone for a while, longer each time in a row."""
        seconds = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0**self._failed_in_a_row)
        if not self._failed_in_a_row:
            _log.warning("the replica is not read from", error=why)
        self._failed_in_a_row = min(self._failed_in_a_row + 1, 10)
        self._not_before = self._clock() + seconds

    def served(self) -> None:
        """The copy answered."""
        if self._failed_in_a_row:
            _log.info("the replica is read from again")
        self._failed_in_a_row = 0


def _flushed() -> int:
    """How far the primary's log is on its disk: every write that anybody was told of lies before."""
    db.session.rollback()
    flushed = int(db.session.execute(_FLUSHED).scalar_one())
    db.session.rollback()
    return flushed


_nearness: Nearness | None = None


def use(longest: float | None) -> None:
    """Say by how many seconds answers may be late; None where there is no replica. create_app calls it."""
    global _nearness
    _nearness = None if longest is None else Nearness(longest)


@contextmanager
def reading_after(position: int | None) -> Iterator[list[int]]:
    """Let reads that may be late go to the copy once it has the transaction `position`; 0 asks for none.

    With None all go to the primary, as they do outside of this block. Gives the list of what is written inside.
    """
    written: list[int] = []
    tokens = _after.set(position), _written.set(written)
    try:
        yield written
    finally:
        _after.reset(tokens[0])
        _written.reset(tokens[1])


def note_write(position: int) -> None:
    """Remember the transaction that writes now: whoever it is for shall read what it wrote."""
    written = _written.get()
    if written is not None:
        written.append(position)
        before = _after.get()
        _after.set(None if before is None else max(before, position))


@dataclass(frozen=True)
class Copy:
    """What is asked of the copy: to have replayed what was there at the sample, and the transaction `position`."""

    nearness: Nearness
    sample: Sample
    position: int


def copy() -> Copy | None:
    """The copy as this code may read from it; None where the primary is to be asked."""
    nearness, position = _nearness, _after.get()
    if nearness is None or position is None or is_read():
        return None
    sample = nearness.wanted()
    return None if sample is None else Copy(nearness, sample, position)


@contextmanager
def reading_from(asked: Copy) -> Iterator[None]:
    """Begin transactions on the copy. Raises Behind or NotYet in the first statement where it is not near enough."""
    db.session.rollback()  # finding out who asks may have left a transaction open, and it is the primary's
    token = on_replica.set(asked)
    try:
        yield
    finally:
        db.session.rollback()
        on_replica.reset(token)


def is_read() -> bool:
    """Whether the copy is what is read from at present."""
    return on_replica.get() is not None


def leave() -> None:
    """Go back to the primary before the end of a read: what it leaves behind is written there."""
    if is_read():
        db.session.rollback()
        on_replica.set(None)


@at_begin
def refuse_what_is_far(transaction: Transaction, connection: Any, nested: bool) -> None:
    """Ask a server that is to answer how near it is, in the transaction that will read."""
    asked: Copy | None = on_replica.get()
    if asked is None or nested:
        return
    transaction.catch_up()
    has = _HAS.format(position=asked.position) if asked.position else "true"
    question = f"SELECT coalesce({_NEAR.format(flushed=asked.sample.flushed)}, false), {has}"
    found = connection.connection.driver_connection.pgconn.exec_(question.encode())
    if found.status != ExecStatus.TUPLES_OK:
        connection.execute(text(question))  # in a way that tells the pool of a connection that is gone
    if found.get_value(0, 0) != b"t":
        raise Behind
    if found.get_value(0, 1) != b"t":
        raise NotYet
