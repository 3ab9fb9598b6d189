"""The role a process serves as: what it may do, and where it finds tables, by one look over one connection.

Every tenant's rows are apart only for a role that is no superuser, lacks BYPASSRLS and owns no table: an address of the
wrong role in a setting must stop the process, not open every tenant to every other.
"""

from typing import Any

import psycopg

from careapp.localdb.bootstrap import SCHEMA

_RIGHTS = """
    SELECT current_user, current_setting('search_path'), rolsuper OR rolbypassrls, EXISTS (
        SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = %s AND relkind IN ('r', 'p') AND pg_has_role(current_user, relowner, 'MEMBER'))
    FROM pg_roles WHERE rolname = current_user
"""


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
