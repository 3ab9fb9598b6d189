"""Relay: moves waiting events from the outbox to the sender, at least once, in order per key.

Any number of relays may run, in any processes, on any machines. Each has a database connection of its own, as the relay
role, which sees the outbox of every tenant and nothing else.
"""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import psycopg
import structlog

from careapp import partitions
from careapp.outbox.drain import drain
from careapp.outbox.senders import Sender, SendFailed
from careapp.telemetry.beside import connect
from careapp.telemetry.metrics import RELAY_FAILURES, RELAY_PASS_SECONDS, RELAY_PUBLISHED

PASS_SECONDS = 15  # a pass begins no further visit to a shard after this; the longest visit takes some 20 s more
SIDE_BY_SIDE = 2  # relays of a process: what one spends waiting for the database, the other spends sending
LONGEST_PAUSE_SECONDS = 15.0  # between tries while the broker or the database is down; trying costs next to nothing

# A database whose machine is gone says nothing: the system notices in about 20 s, sooner than the watchdog.
LIVELY: dict[str, Any] = {
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000,
}  # fmt: skip

_PICK = """
SELECT id FROM outbox_shard s WHERE EXISTS (
  SELECT 1 FROM outbox o
  WHERE o.shard = s.id AND o.published_at IS NULL AND o.parked_at IS NULL AND o.next_at <= now())"""
_NEEDED = "SELECT FROM outbox_sent LIMIT 0"

_log = structlog.get_logger()


class Relay:
    """One relay; one thread at a time calls it, a pass each second.

    `published` and `failures` count since the start: events sent; sends and connections that failed.
    `last_pass_seconds` is how long the last pass took.
    """

    def __init__(self, database_url: str, sender: Sender) -> None:
        self._database_url = database_url
        self._sender = sender
        self._connection: psycopg.Connection[Any] | None = None
        self._failed_in_a_row = 0
        self._not_before = 0.0  # on the monotonic clock
        self._stopping = threading.Event()
        self.published = 0
        self.failures = 0
        self.last_pass_seconds = 0.0

    def run_pass(self) -> int:
        """Send what waits and return how many events that were.

        While the broker or the database is down it returns at once until the pause after the last failure is over, and
        then tries again, for ever: the pause is never spent inside a transaction.
        """
        began, before = time.monotonic(), self.published
        if began < self._not_before or self._stopping.is_set():
            return 0
        try:
            self._visit_shards()
        except SendFailed as error:
            self._pause("broker does not answer", error)
        except psycopg.Error as error:
            self._disconnect()
            self._pause("outbox database failed", error)
        else:
            self._failed_in_a_row = 0
        self.last_pass_seconds = time.monotonic() - began
        RELAY_PASS_SECONDS.set(self.last_pass_seconds)
        return self.published - before

    def stop(self) -> None:
        """End a running pass after the shard it is at, and begin no other; any thread may call this."""
        self._stopping.set()

    def close(self) -> None:
        """End the connections; what was not sent waits for the next relay."""
        self._sender.close()
        self._disconnect()

    def _visit_shards(self) -> None:
        """One pass, over each shard until it gives nothing more. Other relays go through them in another order."""
        self._sender.connect()
        connection = self._connected()
        shards = [row[0] for row in connection.execute(_PICK).fetchall()]
        random.shuffle(shards)
        stop = time.monotonic() + PASS_SECONDS
        for shard in shards:
            # A held key keeps its shard among those picked, so a visit that sends nothing ends its shard's turn.
            while not self._stopping.is_set() and time.monotonic() < stop and self._visit(connection, shard):
                pass

    def _visit(self, connection: psycopg.Connection[Any], shard: int) -> int:
        """Drain a shard once; a failed send ends the connection, and making the next one shows if a broker is there."""
        self._sender.connect()
        drained = drain(connection, shard, self._sender)
        self.published += len(drained.sent)
        self.failures += drained.failed
        RELAY_PUBLISHED.inc(len(drained.sent))
        RELAY_FAILURES.inc(drained.failed)
        if drained.failed:
            self._sender.reset()
        return len(drained.sent)

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = connect(self._database_url, "careapp relay", connect_timeout=5, **LIVELY)
            self._connection.execute(_NEEDED)  # a schema of the version before is seen before anything is sent
            with suppress(psycopg.errors.LockNotAvailable):  # then the day's events go to the partition for the rest
                partitions.make(self._connection, "outbox_sent", coming=False)  # missing where no job ran for days
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _pause(self, what: str, error: Exception) -> None:
        """Begin no pass for a while: 1 s, doubling up to 15 s, spread so that relays do not come all at once."""
        seconds = min(LONGEST_PAUSE_SECONDS, 2.0**self._failed_in_a_row) * random.uniform(0.5, 1.0)
        self._failed_in_a_row = min(self._failed_in_a_row + 1, 10)
        self._not_before = time.monotonic() + seconds
        self.failures += 1
        RELAY_FAILURES.inc()
        kind = str(error) if isinstance(error, SendFailed) else type(error).__name__
        _log.warning(what, error=kind, seconds=round(seconds, 1))


class Relays:
    """The relays of one process, each in a thread, with a connection and a sender of its own; used as a relay is.

    They know nothing of each other, as if on two machines: the locks of the shards keep them apart.
    """

    def __init__(self, database_url: str, make_sender: Callable[[], Sender], count: int = SIDE_BY_SIDE) -> None:
        self._relays = [Relay(database_url, make_sender()) for _ in range(count)]
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="relay")

    @property
    def published(self) -> int:
        """Events sent since the start."""
        return sum(relay.published for relay in self._relays)

    @property
    def failures(self) -> int:
        """Sends and connections that failed since the start."""
        return sum(relay.failures for relay in self._relays)

    @property
    def last_pass_seconds(self) -> float:
        """How long the last pass took, which is over when each relay's is."""
        return max(relay.last_pass_seconds for relay in self._relays)

    def run_pass(self) -> int:
        """A pass of each at the same time; how many events they sent. Returns, or raises, when every one is over."""
        passes = [self._threads.submit(relay.run_pass) for relay in self._relays]
        wait(passes)
        return sum(one.result() for one in passes)

    def stop(self) -> None:
        """End the running passes, as soon as each is through with its shard, and begin no other."""
        for relay in self._relays:
            relay.stop()

    def close(self) -> None:
        """End all connections."""
        self._threads.shutdown()
        for relay in self._relays:
            relay.close()
