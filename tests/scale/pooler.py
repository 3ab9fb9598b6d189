"""A real PgBouncer in transaction mode before the database of the tests, run by an unprivileged user."""

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from careapp.localdb.account import Account
from careapp.localdb.addresses import libpq_url
from tests.database import TestDatabase
from tools.ports import free_port

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
PATIENCE_SECONDS = 60
SHARED = 2  # server connections for all clients together
NEWS = Path(__file__).resolve().parents[2] / "docs" / "operations" / "scaling.md"


class Pooler:
    """PgBouncer on a port of its own: `care` shares server connections, `health` has one for the question alone."""

    def __init__(self, database: TestDatabase, **settings: str) -> None:
        assert PROGRAM is not None
        account = Account.for_data(Path("/nonexistent"))
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="careapp-pooler-"))
        (self.directory / "users.txt").write_text('"care_app" ""\n')
        (self.directory / "pgbouncer.ini").write_text(self._settings(database, settings))
        for path in (self.directory, *self.directory.iterdir()):
            account.own(path)
        self.log = self.directory / "pgbouncer.log"
        self.process = subprocess.Popen(
            [PROGRAM, "-q", str(self.directory / "pgbouncer.ini")], stderr=subprocess.DEVNULL, **account.popen_options()
        )
        self._wait()

    def _settings(self, database: TestDatabase, own: dict[str, str]) -> str:
        """What docs/operations/scaling.md tells operators, with what differs here."""
        recommended = re.search(r"```ini\n(.*?)```", NEWS.read_text(), re.S)
        assert recommended, "the page shows the pooler's settings"
        to = make_url(database.app)
        server = f"host={to.query.get('host', to.host)} port={to.query.get('port', to.port)} dbname={to.database}"
        here = {
            "care": f"{server} pool_size={SHARED}", "care_health": f"{server} pool_size=1",
            "listen_addr": "127.0.0.1", "listen_port": str(self.port), "auth_type": "trust",
            "auth_file": str(self.directory / "users.txt"), "logfile": str(self.directory / "pgbouncer.log"),
            "unix_socket_dir": "", "stats_users": "care_app", **own,
        }  # fmt: skip
        lines = [line for line in recommended[1].splitlines() if line.split("=")[0].strip() not in here]
        section = lines.index("[pgbouncer]")
        databases = [f"{name} = {here.pop(name)}" for name in ("care", "care_health")]
        others = [f"{name} = {value}" for name, value in here.items()]
        return "\n".join([*lines[:section], *databases, *lines[section:], *others, ""])

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            told = self.log.read_text() if self.log.exists() else "no log"
            assert self.process.poll() is None, f"PgBouncer ended: {told}"
            assert time.monotonic() < deadline, told
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(libpq_url(self.app), connect_timeout=2, autocommit=True) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    @property
    def app(self) -> str:
        """The app role's address through the pooler."""
        return f"postgresql+psycopg://care_app@127.0.0.1:{self.port}/care"

    @property
    def health(self) -> str:
        """The address for asking whether the database answers, past the queue of the others."""
        return f"postgresql+psycopg://care_app@127.0.0.1:{self.port}/care_health"

    def show(self, what: str) -> list[dict[str, Any]]:
        """A table of PgBouncer's console, such as POOLS or STATS."""
        address = f"postgresql://care_app@127.0.0.1:{self.port}/pgbouncer"
        with psycopg.connect(address, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
            found = connection.execute(f"SHOW {what}")  # type: ignore[call-overload]
            names = [column.name for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found]

    def transactions(self) -> int:
        """How many transactions it has passed on for `care`."""
        return next(int(row["total_xact_count"]) for row in self.show("STATS") if row["database"] == "care")

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)
        shutil.rmtree(self.directory)
