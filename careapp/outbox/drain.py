"""Draining one shard: its waiting events go out in order per key and are marked as sent, which is to move them to a
table of their own, in one transaction of the relay.

Why this is right: the shard's row lock makes this the shard's only sender; the events are read by a statement of its
own after the lock was granted, so every mark of the last holder is seen; an event is sent only when the one before it
in its key has arrived. A crash before the commit repeats events with the same ids and loses none.

Why it is quick: hundreds of events of different keys are under way at once, and while their answers come the events
before them are marked and the next ones read. An event goes out as the text PostgreSQL makes of it.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
import structlog
from psycopg.rows import args_row

from careapp.outbox.crash_points import reached
from careapp.outbox.senders import Headers, Pending, Sender, SendFailed, Unsendable
from careapp.telemetry import traces

SENDING_SECONDS = 10  # no wave begins later, so a slow broker stays below the 30 s that end the transaction
ANSWER_SECONDS = 8  # more than the producer's own limit of 6 s, so every send has an outcome
# How a consumer's library knows an event in structured mode (CloudEvents' Kafka protocol binding §3.3.1).
FORMAT = ("content-type", b"application/cloudevents+json; charset=UTF-8")
AT_ONCE = 1000  # events read, and marked, by one statement
MOST = 8000  # events of a visit: what a crash repeats of each relay, and how long a shard is held

# Its commits do not wait for the disk: marks that a crash of the database loses are events sent again, with their ids.
_LIMITS = """
SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '30s';
SET LOCAL synchronous_commit = off"""
_LOCK = "SELECT 1 FROM outbox_shard WHERE id = %s FOR UPDATE SKIP LOCKED"
# Of a key that is held (its oldest event parked or waiting for its next try), nothing is read.
# Nor what this visit has in hand; an id to start from would pass over a transaction that commits later than its ids.
_READ = """
SELECT id, topic, tenant_id || '/' || key AS lane, key, event_id::text, convert_to(
       CASE WHEN withheld_at IS NULL THEN envelope ELSE jsonb_set(envelope, '{data}', '{}') END::text, 'UTF8') AS value,
       envelope ->> 'traceparent' AS traceparent
FROM outbox o WHERE shard = %s AND published_at IS NULL AND id <> ALL(%s::bigint[])
  AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.shard = o.shard AND b.published_at IS NULL AND b.attempts > 0
                  AND b.tenant_id = o.tenant_id AND b.key = o.key AND b.id <= o.id
                  AND (b.parked_at IS NOT NULL OR b.next_at > now()))
ORDER BY id LIMIT %s"""
# By shard and unpublished as well as by id, so that the small index of what waits serves, whatever the table's size.
# Moved, as a delete touches no index: marked in place, an event is a new entry in each of four (decision record 27).
_MARK = """
WITH sent AS (DELETE FROM outbox WHERE shard = %s AND published_at IS NULL AND id = ANY(%s::bigint[])
              RETURNING tenant_id, id, event_id, topic, key, sequence, envelope, created_at, withheld_at)
INSERT INTO outbox_sent (tenant_id, id, event_id, topic, key, sequence, envelope, created_at, withheld_at, published_at)
SELECT *, now() FROM sent"""
_PARK = """
UPDATE outbox SET parked_at = now(), attempts = attempts + 1, last_error = %s
WHERE shard = %s AND published_at IS NULL AND id = %s"""
_WAIT = """
UPDATE outbox SET attempts = attempts + 1, last_error = %s,
       next_at = now() + least(60, 2 ^ least(attempts, 6)) * (0.5 + random()) * interval '1 s'
