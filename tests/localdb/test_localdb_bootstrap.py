"""Roles, rights and copies of the database, asked of the roles themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, make_url, text

from careapp.localdb import Addresses, LocalDatabaseError, libpq_url
from careapp.localdb.bootstrap import ROLES, bootstrap, clone_database

CATALOGUE = (
    "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolcanlogin, rolpassword, rolconfig"
    " FROM pg_authid LEFT JOIN LATERAL (SELECT setconfig AS rolconfig FROM pg_db_role_setting"
    " WHERE setrole = pg_authid.oid AND setdatabase = 0) AS own ON true ORDER BY 1",
    "SELECT datname, datdba::regrole::text, setrole::regrole::text, setconfig FROM pg_database"
    " LEFT JOIN pg_db_role_setting ON setdatabase = pg_database.oid ORDER BY 1, 3",
    "SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname IN ('care', 'public')",
    "SELECT defaclrole::regrole::text, defaclobjtype::text, defaclacl::text FROM pg_default_acl",
    "SELECT extname, extversion FROM pg_extension ORDER BY 1",
)


def ask(url: str, query: str, *, database: str | None = None) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own and return its rows, if it has any."""
    overrides = {"dbname": database} if database else {}
    with psycopg.connect(libpq_url(url), **overrides) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def catalogue(server: Addresses) -> list[list[tuple[Any, ...]]]:
    return [ask(server.superuser, query, database="care") for query in CATALOGUE]


@pytest.fixture
def table(server: Addresses) -> Iterator[str]:
    """A table the owner made, with one row."""
    ask(server.owner, "CREATE TABLE sample (id bigint GENERATED ALWAYS AS IDENTITY, word text)")
    ask(server.app, "INSERT INTO sample (word) VALUES ('first')")
    yield "sample"
    ask(server.owner, "DROP TABLE sample")


def test_the_addresses_are_what_sqlalchemy_and_libpq_read(server: Addresses) -> None:
    engine = create_engine(server.app)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == "care_app"
    engine.dispose()
    assert make_url(server.app).drivername == "postgresql+psycopg"
    assert libpq_url(server.app).startswith("postgresql://care_app@/care?host=/")


def test_no_role_is_more_than_it_should_be(server: Addresses) -> None:
    powers = "rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication"
    rows = ask(server.superuser, f"SELECT rolname, rolcanlogin, {powers} FROM pg_roles WHERE rolname LIKE 'care_%'")
    strong = {
        "care_app": False,
        "care_backup": True,
        "care_owner": False,
        "care_relay": False,
    }
    assert sorted(rows) == [(name, True, powerful) for name, powerful in strong.items()]
    assert ask(server.superuser, "SELECT 1 FROM pg_auth_members WHERE member::regrole::text LIKE 'care_%'") == []


def test_a_second_bootstrap_changes_nothing(server: Addresses) -> None:
    before = catalogue(server)
    bootstrap(server.superuser)
    assert catalogue(server) == before


def test_a_second_bootstrap_changes_nothing_where_the_server_was_made_without_a_locale(server: Addresses) -> None:
    """Its own databases are in no encoding, and the driver hands over what it reads there as bytes."""
    with psycopg.connect(libpq_url(server.superuser), autocommit=True) as connection:
        connection.execute("CREATE DATABASE plain TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
        try:
            before = catalogue(server)
            bootstrap(make_url(server.superuser).set(database="plain").render_as_string(hide_password=False))
            assert catalogue(server) == before
        finally:
            connection.execute("DROP DATABASE plain")


def test_every_role_looks_in_care_first_and_owner_makes_tables_there(server: Addresses, table: str) -> None:
    for url in (server.app, server.owner, server.relay):
        assert ask(url, "SHOW search_path") == [("care, public",)]
    assert ask(server.superuser, f"SELECT to_regclass('care.{table}') IS NOT NULL", database="care") == [(True,)]


def test_the_app_role_reads_and_writes_but_cannot_truncate_or_create(server: Addresses, table: str) -> None:
    ask(server.app, f"UPDATE {table} SET word = 'changed'")
    assert ask(server.app, f"SELECT word FROM {table}") == [("changed",)]
    ask(server.app, f"DELETE FROM {table}")
    for forbidden in (f"TRUNCATE {table}", "CREATE TABLE mine (id int)", "CREATE TABLE public.mine (id int)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(server.app, forbidden)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(server.relay, f"SELECT * FROM {table}")


def test_the_app_role_cannot_hold_a_transaction_open(server: Addresses) -> None:
    assert ask(server.app, "SHOW statement_timeout") == [("15s",)]
    assert ask(server.app, "SHOW idle_in_transaction_session_timeout") == [("30s",)]
    assert ask(server.owner, "SHOW statement_timeout") == [("0",)]


def test_the_owner_can_use_the_extension_for_exclusion_constraints(server: Addresses) -> None:
    ask(
        server.owner,
        "CREATE TABLE clash (tenant int, busy tstzrange, EXCLUDE USING gist (tenant WITH =, busy WITH &&));"
        " DROP TABLE clash",
    )


def test_a_clone_has_tables_rights_and_search_path_and_replaces_the_last(server: Addresses, table: str) -> None:
    clone = server.for_database("care clone")
    for _ in range(2):
        clone_database(server.superuser, "care", "care clone")
        for url in (clone.app, clone.owner, clone.relay):
            assert ask(url, "SELECT current_database(), current_setting('search_path')") == [
                ("care clone", "care, public")
            ]
        assert ask(clone.app, f"SELECT word FROM {table}") == [("first",)]
        ask(clone.app, f"DELETE FROM {table}")
    with psycopg.connect(libpq_url(server.superuser), autocommit=True) as connection:
        connection.execute('DROP DATABASE "care clone"')


def test_passwords_are_set_as_verifiers(server: Addresses) -> None:
    bootstrap(server.superuser, passwords={"care_relay": "not a real one"})
    rows = ask(server.superuser, "SELECT rolname, left(rolpassword, 14) FROM pg_authid WHERE rolpassword IS NOT NULL")
    assert rows == [("care_relay", "SCRAM-SHA-256$")]
    with pytest.raises(ValueError, match="no such role: care_ap"):
        bootstrap(server.superuser, passwords={"care_ap": "x"})


@pytest.mark.parametrize("role", ROLES)
def test_a_role_grown_too_strong_is_cut_back(server: Addresses, role: str) -> None:
    with psycopg.connect(libpq_url(server.superuser), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} SUPERUSER BYPASSRLS CREATEDB").format(sql.Identifier(role)))
    bootstrap(server.superuser)
    test_no_role_is_more_than_it_should_be(server)


def test_a_role_inside_another_is_refused(server: Addresses) -> None:
    with psycopg.connect(libpq_url(server.superuser), autocommit=True) as connection:
        connection.execute("GRANT care_owner TO care_app")
        with pytest.raises(LocalDatabaseError, match="Run: REVOKE care_owner FROM care_app"):
            bootstrap(server.superuser)
        connection.execute("REVOKE care_owner FROM care_app")
