"""The version before: its code as it stood, and a database with its schema."""

import os
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig

from bench.servers import Server, end_group, server_alone, wait_for
from careapp.localdb.bootstrap import ROLES, bootstrap
from tests.conftest import ROOT
from tests.database import TestDatabase
from tools.ports import free_port

LAST_BEFORE, FIRST_SINCE = "0006", "0007_trusted_audit.py"  # the schema of the version before, and what follows it


def code_before(place: Path) -> Path:
    """The code of the version before, laid out in `place`; skips where the history is not here."""
    added = _git("log", "--diff-filter=A", "--format=%H", "--", f"migrations/versions/{FIRST_SINCE}").split()
    if not added:
        pytest.skip("NOT TESTED: this copy has no history, so the version before is not to be had")
    packed = subprocess.run(
        ["git", "archive", f"{added[-1]}^", "careapp", "migrations", "wsgi.py"], cwd=ROOT, capture_output=True
    )
    if packed.returncode:
        pytest.skip("NOT TESTED: the history ends before the version before")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(place, filter="data")
    return place


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


@contextmanager
def database_before(superuser: str) -> Iterator[TestDatabase]:
    """A database with the schema of the version before."""
    name = f"care_before_{uuid.uuid4().hex[:8]}"
    made = TestDatabase.at(superuser, name)
    asks_password = "@" in superuser and ":" in superuser.split("@")[0].split("//")[1]
    bootstrap(superuser, database=name, passwords={role: role for role in ROLES} if asks_password else None)
    upgrade(made, LAST_BEFORE)
    try:
        yield made
    finally:
        made.drop()


def upgrade(database: TestDatabase, to: str = "head") -> None:
    """Run the migrations of this version up to one of them."""
    config = AlembicConfig(ROOT / "migrations" / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["owner_url"] = database.owner
    command.upgrade(config, to)


@contextmanager
def serving(code: Path, environment: dict[str, str], log: Path) -> Iterator[Server]:
    """A web server that runs the application in `code`."""
    port = free_port()
    process = _start(server_alone(), code, {**environment, "PORT": str(port), "WEB_WORKERS": "1"}, log)
    try:
        wait_for(port, process, log)
        yield Server(port, process.pid)
    finally:
        end_group(process)


@contextmanager
def jobs(code: Path, environment: dict[str, str], log: Path) -> Iterator[None]:
    """The jobs process of the application in `code`, which has to end by itself when it is told to."""
    process = _start("flask --app wsgi jobs", code, environment, log)
    try:
        yield
        process.terminate()
        assert process.wait(60) == 0, log.read_text(errors="replace")[-3000:]
    finally:
        end_group(process)


def _start(line: str, code: Path, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as file:
        return subprocess.Popen(
            ["sh", "-c", f"exec {line}"], cwd=code, start_new_session=True, stdout=file, stderr=file,
            env={**os.environ, **environment, "PATH": path, "PYTHONPATH": str(code)},
        )  # fmt: skip
