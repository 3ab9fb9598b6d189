"""Roles, database, schema and extensions, made by a superuser on any PostgreSQL from 15 on.

The owner migrates, the app role serves requests, the relay role moves events. None is a superuser, passes row-level
security or is a member of another role, so what the app role may do is exactly what it was granted. A fourth role reads
everything and changes nothing: backups are made as it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from careapp.localdb.addresses import DATABASE, libpq_url
from careapp.localdb.errors import LocalDatabaseError

OWNER, APP, RELAY = "care_owner", "care_app", "care_relay"
ROLES = (OWNER, APP, RELAY)
BACKUP = "care_backup"  # reads every tenant's rows, for pg_dump; no process of the application signs in as it
SCHEMA = "care"
OLDEST_VERSION = 150000  # PostgreSQL 15: ON DELETE SET NULL (column), security_invoker views
BOOTSTRAP_LOCK = 7302265  # an advisory lock: two bootstraps at once would collide on the roles

Connection = psycopg.Connection[tuple[Any, ...]]


def bootstrap(superuser_url: str, *, database: str = DATABASE, passwords: Mapping[str, str] | None = None) -> None:
    """Make or mend the three roles and the database; running it again changes nothing.

    `passwords` gives roles a password by name; without it none is set or changed (the embedded server needs none).
    Raises LocalDatabaseError when the server is too old, the database is not UTF-8, or a role is a member of another.
    """
    unknown = set(passwords or {}) - {*ROLES, BACKUP}
    if unknown:
        raise ValueError(f"no such role: {', '.join(sorted(unknown))}")
    with _connect(superuser_url) as connection:
        if connection.info.server_version < OLDEST_VERSION:
            found = connection.info.server_version // 10000
            raise LocalDatabaseError(f"PostgreSQL 15 or newer is needed; this is {found}.")
        connection.execute("SELECT pg_advisory_lock(%s)", [BOOTSTRAP_LOCK])
        _ensure_roles(connection, passwords or {})
        _ensure_database(connection, database)
        with _connect(superuser_url, database) as inside:
            _ensure_schema(inside)
        configure_database(superuser_url, database)


def ensure_roles(superuser_url: str) -> None:
    """Make or mend the roles alone: a database that is restored brings all else with it."""
    with _connect(superuser_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [BOOTSTRAP_LOCK])
        _ensure_roles(connection, {})


def configure_database(superuser_url: str, database: str) -> None:
    """Set what belongs to one database: each role's search_path, which copies do not inherit, and use of schemas."""
    with _connect(superuser_url, database) as connection:
        for role in (*ROLES, BACKUP):
            # Per role and database: SET ROLE does not bring it, so each role signs in as itself.
            _run(
                connection,
                "ALTER ROLE {role} IN DATABASE {database} SET search_path = {schema}, public",
                role=role,
                database=database,
                schema=SCHEMA,
            )
            _run(connection, "GRANT USAGE ON SCHEMA {schema}, public TO {role}", schema=SCHEMA, role=role)


def clone_database(superuser_url: str, template: str, name: str) -> None:
    """Make the database `name` a copy of `template`, to which nobody may be connected; one of that name is dropped."""
    with _connect(superuser_url) as connection:
        _run(connection, "DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=name)
        statement = "CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}"
        _run(connection, statement, name=name, template=template, owner=OWNER)
    configure_database(superuser_url, name)


def _connect(superuser_url: str, database: str | None = None) -> Connection:
    address = make_conninfo(libpq_url(superuser_url), dbname=database, application_name="careapp bootstrap")
    # A cluster made without a locale has databases in no encoding: names would come out of them as bytes.
    return psycopg.connect(address, autocommit=True, client_encoding="UTF8")


def _run(connection: Connection, statement: str, **names: str) -> None:
    """Run one statement in which each {name} is a quoted identifier. All statements are constants of this file."""
    identifiers = {key: sql.Identifier(name) for key, name in names.items()}
    connection.execute(sql.SQL(statement).format(**identifiers))


def _one(connection: Connection, query: str, *values: object) -> Any:
    """The first column of the first row, None when there is no row."""
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None


def _ensure_roles(connection: Connection, passwords: Mapping[str, str]) -> None:
    for role in (*ROLES, BACKUP):
        _ensure_role(connection, role, passwords.get(role))


def _ensure_role(connection: Connection, role: str, password: str | None) -> None:
    sees_all = role == BACKUP  # row-level security would leave rows out of a dump in silence
    powers = connection.execute(
        "SELECT rolcanlogin AND rolbypassrls = %s AND NOT (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication)"
        " FROM pg_roles WHERE rolname = %s",
        [sees_all, role],
    ).fetchone()
    if powers is None:
        _run(connection, "CREATE ROLE {role} LOGIN", role=role)
    if powers is None or not powers[0]:
        passing = "BYPASSRLS" if sees_all else "NOBYPASSRLS"
        rights = f"ALTER ROLE {{role}} LOGIN NOSUPERUSER {passing} NOCREATEROLE NOCREATEDB NOREPLICATION"
        _run(connection, rights, role=role)
    group = _one(connection, "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole", role)
    if group is not None:
        raise LocalDatabaseError(f"{role} must be a member of no role. Run: REVOKE {group} FROM {role}")
    if role == APP:
        _run(connection, "ALTER ROLE {role} SET statement_timeout = '15s'", role=role)
        _run(connection, "ALTER ROLE {role} SET idle_in_transaction_session_timeout = '30s'", role=role)
    if password is not None:
        _set_password(connection, role, password)


def _set_password(connection: Connection, role: str, password: str) -> None:
    """Only the verifier travels: a statement with the password itself could end in the server's log."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("ALTER ROLE {role} PASSWORD {verifier}")
    connection.execute(statement.format(role=sql.Identifier(role), verifier=sql.Literal(verifier)))


def _ensure_database(connection: Connection, database: str) -> None:
    encoding = _one(connection, "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = %s", database)
    if encoding is None:
        # template0, because a cluster made without a locale has an encoding that knows no Burmese.
        _run(
            connection,
            "CREATE DATABASE {database} OWNER {owner} ENCODING 'UTF8' TEMPLATE template0",
            database=database,
            owner=OWNER,
        )
    elif encoding != "UTF8":
        raise LocalDatabaseError(f"The database {database} is encoded in {encoding}; it must be UTF8.")


def _ensure_schema(connection: Connection) -> None:
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    _run(connection, "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}", schema=SCHEMA, owner=OWNER)
    # Never TRUNCATE: it passes row-level security. Identity columns need no grant on their sequences.
    _run(
        connection,
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
        owner=OWNER,
        app=APP,
    )
    for kind in ("TABLES", "SEQUENCES"):
        grant = f"ALTER DEFAULT PRIVILEGES FOR ROLE {{owner}} GRANT SELECT ON {kind} TO {{backup}}"
        _run(connection, grant, owner=OWNER, backup=BACKUP)
        _run(connection, f"GRANT SELECT ON ALL {kind} IN SCHEMA {{schema}} TO {{backup}}", schema=SCHEMA, backup=BACKUP)
    connection.execute("CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public")
    # Statistics are for people who tune; a server built without them serves as well.
    if _one(connection, "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'"):
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public")
