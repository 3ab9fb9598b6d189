"""Database check: no process serves over a connection that row-level security would spare, or that finds no tables."""

from typing import Any

import psycopg
import structlog
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from careapp.db import db
from careapp.localdb import libpq_url
from careapp.operations.serving_role import UnsafeDatabase, refuse_unsafe

_log = structlog.get_logger()


def check_first_connection() -> None:
    """Check whenever the first connection of an engine comes about; until one is found safe, none is given out.

    So a database that is down at the start is checked when it is back. Migrations and bootstrap have connections of
    their own, as other roles.
    """

    def check(connection: Any, _: Any) -> None:
        try:
            refuse_unsafe(connection)
        except UnsafeDatabase as error:
            _log.critical(f"database refused: {error}")
            connection.close()
            raise

    for engine in db.engines.values():
        event.listen(engine, "first_connect", check)


def check_at_start(relay_url: str | None = None) -> None:
    """Connect once, and as the relay where its address is given, before a process serves.

    Raises SystemExit for an unsafe role. A database that does not answer is no reason to end: it may be back in a
    minute, and the first connection is checked then.
    """
    try:
        for engine in db.engines.values():
            with engine.connect():
                pass  # the first connection is checked as it comes about
        if relay_url:
            with psycopg.connect(libpq_url(relay_url)) as connection:
                refuse_unsafe(connection, "care_relay")
    except UnsafeDatabase as error:
        raise SystemExit(f"careapp does not start: {error}.") from None
    except (OperationalError, psycopg.OperationalError) as error:
        _log.warning("the database does not answer yet", error=type(error).__name__)
