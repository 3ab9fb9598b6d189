"""Database check: refuse to serve over a connection that row-level security would spare, or that finds no tables.

Every tenant's rows are apart only for a role that is no superuser, lacks BYPASSRLS and owns no table: an address of the
wrong role in a setting must stop the process, not open every tenant to every other.
"""

from typing import Any

import psycopg
import structlog
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from careapp.db import db
from careapp.localdb import libpq_url
from careapp.localdb.bootstrap import SCHEMA

_RIGHTS = """
    SELECT current_user, current_setting('search_path'), rolsuper OR rolbypassrls, EXISTS (
        SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = %s AND relkind IN ('r', 'p') AND pg_has_role(current_user, relowner, 'MEMBER'))
    FROM pg_roles WHERE rolname = current_user
"""

_log = structlog.get_logger()


class UnsafeDatabase(RuntimeError):
    """The address leads to a role, or to a place, that must not serve; the text says which setting is wrong."""


def refuse_unsafe(connection: psycopg.Connection[Any], right: str = "care_app") -> None:
    """Look at what the role of a connection may do, and where it looks for tables.

    Raises UnsafeDatabase, with the `right` role to use.
    """
    found = connection.execute(_RIGHTS, [SCHEMA]).fetchone()
    connection.rollback()
    assert found is not None  # everybody who is connected is a role
    role, path, spared, owner = found
    if spared:
        raise UnsafeDatabase(f"{role} is a superuser or has BYPASSRLS, which no row-level security holds; use {right}")
    if owner:
        raise UnsafeDatabase(f"{role} owns tables in schema {SCHEMA} and could change them; use {right}")
    if path.replace('"', "").split(",")[0].strip() != SCHEMA:
        raise UnsafeDatabase(f"the search_path is {path!r}, not '{SCHEMA}, public'; run `flask database bootstrap`")


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
