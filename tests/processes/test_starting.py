"""Web that cannot start says why once, before there are workers, and ends; what it is checked by is what serves."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from bench.servers import LOOKS_FIRST, server_alone, web_command
from careapp import localdb
from tests.conftest import ROOT
from tests.database import TestDatabase
from tests.instance import Instance
from tests.jobs.relays import wait_until
from tools.ports import free_port

Start = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(database: TestDatabase, tmp_path: Path) -> dict[str, str]:
    """The settings of an installation that is well."""
    return {"CAREAPP_ENV": "development", "CAREAPP_VAR": str(tmp_path), "DATABASE_URL": database.app}


@pytest.fixture
def start(environment: dict[str, str]) -> Start:
    """start(**settings) is how the line of the Procfile ended that was started with them."""

    def run(**settings: str) -> "subprocess.CompletedProcess[str]":
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        whole = {**os.environ, "PORT": str(free_port()), **environment, **settings, "PATH": path}
        return subprocess.run(
            ["sh", "-c", f"exec {web_command()}"], cwd=ROOT, env=whole, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    return run


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port on which somebody else listens already, on the one address or on all."""
    with socket.create_server((request.param, 0)) as other:
        yield int(other.getsockname()[1])


def told_once(ended: "subprocess.CompletedProcess[str]") -> str:
    """The only line it has printed, having ended as who fails."""
    assert (ended.returncode, ended.stdout) == (1, "")
    [line] = ended.stderr.splitlines()
    return line


def test_a_port_that_is_taken_is_said_in_a_sentence(start: Start, taken: int) -> None:
    assert told_once(start(PORT=str(taken))) == (
        f"careapp does not start: port {taken} on 127.0.0.1 is taken;"
        " end what listens there, or set PORT to another."
    )  # fmt: skip


def test_a_second_server_does_not_start_beside_the_first(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    first = Instance(environment, tmp_path / "log")
    try:
        assert f"port {first.port} on 127.0.0.1 is taken" in told_once(start(PORT=str(first.port)))
    finally:
        first.signal(9)
        first.process.wait()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"METRICS_PORT": "99999"}, "METRICS_PORT: input should be less than or equal to 65535."),
        ({"CAREAPP_ENV": "production"}, "production needs SECRET_KEY"),
        ({"BREACHED_PASSWORDS_FILE": "/nowhere/list"}, "BREACHED_PASSWORDS_FILE: "),
        ({"DATABASE_URL": "care:pass-41@db"}, "DATABASE_URL is no address such as "),
        ({"DATABASE_URL": "postgresql://care_app:pass-41@db/care?x=1"}, "DATABASE_URL is no address such as "),
        ({"HOST": "192.0.2.1"}, "on 192.0.2.1 cannot be had"),
    ],
)
def test_a_wrong_setting_is_said_once_and_ends_it(start: Start, settings: dict[str, str], said: str) -> None:
    line = told_once(start(**settings))
    assert line.startswith("careapp does not start: ")
    assert said in line
    assert "pass-41" not in line


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_REPLICA_URL"])
def test_a_role_that_may_too_much_is_said_once_and_ends_it(start: Start, database: TestDatabase, name: str) -> None:
    assert told_once(start(**{name: database.owner})).startswith(f"careapp does not start: {name}: care_owner owns")


def test_a_database_without_an_encoding_tells_the_role_as_well(start: Start, database: TestDatabase) -> None:
    plain = TestDatabase.at(database.superuser, f"care_plain_{uuid4().hex[:10]}")
    with psycopg.connect(localdb.libpq_url(database.superuser), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {plain.name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        assert "DATABASE_URL: postgres is a superuser" in told_once(start(DATABASE_URL=plain.whole))
    finally:
        plain.drop()


def test_a_database_that_is_away_keeps_nobody_from_starting(environment: dict[str, str], tmp_path: Path) -> None:
    away = Instance(environment | {"DATABASE_URL": "postgresql://care_app@127.0.0.1:1/care"}, tmp_path / "log")
    try:
        wait_until(lambda: "the database does not answer yet" in (tmp_path / "log").read_text())
    finally:
        away.signal(9)
        away.process.wait()


def test_the_image_looks_first_as_well_and_the_server_alone_is_what_it_becomes() -> None:
    assert f"exec {LOOKS_FIRST}granian " in (ROOT / "Dockerfile").read_text()
    assert server_alone().startswith("granian ")
