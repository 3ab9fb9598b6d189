"""The transaction of an application context: when it begins, how it ends, and what it leaves behind."""

import contextlib
from collections.abc import Iterator

import pytest
from apiflask import APIFlask
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from careapp import tenancy, transactions
from careapp.access import Actor
from careapp.db import db
from careapp.transactions import Transaction
from tests.conftest import TestTenant

BOUND = text(f"SELECT {tenancy.TENANT_OF_TRANSACTION}")
RENAMED = text("UPDATE tenant_settings SET name = :name")
NAME = text("SELECT name FROM tenant_settings")


@pytest.fixture(autouse=True)
def nothing_under_way(app: APIFlask) -> Iterator[None]:
    db.session.remove()
    yield
    db.session.remove()


def out() -> int:
    """How many connections are in use."""
    return int(db.engine.pool.checkedout())  # type: ignore[attr-defined]


def test_the_first_statement_begins_and_an_end_gives_the_connection_back(tenant: TestTenant) -> None:
    assert (db.session.in_transaction(), out()) == (False, 0)
    with tenancy.bound(tenant.id):
        assert db.session.execute(BOUND).scalar_one() == tenant.id
        assert db.session.connection() is db.session.connection()
        assert (db.session.in_transaction(), out()) == (True, 1)
    for end in (db.session.rollback, db.session.commit, db.session.remove):
        db.session.execute(BOUND)
        assert out() == 1
        end()
        assert (db.session.in_transaction(), out()) == (False, 0)


def test_what_is_committed_stays_and_what_is_not_goes(god: Actor) -> None:
    with tenancy.bound(god.tenant_id):
        db.session.execute(RENAMED, {"name": "1"})
        db.session.commit()
        db.session.execute(RENAMED, {"name": "2"})
        db.session.rollback()
        db.session.execute(RENAMED, {"name": "3"})
        db.session.remove()
        assert db.session.execute(NAME).scalar_one() == "1"


@pytest.mark.parametrize("end", ["rollback", "remove"])
def test_what_is_undone_on_a_connection_that_was_cut_is_undone(end: str) -> None:
    gone = db.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with db.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 2000)"), {"pid": gone})
    getattr(db.session, end)()
    assert (db.session.in_transaction(), out()) == (False, 0)
    assert db.session.execute(text("SELECT pg_backend_pid()")).scalar_one() != gone


def test_each_context_has_its_own(app: APIFlask, tenant: TestTenant) -> None:
    with tenancy.bound(tenant.id):
        outer = db.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with app.app_context():
            assert not db.session.in_transaction()
            assert db.session.execute(text("SELECT pg_backend_pid()")).scalar_one() != outer
            assert out() == 2
        assert out() == 1
        assert db.session.execute(text("SELECT pg_backend_pid()")).scalar_one() == outer


def test_where_beginning_fails_nothing_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(transaction: Transaction, connection: Connection, nested: bool) -> None:
        raise LookupError("not this one")

    monkeypatch.setattr(transactions, "_opened", [*transactions._opened, refuse])
    with pytest.raises(LookupError):
        db.session.execute(BOUND)
    assert (db.session.in_transaction(), out()) == (False, 0)


def test_a_savepoint_keeps_the_tenant_it_stands_in(tenant: TestTenant) -> None:
    with tenancy.bound(tenant.id):
        db.session.execute(BOUND)
        with db.session.begin_nested():
            assert db.session.execute(BOUND).scalar_one() == tenant.id
        with tenancy.bound(None), pytest.raises(RuntimeError, match="tenant changed"), db.session.begin_nested():
            pass


def test_a_savepoint_undoes_what_failed_in_it_and_no_more(tenant: TestTenant) -> None:
    with tenancy.bound(tenant.id):
        db.session.execute(text("SET LOCAL app.kept = 'yes'"))
        with contextlib.suppress(DBAPIError), db.session.begin_nested():
            db.session.execute(text("SET LOCAL app.kept = 'no'"))
            db.session.execute(text("SELECT 1 / 0"))
        assert db.session.execute(text("SELECT current_setting('app.kept')")).scalar_one() == "yes"


def test_what_a_commit_that_failed_wrote_is_gone_and_nothing_runs_before_a_rollback(god: Actor) -> None:
    def fail(connection: Connection) -> None:
        raise ConnectionError("cut")

    with tenancy.bound(god.tenant_id):
        before = db.session.execute(NAME).scalar_one()
        db.session.execute(RENAMED, {"name": "never"})
        event.listen(db.engine, "commit", fail)
        try:
            with pytest.raises(ConnectionError):
                db.session.commit()
        finally:
            event.remove(db.engine, "commit", fail)
        with pytest.raises(PendingRollbackError):
            db.session.execute(BOUND)
        db.session.rollback()
        assert out() == 0
        db.session.execute(BOUND)
        db.session.commit()  # on a connection that knows nothing of it
        assert db.session.execute(NAME).scalar_one() == before