WHERE shard = %s AND published_at IS NULL AND id = %s"""

_log = structlog.get_logger()


class Waiting(NamedTuple):
    """An event not yet published. `lane` is its key within its tenant: what the order holds for."""

    id: int
    topic: str
    lane: str
    key: str
    event_id: str
    value: bytes
    traceparent: str | None = None


@dataclass
class Drained:
    """What one visit to a shard did: events sent, events whose sending failed, events parked, all by row id."""

    sent: list[int] = field(default_factory=list)
    failed: int = 0
    parked: int = 0


Outcome = tuple[Waiting, Pending | SendFailed | Unsendable]


def drain(connection: psycopg.Connection[Any], shard: int, sender: Sender) -> Drained:
    """Send what waits in a shard, at most 8,000 events, and mark it; nothing when another relay is at it.

    Raises psycopg.Error when the database fails: then nothing is marked, and what was sent is sent again.
    """
    with connection.transaction():
        connection.execute(_LIMITS)
        if connection.execute(_LOCK, [shard]).fetchone() is None:
            return Drained()
        reached("after_lock")
        visit = _Visit(connection, shard, sender)
        visit.send_all()
        reached("before_commit")
    return visit.drained


class _Visit:
    """One visit to a shard, inside the transaction that has its lock."""

    def __init__(self, connection: psycopg.Connection[Any], shard: int, sender: Sender) -> None:
        self._connection, self._shard, self._sender = connection, shard, sender
        self._stop = time.monotonic() + SENDING_SECONDS
        self._blocked: set[str] = set()  # lanes whose event did not arrive: nothing behind it may go
        self._in_hand: set[int] = set()  # read and not marked
        self._unmarked: list[int] = []
        self._may_read = MOST
        self.drained = Drained()

    def send_all(self) -> None:
        """Send wave by wave until all is sent, a send fails or the time is up; what is not sent goes on waiting."""
        if rows := self._read():
            # A trace only now: a held key keeps its shard visited each second, for days, with nothing to send.
            with traces.span("job outbox"):
                self._send_all(rows)

    def _send_all(self, rows: list[Waiting]) -> None:
        while rows and not self.drained.failed and time.monotonic() < self._stop:
            wave, later = next_wave(rows, self._blocked)
            outcomes = _start(wave, self._sender, self._stop)
            reached("after_send")
            if len(self._unmarked) >= AT_ONCE // 2:
                self._mark()
            coming = self._read() if len(later) < AT_ONCE else []
            for row, error in _settled(outcomes):
                self._settle(row, error)
            rows = later + coming  # of a key, what was read sooner stands first
        self._mark()

    def _read(self) -> list[Waiting]:
        """The next events, while there are more; of each key those that follow what is in hand without a gap."""
        limit = min(AT_ONCE, self._may_read)
        if not limit:
            return []
        cursor = self._connection.cursor(binary=True, row_factory=args_row(Waiting))
        # Never prepared: PostgreSQL looks ids up by a hash only where it knows them when it plans, as bigint.
        rows = cursor.execute(_READ, [self._shard, list(self._in_hand), limit], prepare=False).fetchall()
        self._may_read = self._may_read - len(rows) if len(rows) == limit else 0
        self._in_hand.update(row.id for row in rows)
        return rows

    def _mark(self) -> None:
        reached("before_mark")
        if self._unmarked:
            self._connection.execute(_MARK, [self._shard, self._unmarked])
        self._in_hand.difference_update(self._unmarked)
        self.drained.sent += self._unmarked
        self._unmarked = []

    def _settle(self, row: Waiting, error: SendFailed | Unsendable | None) -> None:
        """Take note of an event's arrival, or hold it and with it its key.

        For a while after a failure, until somebody decides when the event is at fault.
        """
        if error is None:
            self._unmarked.append(row.id)
            return
        self._blocked.add(row.lane)
        about = {"topic": row.topic, "key": row.key, "event_id": row.event_id, "error": str(error)}
        if isinstance(error, Unsendable):
            self._connection.execute(_PARK, [str(error), self._shard, row.id])
            self.drained.parked += 1
            _log.error("event parked", **about)
        else:
            self._connection.execute(_WAIT, [str(error), self._shard, row.id])
            self.drained.failed += 1
            _log.warning("event not sent", **about)


def next_wave(rows: Iterable[Waiting], blocked: set[str]) -> tuple[list[Waiting], list[Waiting]]:
    """The first event of each key, and the others; events of blocked keys are in neither."""
    wave: list[Waiting] = []
    later: list[Waiting] = []
    taken: set[str] = set()
    for row in rows:
        if row.lane in blocked:
            continue
        (later if row.lane in taken else wave).append(row)
        taken.add(row.lane)
    return wave, later


def _start(wave: Iterable[Waiting], sender: Sender, stop: float) -> list[Outcome]:
    """Hand over a wave. A topic that fails is not tried again in it: each try may block for seconds."""
    outcomes: list[Outcome] = []
    failed_topics: dict[str, SendFailed] = {}
    for row in wave:
        if time.monotonic() > stop:
            break
        if row.topic in failed_topics:
            outcomes.append((row, failed_topics[row.topic]))
            continue
        try:
            outcomes.append((row, _send(sender, row)))
        except Unsendable as error:
            outcomes.append((row, error))
        except SendFailed as error:
            outcomes.append((row, error))
            failed_topics[row.topic] = error
    return outcomes


def _send(sender: Sender, row: Waiting) -> Pending:
    """Hand one event over, as a part of the trace it belongs to, if there is one."""
    if row.traceparent is None:
        return sender.send(row.topic, row.key, row.value, (FORMAT,))

    def send(traced: Headers) -> Pending:
        return sender.send(row.topic, row.key, row.value, (FORMAT, *traced))

    return traces.publication(row.topic, row.traceparent, send)


def _settled(outcomes: Iterable[Outcome]) -> list[tuple[Waiting, SendFailed | Unsendable | None]]:
    """Wait for all answers of a wave together; None where the event has arrived."""
    stop = time.monotonic() + ANSWER_SECONDS
    settled: list[tuple[Waiting, SendFailed | Unsendable | None]] = []
    for row, outcome in outcomes:
        error = outcome if isinstance(outcome, Exception) else None
        if not isinstance(outcome, Exception):
            try:
                outcome.result(max(0.0, stop - time.monotonic()))
            except (SendFailed, Unsendable) as raised:
                error = raised
        settled.append((row, error))
    return settled
