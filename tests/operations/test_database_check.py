"""No process serves as a role that row-level security spares, and a database that is away stops none."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import make_url

from careapp import localdb
from careapp.db import db
from careapp.operations.database_check import check_at_start
from careapp.operations.serving_role import UnsafeDatabase, refuse_unsafe
from tests.conftest import ROOT, make_app
from tests.database import TestDatabase
from tools.ports import free_port

Start = Callable[..., "subprocess.CompletedProcess[str]"]
Make = Callable[[str], APIFlask]


@pytest.fixture
def start(database: TestDatabase, tmp_path: Path) -> Start:
    """start(WORDS, **environment) runs Python with these words, in the environment of an installation."""

    def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        own = {
            "CAREAPP_ENV": "development", "CAREAPP_VAR": str(tmp_path), "DATABASE_URL": database.app,
            "DATABASE_OWNER_URL": database.owner, "DATABASE_RELAY_URL": database.relay,
        }  # fmt: skip
        whole = os.environ | own | environment
        return subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=whole, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture
def app_at(database: TestDatabase, tmp_path: Path) -> Iterator[Make]:
    """app_at(ADDRESS) is an application whose database stands at that address."""
    made: list[APIFlask] = []

    def make(address: str) -> APIFlask:
        made.append(make_app(replace(database, app=address), tmp_path))
        return made[-1]

    yield make
    for one in made:
        with one.app_context():
            db.engine.dispose()


WRONG = {
    "owner": (lambda database: database.owner, "owns tables"),
    "superuser": (lambda database: database.whole, "is a superuser"),
}


@pytest.mark.parametrize("who", WRONG)
@pytest.mark.parametrize("words", [("-c", "import wsgi"), ("-m", "flask", "--app", "wsgi", "jobs")])
def test_web_and_jobs_do_not_start_as_a_role_that_may_too_much(
    start: Start, database: TestDatabase, words: tuple[str, ...], who: str
) -> None:
    address, said = WRONG[who]
    refused = start(*words, DATABASE_URL=address(database))
    assert refused.returncode == 1
    assert f"careapp does not start: {make_url(address(database)).username} {said}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_jobs_do_not_start_with_a_relay_that_may_too_much(start: Start, database: TestDatabase) -> None:
    refused = start("-m", "flask", "--app", "wsgi", "jobs", DATABASE_RELAY_URL=database.owner)
    assert refused.returncode == 1
    assert "careapp does not start: care_owner owns tables" in refused.stderr
    assert "use care_relay." in refused.stderr


def test_web_starts_as_the_app_role_and_while_the_database_is_away(start: Start) -> None:
    assert start("-c", "import wsgi").returncode == 0
    away = start("-c", "import wsgi", DATABASE_URL=f"postgresql+psycopg://care_app@127.0.0.1:{free_port()}/care")
    assert away.returncode == 0
    assert "the database does not answer yet" in away.stdout


def test_a_database_that_comes_back_is_used_if_it_is_safe(
    app_at: Make, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address, status in ((database.app, 200), (database.owner, 500)):
        app = app_at(address)
        with app.app_context(), monkeypatch.context() as away:
            away.setattr(db.engine.dialect, "connect", no_answer)
            check_at_start()
            assert app.test_client().get("/readyz").status_code == 503
        for _ in range(2):
            assert app.test_client().get("/readyz").status_code == status
        assert app.test_client().get("/healthz").status_code == 200


def no_answer(*args: object, **named: object) -> None:
    """What connecting to a server that is down does."""
    raise psycopg.OperationalError("connection refused")


def test_no_connection_is_given_out_until_one_is_safe(app_at: Make, database: TestDatabase) -> None:
    with app_at(database.whole).app_context():
        for _ in range(3):
            with pytest.raises(UnsafeDatabase, match="superuser"):
                db.engine.connect()


def test_a_search_path_elsewhere_is_refused(database: TestDatabase) -> None:
    elsewhere = psycopg.connect(localdb.libpq_url(database.app), options="-c search_path=public")
    with elsewhere as connection, pytest.raises(UnsafeDatabase, match=r"search_path is 'public'"):
        refuse_unsafe(connection)


def test_bootstrap_and_upgrade_run_before_there_is_a_schema(start: Start, database: TestDatabase) -> None:
    name = f"{database.name}_new"
    made = TestDatabase.at(database.superuser, name)
    addresses = {"DATABASE_URL": made.app, "DATABASE_OWNER_URL": made.owner}
    flask = ("-m", "flask", "--app", "wsgi")
    superuser = localdb.libpq_url(database.superuser)
    try:
        first = start(*flask, "database", "bootstrap", "--superuser", superuser, "--name", name, **addresses)
        assert first.returncode == 0, first.stderr
        second = start(*flask, "db", "upgrade", **addresses)
        assert second.returncode == 0, second.stderr
        third = start(
            *flask, "tenant", "add", "first", "--name", "First", "--time-zone", "Asia/Yangon", **addresses
        )  # fmt: skip
        assert third.returncode == 0, third.stderr
        assert start("-c", "import wsgi", **addresses).returncode == 0
    finally:
        made.drop()
