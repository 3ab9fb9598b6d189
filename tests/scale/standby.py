"""A real streaming replica of the tests' PostgreSQL: made by pg_basebackup, and held up, frozen or ended at will."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from careapp.localdb.account import Account
from careapp.localdb.addresses import PORT, libpq_url
from careapp.localdb.server import programs
from tests.database import TestDatabase

PATIENCE_SECONDS = 120


def await_(condition: Callable[[], bool], what: str) -> None:
    """Wait until it is true; fail naming what never came."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.02)


class Standby:
    """The copy, reached as any role under the same names as the primary."""

    def __init__(self, database: TestDatabase) -> None:
        self.database, self.following = database, False
        self.account = Account.for_data(Path("/nonexistent"))
        self.directory = Path(tempfile.mkdtemp(prefix="careapp-standby-"))
        self.data, self.log = self.directory / "data", self.directory / "log"
        self.log.touch()
        for path in (self.directory, self.log):
            self.account.own(path)
        primary = make_url(database.superuser)
        options = [*("-h", str(primary.query["host"])), *("-p", str(primary.query["port"])), *("-U", "postgres")]
        # The primary keeps for it what it has not had yet: others' checkpoints throw away the log of who stood still.
        self.kept_for = f"standby_{os.getpid()}_{id(self)}"
        options += ["--create-slot", "--slot", self.kept_for]
        self._run("pg_basebackup", "-D", str(self.data), "-R", "-X", "stream", "-c", "fast", "--no-sync", *options)
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(programs() / program), *arguments]
        made = subprocess.run(command, capture_output=True, text=True, check=False, **self.account.popen_options())
        assert made.returncode == 0, made.stderr

    def start(self) -> None:
        """Start it; it follows the primary from where it stood."""
        settings = ["listen_addresses=", "fsync=off", "max_connections=400", "timezone=UTC"]
        options = [part for setting in settings for part in ("-c", setting)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [programs() / "postgres", "-D", self.data, "-k", self.directory, "-p", str(PORT), *options],
                stdout=log, stderr=log, **self.account.popen_options(),
            )  # fmt: skip
        await_(self._answers, "the replica answers")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            return self.ask("SELECT pg_is_in_recovery()") is True
        except psycopg.OperationalError:
            return False

    def stop(self) -> None:
        """End it as a machine that is switched off would."""
        self.following = False
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE_SECONDS)

    def freeze(self, number: int = signal.SIGSTOP) -> None:
        """Halt all its processes, or let them go on (SIGCONT)."""
        self.following = False
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for one in (self.process.pid, *map(int, listed)):
            with suppress(ProcessLookupError):  # the server of a connection that was closed just now
                os.kill(one, number)

    def close(self) -> None:
        """End it and remove it."""
        self.freeze(signal.SIGCONT)
        self.stop()
        shutil.rmtree(self.directory)
        with psycopg.connect(libpq_url(self.database.whole), autocommit=True) as connection:
            mine = "FROM pg_replication_slots WHERE slot_name = %s"
            await_(
                lambda: connection.execute(f"SELECT NOT active {mine}", [self.kept_for]).fetchone() == (True,),
                "its end",
            )
            connection.execute(f"SELECT pg_drop_replication_slot(slot_name) {mine}", [self.kept_for])

    @property
    def app(self) -> str:
        """The app role's address of the copy."""
        return self._as(self.database.app)

    def _as(self, url: str) -> str:
        socket = {"host": str(self.directory), "port": str(PORT)}
        return make_url(url).set(query=socket).render_as_string(hide_password=False)

    def ask(self, statement: str) -> Any:
        """The only value of a statement, run on the copy by its superuser."""
        with psycopg.connect(
            libpq_url(self._as(self.database.whole)), autocommit=True, connect_timeout=5
        ) as connection:
            row = connection.execute(statement).fetchone()
        assert row
        return row[0]

    def set(self, name: str, value: str) -> None:
        """Change one of its own settings, which no restart needs."""
        address = libpq_url(self._as(self.database.whole))
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        self.ask("SELECT pg_reload_conf()")
        await_(lambda: bool(self.ask(f"SELECT current_setting('{name}')") == value), f"{name} is {value}")

    def hold(self) -> None:
        """Let it receive the primary's log and replay nothing more of it."""
        self.following = False
        self.ask("SELECT pg_wal_replay_pause()")
        await_(lambda: bool(self.ask("SELECT pg_get_wal_replay_pause_state()") == "paused"), "replaying stands still")

    def follow(self) -> None:
        """Replay again, and return when it has all that the primary has by now."""
        self.ask("SELECT pg_wal_replay_resume()")
        with psycopg.connect(libpq_url(self.database.whole), autocommit=True) as connection:
            row = connection.execute("SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint").fetchone()
        assert row
        self.following = True
        self.reach(row[0])

    def reach(self, flushed: int) -> None:
        """Return when it has what the primary had at that position; at once while it does not follow.

        Other tests write on the same server, so what was near a moment ago may be behind by their writes.
        """
        if self.following:
            await_(
                lambda: bool(self.ask(f"SELECT pg_last_wal_replay_lsn() - '0/0' >= {flushed}")), "the replica is near"
            )
