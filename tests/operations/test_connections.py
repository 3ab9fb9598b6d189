"""Connections of the application: what a rollback leaves them."""

import pytest
from apiflask import APIFlask
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from careapp.db import db

ADDS = text("SELECT CAST(:one AS int) + 1")
PREPARED = text("SELECT name FROM pg_prepared_statements WHERE statement LIKE 'SELECT CAST(% AS int) + 1'")


def prepared(connection: Connection) -> list[str]:
    """The name under which the server keeps ADDS for this connection. Others may go: the driver keeps a hundred."""
    return list(connection.execute(PREPARED).scalars())


@pytest.mark.parametrize("fails", [False, True])
def test_a_rollback_leaves_a_connection_its_prepared_statements(app: APIFlask, fails: bool) -> None:
    with app.app_context(), db.engine.connect() as connection:
        for number in range(7):
            assert connection.execute(ADDS, {"one": number}).scalar_one() == number + 1
        before = prepared(connection)
        if fails:
            with pytest.raises(DBAPIError):
                connection.execute(text("SELECT 1 / 0"))
        connection.rollback()
        assert len(before) == 1
        assert prepared(connection) == before
        assert connection.execute(ADDS, {"one": 1}).scalar_one() == 2
        assert prepared(connection) == before
        connection.rollback()


def test_a_rollback_takes_back_what_was_done(app: APIFlask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text("SELECT set_config('app.tenant_id', '7', true)"))
        connection.rollback()
        assert connection.execute(text("SELECT current_setting('app.tenant_id', true)")).scalar_one() in (None, "")
        connection.rollback()
        assert not connection.in_transaction()


def test_a_connection_that_is_lost_is_noticed_as_ever(app: APIFlask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.pgconn.finish()
        with pytest.raises(DBAPIError) as lost:
            connection.rollback()
        assert lost.value.connection_invalidated
    with app.app_context(), db.engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
