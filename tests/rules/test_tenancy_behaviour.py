"""Two tenants: what one stores the other can neither see, change, delete, store in its name, nor point at."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import Select

from careapp import localdb
from careapp.access import Actor
from careapp.cli.doctor.walls import APPEND_ONLY, NEVER_DELETED, tenant_tables
from careapp.episodes.service import episode_rows
from careapp.prescriptions.service import prescription_rows
from careapp.providers.queries import provider_rows
from careapp.referrals.service import referral_rows
from careapp.scheduling.appointments import appointment_rows
from careapp.scheduling.slots import slot_rows
from tests.conftest import TestTenant, everything
from tests.database import TestDatabase
from tests.rules.whole_tenant import (
    BY_OTHERS,
    Connection,
    Row,
    connect,
    fill,
    insert,
    insertable,
    key_columns,
    references,
)

REFUSED = psycopg.errors.InsufficientPrivilege


@pytest.fixture
def address(database: TestDatabase) -> str:
    """The app role's address."""
    return localdb.libpq_url(database.app)


@pytest.fixture
def tables(database: TestDatabase) -> list[str]:
    """All tables whose rows belong to a tenant, from the catalogue."""
    with psycopg.connect(localdb.libpq_url(database.owner)) as owner:
        return tenant_tables(owner)


@pytest.fixture
def first(database: TestDatabase, new_tenant: Callable[..., TestTenant]) -> TestTenant:
    """A tenant with a row in every table."""
    made = new_tenant()
    fill(everything(made))
    with connect(localdb.libpq_url(database.owner), made.id) as owner:
        for statement in BY_OTHERS:
            owner.execute(statement, {"tenant": made.id})
    return made


@pytest.fixture
def second(new_tenant: Callable[..., TestTenant]) -> TestTenant:
    """A tenant with nothing but its settings."""
    return new_tenant()


def rows_of(connection: Connection, table: str) -> list[Row]:
    """All rows of a table that the connection may see."""
    return connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall()


def test_another_tenant_sees_changes_and_deletes_nothing(
    address: str, tables: list[str], first: TestTenant, second: TestTenant
) -> None:
    with connect(address, first.id) as connection:
        counts = {table: len(rows_of(connection, table)) for table in tables}
    assert [table for table, count in counts.items() if not count] == [], "make a row of it in whole_tenant.fill()"
    with connect(address, second.id) as connection:
        for table in set(tables) - {"tenant_settings"}:
            name = sql.Identifier(table)
            assert rows_of(connection, table) == [], table
            update = "UPDATE {} SET parked_at = now()" if table == "outbox" else "UPDATE {} SET tenant_id = tenant_id"
            for statement in (update, "DELETE FROM {}"):
                try:
                    with connection.transaction():
                        assert connection.execute(sql.SQL(statement).format(name)).rowcount == 0, (table, statement)
                except REFUSED:
                    assert table in {*APPEND_ONLY, "outbox", "outbox_sent", *NEVER_DELETED}, (table, statement)
        [settings] = rows_of(connection, "tenant_settings")
        assert settings["tenant_id"] == second.id
    with connect(address, first.id) as connection:
        assert {table: len(rows_of(connection, table)) for table in tables} == counts


def test_nothing_is_stored_in_another_tenants_name(
    address: str, tables: list[str], first: TestTenant, second: TestTenant
) -> None:
    with connect(address, first.id) as connection:
        samples = {table: rows_of(connection, table)[0] for table in tables}
    with connect(address, second.id) as connection:
        for table, row in samples.items():
            refusal = "row-level security" if insertable(connection, table) else "permission denied"
            with pytest.raises(REFUSED, match=refusal), connection.transaction():
                insert(connection, table, row)


def test_no_row_points_at_another_tenants_row(
    address: str, tables: list[str], first: TestTenant, second: TestTenant
) -> None:
    with connect(address, first.id) as connection:
        samples = {table: rows_of(connection, table) for table in tables}
        links = {table: references(connection, table) for table in tables}
    children = [table for table in tables if links[table]]
    assert len(children) > 8
    with connect(address, second.id) as connection:
        for table in children:
            row = next(row for row in samples[table] if any(row[column] is not None for column in links[table]))
            with pytest.raises(psycopg.errors.ForeignKeyViolation), connection.transaction():
                insert(connection, table, {**row, "tenant_id": second.id})


def test_another_tenant_may_use_the_same_business_keys(
    address: str, tables: list[str], first: TestTenant, second: TestTenant
) -> None:
    with connect(address, first.id) as connection:
        samples = {table: rows_of(connection, table) for table in tables}
        links = {table: references(connection, table) for table in tables}
        keys = {table: key_columns(connection, table) for table in tables}
    copies: dict[tuple[str, int], int] = {}
    with connect(address, second.id) as connection:

        def copy(table: str, row: Row) -> None:
            """Store the row for the second tenant, its parents first."""
            if (table, row.get("id", 0)) in copies:
                return
            moved = {**row, "tenant_id": second.id}
            for column, parent in links[table].items():
                if row[column] is not None:
                    [above] = [candidate for candidate in samples[parent] if candidate["id"] == row[column]]
                    copy(parent, above)
                    moved[column] = copies[parent, row[column]]
            made = insert(connection, table, moved)
            if "id" in row:
                copies[table, row["id"]] = made["id"]

        own = [table for table in tables if insertable(connection, table)]  # the others are for other roles to write
        for table in own:
            if keys[table] != ["tenant_id"]:  # one row a tenant, made with the tenant
                for row in samples[table]:
                    copy(table, row)
        for table in own:
            assert len(rows_of(connection, table)) == len(samples[table]), table


@pytest.mark.parametrize("setting", [None, ""])
def test_without_a_tenant_nothing_is_read_or_stored(
    address: str, tables: list[str], first: TestTenant, setting: str | None
) -> None:
    with connect(address, first.id) as connection:
        samples = {table: rows_of(connection, table)[0] for table in tables}
    with psycopg.connect(address, row_factory=dict_row) as connection:
        if setting is not None:  # what a connection reads after its first transaction with a tenant
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", [setting])
        for table in tables:
            assert rows_of(connection, table) == [], table
            with pytest.raises(REFUSED), connection.transaction():
                insert(connection, table, samples[table])


@pytest.mark.parametrize(
    "rows", [episode_rows, prescription_rows, provider_rows, referral_rows, appointment_rows, slot_rows]
)
def test_queries_ask_for_the_actors_tenant_themselves(rows: Callable[[Actor], Select[Any]], second: TestTenant) -> None:
    statement = rows(everything(second)).compile(compile_kwargs={"literal_binds": True})
    assert f"tenant_id = {second.id}" in str(statement)
