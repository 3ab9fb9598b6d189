"""A database never migrated, or older than the code: who asks is told to come later, the operator what to do."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory
from apiflask import APIFlask
from structlog.testing import capture_logs

from careapp.db import db
from careapp.localdb import libpq_url
from careapp.localdb.bootstrap import bootstrap
from careapp.operations.database_health import HEALTH, MIGRATE, MIGRATIONS
from tests.conftest import ROOT, make_app
from tests.database import TestDatabase
from tests.operations.test_database_health import ask_for_episodes

PAGES = ("/", "/sign-in", "/api/v1/episodes")
Serving = Callable[[TestDatabase], APIFlask]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """serving(DATABASE) is an application on that database."""
    made: list[APIFlask] = []

    def serve(database: TestDatabase) -> APIFlask:
        made.append(make_app(database, tmp_path))
        return made[-1]

    yield serve
    for one in made:
        with one.app_context():
            db.engine.dispose()


@pytest.fixture
def empty(database: TestDatabase) -> Iterator[TestDatabase]:
    """A database with its roles and its schema, as bootstrap leaves it, and no table."""
    made = TestDatabase.at(database.superuser, f"{database.name}_empty")
    bootstrap(database.superuser, database=made.name)
    yield made
    made.drop()


def answers(app: APIFlask) -> list[int]:
    """The status of each address; a JSON one asks as somebody, so that the database has to know him."""
    client = app.test_client()
    return [client.get(page, headers={"Authorization": "Bearer x"}).status_code for page in PAGES]


def revise(database: TestDatabase, revision: str) -> None:
    with psycopg.connect(libpq_url(database.owner)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [revision])


def test_without_tables_everybody_is_told_to_come_later_and_the_operator_once_what_to_do(
    serving: Serving, empty: TestDatabase
) -> None:
    app = serving(empty)
    with capture_logs() as logs:
        assert answers(app) == [503] * len(PAGES)
        ready = app.test_client().get("/readyz")
    assert (ready.status_code, ready.json["code"]) == (503, "NOT_READY")
    page = app.test_client().get("/sign-in")
    assert "The records cannot be reached right now" in page.text
    assert page.headers["Retry-After"]
    assert "waits for its migrations" in app.test_client().get("/api/v1/episodes").json["detail"]
    said = [one["event"] for one in logs]
    assert "flask --app wsgi db upgrade" in MIGRATE
    assert said.count(MIGRATE) == 1
    assert said.count("database waits for its migrations") == len(PAGES)
    assert "fault" not in said, "a traceback of each request would hide it"


def test_a_server_says_it_as_it_starts(empty: TestDatabase, tmp_path: Path) -> None:
    environment = {**os.environ, "CAREAPP_ENV": "development", "CAREAPP_VAR": str(tmp_path), "DATABASE_URL": empty.app}
    started = subprocess.run(
        [sys.executable, "-c", "import wsgi"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert started.stdout.count(MIGRATE) == 1


def test_an_older_schema_is_told_from_a_fault_of_ours(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    [head] = ScriptDirectory(str(MIGRATIONS)).get_heads()
    with TestDatabase.apart() as made:
        app = serving(made)
        with monkeypatch.context() as watched:
            watched.setattr(app.extensions[HEALTH], "ready", lambda: pytest.fail("no request that is well asks for it"))
            assert ask_for_episodes(app).status_code == 401
        with psycopg.connect(libpq_url(made.owner)) as owner:
            owner.execute("ALTER TABLE tenants RENAME COLUMN deleted_at TO gone_at")
        with capture_logs() as logs:
            for revision, status in (("0001", 503), (head, 500)):
                revise(made, revision)
                assert ask_for_episodes(app).status_code == status
        assert [one["event"] for one in logs].count("fault") == 1
