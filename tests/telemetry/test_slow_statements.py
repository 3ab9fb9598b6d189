"""Slow statements: logged with their shape and time, never with a value, whichever way the value got there."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import Text, bindparam, func, select, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from careapp import partitions
from careapp.audit import sealer
from careapp.clinics.models import Clinic
from careapp.db import db, table_of
from careapp.kept import keep
from careapp.outbox import upkeep
from careapp.outbox.relay import Relay
from careapp.outbox.senders import LogSender
from careapp.telemetry import statements
from careapp.telemetry.statements import LONGEST_SHAPE, shape
from tests.conftest import make_app
from tests.database import TestDatabase

MARK = "Xqzvfamily"


def relay_connection(address: str) -> psycopg.Connection[Any]:
    """A relay's own connection."""
    return Relay(address, LogSender())._connected()


def slow_lines(app: APIFlask, statement: str, **given: object) -> list[dict[str, object]]:
    """The lines about slow statements while one runs."""
    with capture_logs() as lines, app.app_context():
        try:
            db.session.execute(text(statement), given)
        except DBAPIError:
            pass
        finally:
            db.session.rollback()
    return [dict(line) for line in lines if line["event"] == "slow statement"]


def test_a_slow_statement_leaves_its_shape_and_its_time(slow_app: APIFlask) -> None:
    [line] = slow_lines(slow_app, f"SELECT pg_sleep(0.02), :name || '{MARK}', 1903", name=MARK)
    assert line["statement"] == "SELECT pg_sleep(?), %(name)s || ?, ?"
    assert isinstance(line["milliseconds"], float)
    assert line["milliseconds"] >= 20
    assert MARK not in str(line)


def test_one_that_is_kept_leaves_one_as_well(slow_app: APIFlask) -> None:
    kept = keep(select(func.pg_sleep(0.02), bindparam("name", type_=Text)))
    with capture_logs() as lines, slow_app.app_context():
        db.session.execute(kept, {"name": MARK})
        db.session.rollback()
    [line] = [line for line in lines if line["event"] == "slow statement"]
    assert "pg_sleep(%(pg_sleep_2)s)" in line["statement"]
    assert line["milliseconds"] >= 20
    assert MARK not in str(line)


def test_of_several_none_hides_the_others() -> None:
    told = statements.together([f"SELECT {name}, {'x' * 3000}" for name in "abc"])
    assert [one[:8] for one in told.split("; ")] == ["SELECT a", "SELECT b", "SELECT c"]
    assert len(told) <= LONGEST_SHAPE


def test_several_that_are_sent_at_once_are_told_as_one(slow_app: APIFlask) -> None:
    slow, quick = keep(select(func.pg_sleep(0.02))), keep(select(bindparam("name", type_=Text)))
    with capture_logs() as lines, slow_app.app_context():
        db.session.execute_each([(slow, None), (quick, {"name": MARK})])
        db.session.rollback()
    [line] = [line for line in lines if line["event"] == "slow statement"]
    assert "pg_sleep" in line["statement"].partition("; ")[0]
    assert "%(name)s" in line["statement"].partition("; ")[2]
    assert MARK not in str(line)


@pytest.mark.parametrize(
    "values", [{"the_id": 1, "name": MARK}, [{"the_id": 1, "name": MARK}, {"the_id": 2, "name": ""}]]
)
def test_only_columns_that_are_written_are_named(app: APIFlask, values: Any) -> None:
    clinics = table_of(Clinic)
    statement = clinics.update().where(clinics.c.id == bindparam("the_id"))
    with app.app_context(), db.engine.connect() as connection:
        told = statements._words(connection, statement, values)
    assert " ".join(told.split()) == "UPDATE clinics SET name=%(name)s::VARCHAR WHERE clinics.id = %(the_id)s::BIGINT"


