"""Draining one shard: its waiting events go out in order per key and are marked, in one transaction of the relay.

Why this is right: the shard's row lock makes this the shard's only sender; the events are read by a statement of its
own after the lock was granted, so every mark of the last holder is seen; an event is sent only when the one before it
in its key has arrived. A crash before the commit repeats events with the same ids and loses none.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from psycopg.rows import class_row

from careapp.outbox.crash_points import reached
from careapp.outbox.senders import Envelope, Pending, Sender, SendFailed, Unsendable

SENDING_SECONDS = 10  # no wave begins later, so a slow broker stays below the 30 s that end the transaction
ANSWER_SECONDS = 8  # more than the producer's own limit of 6 s, so every send has an outcome

_LIMITS = "SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '30s'"
_LOCK = "SELECT 1 FROM outbox_shard WHERE id = %s FOR UPDATE SKIP LOCKED"
# Of a key that is held (its oldest event parked or waiting for its next try), nothing is read.
_READ = """
SELECT id, topic, tenant_id || '/' || key AS lane, key,
       CASE WHEN withheld_at IS NULL THEN envelope ELSE jsonb_set(envelope, '{data}', '{}') END AS envelope
FROM outbox o WHERE shard = %s AND published_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.shard = o.shard AND b.published_at IS NULL AND b.attempts > 0
                  AND b.tenant_id = o.tenant_id AND b.key = o.key AND b.id <= o.id
                  AND (b.parked_at IS NOT NULL OR b.next_at > now()))
ORDER BY id LIMIT 200"""
# By shard and unpublished as well as by id, so that the small index of what waits serves, whatever the table's size.
_MARK = "UPDATE outbox SET published_at = now() WHERE shard = %s AND published_at IS NULL AND id = ANY(%s)"
_PARK = """
UPDATE outbox SET parked_at = now(), attempts = attempts + 1, last_error = %s
WHERE shard = %s AND published_at IS NULL AND id = %s"""
_WAIT = """
UPDATE outbox SET attempts = attempts + 1, last_error = %s,
       next_at = now() + least(60, 2 ^ least(attempts, 6)) * (0.5 + random()) * interval '1 s'
WHERE shard = %s AND published_at IS NULL AND id = %s"""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Waiting:
    """An event not yet published. `lane` is its key within its tenant: what the order holds for."""

    id: int
    topic: str
    lane: str
    key: str
    envelope: Envelope


@dataclass
class Drained:
    """What one visit to a shard did: events sent, events whose sending failed, events parked, all by row id."""

    sent: list[int] = field(default_factory=list)
    failed: int = 0
    parked: int = 0


Outcome = tuple[Waiting, Pending | SendFailed | Unsendable]


def drain(connection: psycopg.Connection[Any], shard: int, sender: Sender) -> Drained:
    """Send what waits in a shard, at most 200 events, and mark it; nothing when another relay is at it.

    Raises psycopg.Error when the database fails: then nothing is marked, and what was sent is sent again.
    """
    drained = Drained()
    with connection.transaction():
        connection.execute(_LIMITS)
        if connection.execute(_LOCK, [shard]).fetchone() is None:
            return drained
        reached("after_lock")
        rows = connection.cursor(row_factory=class_row(Waiting)).execute(_READ, [shard]).fetchall()
        _send_in_waves(connection, shard, rows, sender, drained)
        reached("before_mark")
        connection.execute(_MARK, [shard, drained.sent])
        reached("before_commit")
    return drained


def _send_in_waves(
    connection: psycopg.Connection[Any], shard: int, rows: Sequence[Waiting], sender: Sender, drained: Drained
) -> None:
    """Send wave by wave until all is sent, a send fails or the time is up; what is not sent simply goes on waiting."""
    blocked: set[str] = set()
    stop = time.monotonic() + SENDING_SECONDS
    while rows and not drained.failed and time.monotonic() < stop:
        wave, rows = next_wave(rows, blocked)
        outcomes = _start(wave, sender, stop)
        reached("after_send")
        for row, error in _settled(outcomes):
            if error is None:
                drained.sent.append(row.id)
            else:
                blocked.add(row.lane)
                _hold(connection, shard, row, error, drained)


def _hold(
    connection: psycopg.Connection[Any], shard: int, row: Waiting, error: SendFailed | Unsendable, drained: Drained
) -> None:
    """Hold an event, and with it its key: for a while after a failure, until somebody decides when it is at fault."""
    about = {"topic": row.topic, "key": row.key, "event_id": row.envelope["id"], "error": str(error)}
    if isinstance(error, Unsendable):
        connection.execute(_PARK, [str(error), shard, row.id])
        drained.parked += 1
        _log.error("event parked", **about)
    else:
        connection.execute(_WAIT, [str(error), shard, row.id])
        drained.failed += 1
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
            outcomes.append((row, sender.send(row.topic, row.key, row.envelope)))
        except Unsendable as error:
            outcomes.append((row, error))
        except SendFailed as error:
            outcomes.append((row, error))
            failed_topics[row.topic] = error
    return outcomes


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
