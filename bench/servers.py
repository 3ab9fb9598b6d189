"""What a benchmark runs against: a database on the embedded PostgreSQL, and web servers as the Procfile says."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig

from careapp.localdb import Addresses, libpq_url
from tools.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / "bench"
DATABASE = "care_bench"
LOOKS_FIRST = "python -m careapp.starting "
START_SECONDS, STOP_SECONDS = 180.0, 10.0


@dataclass(frozen=True)
class Server:
    """A running web server: its port and the process that leads its group."""

    port: int
    leader: int


@dataclass(frozen=True)
class Database:
    """One database of the benchmark: addresses of its roles, the process that leads PostgreSQL's, and its name."""

    addresses: Addresses
    leader: int
    version: str
    name: str = DATABASE

    @property
    def superuser(self) -> str:
        """The superuser's address of this database, as psycopg reads it; only the scene is laid with it."""
        return libpq_url(self.addresses.superuser).replace("/postgres?", f"/{self.name}?")


def migrate(owner_url: str) -> None:
    """Run all migrations as the owner."""
    config = AlembicConfig(ROOT / "migrations" / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["owner_url"] = owner_url
    command.upgrade(config, "head")


def web_command() -> str:
    """The Procfile's line for the web process."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    return next(line.removeprefix("web:").strip().removeprefix("exec ") for line in lines if line.startswith("web:"))


def server_alone(application: str = "wsgi:app") -> str:
    """That line for another application, or another version of ours: nothing looks at this version's settings first."""
    return web_command().removeprefix(LOOKS_FIRST).replace("wsgi:app", application)


@contextmanager
def web_server(environment: dict[str, str], *, application: str = "wsgi:app") -> Iterator[Server]:
    """The web server of the Procfile on a free port, with `application` in place of ours where one is named.

    The whole process group is ended at the end: a leader that is killed leaves its workers with the port.
    """
    port = free_port()
    line = web_command() if application == "wsgi:app" else server_alone(application)
    log = (VAR / f"web-{application.split(':')[0]}.log").open("wb")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["sh", "-c", f"exec {line}"], cwd=ROOT, start_new_session=True, stdout=log, stderr=log,
        env={**os.environ, "WEB_WORKERS": "2", **environment, "PATH": path, "PORT": str(port)},
    )  # fmt: skip
    try:
        wait_for(port, process, Path(log.name))
        yield Server(port, process.pid)
    finally:
        log.close()
        end_group(process)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server takes connections; raises RuntimeError with its log when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"the web server did not start:\n{log.read_text(errors='replace')[-3000:]}")


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all it started, by request and then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