def test_one_that_fails_after_long_leaves_one_too(slow_app: APIFlask) -> None:
    failing = "SELECT pg_sleep(0.02), 1 / (extract(epoch FROM clock_timestamp()) * 0)::int, CAST(:name AS text)"
    [line] = slow_lines(slow_app, failing, name=MARK)
    assert "pg_sleep(?)" in str(line["statement"])
    assert MARK not in str(line)


def test_one_sent_for_many_rows_is_as_many_statements(database: TestDatabase, tmp_path: Path) -> None:
    """Each counts for its part of the time: forty that take longer than the limit together leave no line."""
    made, took = make_app(database, tmp_path, slow_query_ms=600, database_pool_size=1), 0.0
    with capture_logs() as lines, made.app_context():
        for seconds, count in ((0.02, 40), (0.7, 2)):
            began = time.monotonic()
            db.session.execute(text("SELECT pg_sleep(:seconds)"), [{"seconds": seconds}] * count)
            took = time.monotonic() - began
        db.session.rollback()
        db.engine.dispose()
    [slow] = [line for line in lines if line["event"] == "slow statement"]
    assert 700 <= slow["milliseconds"] <= 1000 * took / 2, "one of two, however long a machine stalled between"


@pytest.fixture
def a_millisecond_is_long() -> Iterator[None]:
    """Connections beside the engines log nearly every statement; a process sets that once, at its start."""
    statements.log_slow_beside(1)
    yield
    statements.log_slow_beside(0)


@pytest.mark.parametrize("way", [sealer.connected, upkeep._connected, relay_connection])
def test_what_jobs_ask_beside_the_engines_leaves_one_too(
    way: Callable[[str], psycopg.Connection[Any]], database: TestDatabase, a_millisecond_is_long: None
) -> None:
    with way(database.relay) as connection, capture_logs() as lines:
        connection.execute("SELECT pg_sleep(0.02), %s", [MARK])
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute(f"SELECT pg_sleep(0.02), 1 / (extract(epoch FROM now()) * 0)::int, '{MARK}'")
    told = [str(line["statement"]) for line in lines if line["event"] == "slow statement"]
    assert told == ["SELECT pg_sleep(?), %s", "SELECT pg_sleep(?), ? / (extract(epoch FROM now()) * ?)::int, ?"]
    assert lines[0]["milliseconds"] >= 20


def test_making_partitions_is_one_of_them(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "_limit_beside", 0.0)  # there may be nothing to make, which takes no time
    with capture_logs() as lines:
        partitions.make_ahead(database.relay)
    assert any("make_partitions" in str(line.get("statement")) for line in lines)


def test_nothing_of_jobs_is_logged_where_no_limit_is_set(database: TestDatabase) -> None:
    with sealer.connected(database.relay) as connection, capture_logs() as lines:
        connection.execute("SELECT pg_sleep(0.02)")
    assert lines == []


@pytest.mark.parametrize("limit", [0, 600_000])
def test_a_quick_one_leaves_none(limit: int, database: TestDatabase, tmp_path: Path) -> None:
    made = make_app(database, tmp_path, slow_query_ms=limit, database_pool_size=1)
    assert slow_lines(made, "SELECT pg_sleep(0.02)") == []
    with made.app_context():
        db.engine.dispose()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT 'it''s Daw', x FROM t WHERE y = 42", "SELECT ?, x FROM t WHERE y = ?"),
        ("SELECT E'it\\'s Daw', -3.5", "SELECT ?, ?"),
        ("SELECT $a$Daw's$a$, $$x$$", "SELECT ?, ?"),
        ("UPDATE t1\n  SET a = %(param_1)s, b=1903", "UPDATE t1 SET a = %(param_1)s, b=?"),
        ("SELECT a FROM t WHERE b = $1 AND c > $22 - 7", "SELECT a FROM t WHERE b = $1 AND c > $22 - ?"),
        ("SELECT x" * 1000, ("SELECT x" * 1000)[:LONGEST_SHAPE]),
    ],
)
def test_a_shape_has_no_value(statement: str, told: str) -> None:
    assert shape(statement) == told
