"""Relays as processes of their own, which a test may kill, and a look at the outbox with their rights."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from apiflask import APIFlask

from careapp.localdb import libpq_url
from careapp.outbox.crash_points import VARIABLE
from careapp.outbox.relay import SIDE_BY_SIDE, Relays
from careapp.outbox.sender_choice import kafka_client
from careapp.outbox.senders import Sender

PATIENCE_SECONDS = 120  # for what must happen at some time; nothing is measured with it

# Relays begin as forks of a process that has imported all of this, and has neither connected nor started a thread:
# dozens of them are killed, and importing takes longer than most of them live.
_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload([__name__])


class RelayProcess:
    """The application's own relays, as many as a jobs process has, in an endless loop in a process of their own."""

    def __init__(
        self,
        relay_url: str,
        kafka_address: str,
        client: str,
        log: Path,
        crash_point: str = "",
        relays: int = SIDE_BY_SIDE,
    ) -> None:
        own = {"DATABASE_RELAY_URL": relay_url, "KAFKA_BOOTSTRAP_SERVERS": kafka_address, "KAFKA_CLIENT": client}
        self.log = log
        log.touch()
        self._process = _forking.Process(target=run_for_ever, args=({**own, VARIABLE: crash_point}, log, relays))
        self._process.start()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.is_alive()

    def wait_until_crashed(self) -> None:
        """Return when its crash point has killed it; AssertionError when it ended in another way."""
        self._process.join(PATIENCE_SECONDS)
        assert self._process.exitcode == -signal.SIGKILL, self.log.read_text()

    def freeze(self) -> None:
        """Halt it (SIGSTOP) wherever it is."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()

    def _send(self, number: signal.Signals) -> None:
        assert self._process.pid
        os.kill(self._process.pid, number)


def sender_to(address: str, client: str) -> Sender:
    """A sender to a broker that asks for nothing, by one of the two clients."""
    return kafka_client(client)(address, partitions=6, replication_factor=1)


def relay_role(app: APIFlask) -> psycopg.Connection[Any]:
    """A connection with the relay's rights: it sees the outbox of every tenant."""
    return psycopg.connect(libpq_url(app.config["DATABASE_RELAY_URL"]), autocommit=True)


def unsent(app: APIFlask, tenant_id: int) -> int:
    """How many events of the tenant have not left and are not parked, nor behind one that is."""
    with relay_role(app) as connection:
        row = connection.execute(
            "SELECT count(*) FROM outbox o WHERE tenant_id = %s AND published_at IS NULL"
            " AND topic <> 'care.audit.anchored' AND NOT EXISTS ("  # the jobs' own, at their start
            "SELECT 1 FROM outbox b WHERE b.tenant_id = o.tenant_id AND b.key = o.key AND b.id <= o.id"
            " AND b.parked_at IS NOT NULL)",
            [tenant_id],
        ).fetchone()
    assert row is not None
    return int(row[0])


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; AssertionError when it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for has not happened"
        time.sleep(0.05)


def run_for_ever(environment: dict[str, str], log: Path, count: int) -> None:
    """Run passes until killed, as a process with this environment, which says what it has to say in a file."""
    os.environ.update(environment)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    make_sender = partial(sender_to, os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["KAFKA_CLIENT"])
    relays = Relays(os.environ["DATABASE_RELAY_URL"], make_sender, count)
    while True:
        if not relays.run_pass():
            time.sleep(0.05)
