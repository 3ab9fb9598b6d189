"""`flask database await`: what must not start before the migrations waits for them, and gives up when told to."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory

from careapp.localdb import libpq_url
from tests.conftest import ROOT
from tests.database import TestDatabase


@pytest.fixture
def apart() -> Iterator[TestDatabase]:
    """A database whose schema a test may call older than it is."""
    with TestDatabase.apart() as made:
        yield made


def waiting(address: str, var: Path, seconds: int) -> "subprocess.Popen[str]":
    """The command, as an init container runs it."""
    environment = {**os.environ, "DATABASE_URL": address, "CAREAPP_VAR": str(var)}
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "database", "await", "--seconds", str(seconds)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def set_revision(database: TestDatabase, revision: str) -> str:
    """Say that the schema is of another revision; returns the one before."""
    with psycopg.connect(libpq_url(database.whole), autocommit=True) as connection:
        row = connection.execute("SELECT version_num FROM care.alembic_version").fetchone()
        connection.execute("UPDATE care.alembic_version SET version_num = %s", [revision])
    assert row is not None
    return str(row[0])


def test_it_ends_when_the_schema_is_there(apart: TestDatabase, tmp_path: Path) -> None:
    script = ScriptDirectory(str(ROOT / "migrations"))
    [base] = script.get_bases()
    newest = set_revision(apart, base)
    told = waiting(apart.app, tmp_path, 0)
    assert "waits for its migrations" in told.communicate(timeout=60)[0]
    assert told.returncode == 1

    told = waiting(apart.app, tmp_path, 60)
    set_revision(apart, newest)
    assert "ready for this version" in told.communicate(timeout=90)[0]
    assert told.returncode == 0


def test_a_later_schema_will_do(apart: TestDatabase, tmp_path: Path) -> None:
    set_revision(apart, "9999_of_a_later_version")
    told = waiting(apart.app, tmp_path, 0)
    assert "ready for this version" in told.communicate(timeout=60)[0]


def test_no_database_is_said(tmp_path: Path) -> None:
    told = waiting("postgresql+psycopg://care_app@127.0.0.1:9/care", tmp_path, 0)
    assert "takes no connection" in told.communicate(timeout=60)[0]
    assert told.returncode == 1
