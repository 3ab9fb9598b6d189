"""Citus: the schema keeps to its documented rules for tables distributed by tenant; Citus itself is not run here.

Rules: docs.citusdata.com, "Creating and Modifying Distributed Objects (DDL)" and "Triggers on Distributed Tables".
"""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from careapp.cli.doctor.walls import tenant_tables
from careapp.localdb import libpq_url
from careapp.tenancy import TABLES_WITHOUT_TENANT
from tests.database import TestDatabase
from tools.citus import COLUMN, LOCAL, REFERENCE, distributed, statements

Connection = psycopg.Connection[tuple[Any, ...]]

# What Citus says of triggers: they run on each node beside its rows, so they may look at nothing else but what each
# node has a copy of.
TRIGGER_FUNCTIONS = {"refuse_change", "keep_history"}

KEYS = """
SELECT t.relname, i.indexrelid::regclass::text FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
WHERE t.relnamespace = 'care'::regnamespace AND t.relname = ANY (%(tables)s) AND (i.indisunique OR i.indisexclusion)
AND NOT EXISTS (
  SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'tenant_id' AND a.attnum = ANY (i.indkey)
  AND (NOT i.indisexclusion OR EXISTS (
    SELECT FROM pg_constraint c JOIN unnest(c.conkey, c.conexclop) AS k (attnum, op) ON true
    JOIN pg_operator o ON o.oid = k.op WHERE c.conindid = i.indexrelid AND k.attnum = a.attnum AND o.oprname = '=')))
ORDER BY 2"""
FOREIGN = """
SELECT conname, f.relname, t.relname, confdeltype::text, coalesce(confdelsetcols, conkey) @> ARRAY[
    (SELECT attnum FROM pg_attribute WHERE attrelid = f.oid AND attname = 'tenant_id')]::smallint[],
  array_position(conkey, (SELECT attnum FROM pg_attribute WHERE attrelid = f.oid AND attname = 'tenant_id'))
  = array_position(confkey, (SELECT attnum FROM pg_attribute WHERE attrelid = t.oid AND attname = 'tenant_id'))
FROM pg_constraint JOIN pg_class f ON f.oid = conrelid JOIN pg_class t ON t.oid = confrelid
WHERE contype = 'f' AND conparentid = 0 AND f.relnamespace = 'care'::regnamespace ORDER BY 1"""
COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL), a.attidentity <> '', a.attgenerated <> ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relname = ANY (%(tables)s)
AND c.relnamespace = 'care'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
AND (a.attname = 'tenant_id' OR a.attidentity <> '') ORDER BY 1, 2"""
TRIGGERS = """
SELECT DISTINCT c.relname, p.proname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal AND c.relname = ANY (%(tables)s) ORDER BY 1"""
KINDS = """
SELECT relname, relkind::text, relpersistence::text FROM pg_class
WHERE relnamespace = 'care'::regnamespace AND relname = ANY (%(tables)s) ORDER BY 1"""
POLICIES = """
SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'care' AND tablename = ANY (%(tables)s)
AND coalesce(qual, '') || coalesce(with_check, '') ILIKE '%%SELECT%%' ORDER BY 1"""


@pytest.fixture
def owner(database: TestDatabase) -> Iterator[Connection]:
    """The owner's connection; what a test makes in it is rolled back."""
    with psycopg.connect(libpq_url(database.owner)) as connection:
        yield connection
        connection.rollback()


def faults(connection: Connection) -> list[str]:
    """One sentence for each thing Citus would refuse, or do otherwise than one server does."""
    tables = tenant_tables(connection)
    given = {"tables": tables}
    found = [f"{key} of {table} lacks tenant_id by equality" for table, key in connection.execute(KEYS, given)]
    found += [fault for row in connection.execute(FOREIGN) if (fault := _foreign(tables, *row))]
    for table, column, type_, identity, generated in connection.execute(COLUMNS, given):
        if column == COLUMN and (type_, identity, generated) != ("integer", False, False):
            found.append(f"{table} is distributed by another kind of column")
        if identity and type_ != "bigint":
            found.append(f"{column} of {table} counts in {type_}, and nodes do so in bigint alone")
    for table, function in connection.execute(TRIGGERS, given):
        if function not in TRIGGER_FUNCTIONS:
            found.append(f"{table} has a trigger that runs {function}")
    for table, kind, kept in connection.execute(KINDS, {"tables": [*tables, *REFERENCE]}):
        if kept != "p" or kind not in "rp":
            found.append(f"{table} is no plain, kept table")
    found += [f"policy {policy} of {table} asks another table" for table, policy in connection.execute(POLICIES, given)]
    return found


def _foreign(tables: list[str], name: str, here: str, there: str, on_delete: str, takes_tenant: bool | None,
             in_place: bool | None) -> str | None:  # fmt: skip
    """What is wrong with a foreign key, or None."""
    if here not in tables:  # a table that has no tenant's rows
        return f"{name} points from {here} to a distributed table" if there in tables else None
    if there in tables:
        if not in_place:
            return f"{name} has no tenant_id in one place on both sides"
        return f"{name} empties tenant_id on delete" if on_delete in "nd" and takes_tenant else None
    return None if there in REFERENCE else f"{name} points from a distributed table to {there} of one node"


def test_the_schema_keeps_to_the_rules(owner: Connection) -> None:
    assert faults(owner) == []


def test_the_script_names_every_table_once_and_in_order(owner: Connection) -> None:
    tables = tenant_tables(owner)
    assert sorted(distributed()) == sorted(tables)
    assert {*REFERENCE, *LOCAL} == TABLES_WITHOUT_TENANT
    assert not set(REFERENCE) & LOCAL
    made = [statement.split("'")[1].removeprefix("care.") for statement in statements() if "create_" in statement]
    assert sorted(made) == sorted([*tables, *REFERENCE])
    for _, here, there, *_ in owner.execute(FOREIGN).fetchall():
        if here in made and there in made and here != there:
            assert made.index(there) < made.index(here), f"{here} points at {there}"


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TABLE bad (tenant_id int, id bigint PRIMARY KEY)", "bad_pkey of bad lacks tenant_id by equality"),
        (
            "CREATE TABLE bad (tenant_id int, at tstzrange, EXCLUDE USING gist (tenant_id WITH <>, at WITH &&))",
            "bad_tenant_id_at_excl of bad lacks tenant_id by equality",
        ),
        (
            "CREATE TABLE bad (tenant_id int NOT NULL, shard smallint REFERENCES outbox_shard)",
            "bad_shard_fkey points from a distributed table to outbox_shard of one node",
        ),
        (
            "CREATE TABLE bad (id bigint, tenant_id int NOT NULL, FOREIGN KEY (id, tenant_id) REFERENCES tenants_like)",
            "bad_id_tenant_id_fkey has no tenant_id in one place on both sides",
        ),
        (
            "CREATE TABLE bad (tenant_id int, patient bigint,"
            " FOREIGN KEY (tenant_id, patient) REFERENCES patients ON DELETE SET NULL)",
            "bad_tenant_id_patient_fkey empties tenant_id on delete",
        ),
        ("CREATE TABLE bad (tenant_id bigint NOT NULL)", "bad is distributed by another kind of column"),
        (
            "CREATE TABLE bad (tenant_id int NOT NULL, id int GENERATED ALWAYS AS IDENTITY)",
            "id of bad counts in integer, and nodes do so in bigint alone",
        ),
        (
            "CREATE TRIGGER bad BEFORE UPDATE ON patients FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "patients has a trigger that runs suppress_redundant_updates_trigger",
        ),
        ("CREATE UNLOGGED TABLE bad (tenant_id int NOT NULL)", "bad is no plain, kept table"),
        (
            "CREATE POLICY bad ON patients USING (EXISTS (SELECT FROM tenants))",
            "policy bad of patients asks another table",
        ),
    ],
)
def test_the_check_names_what_is_wrong(owner: Connection, statement: str, named: str) -> None:
    if "tenants_like" in statement:  # the tenant's column in another place than here
        owner.execute("CREATE TABLE tenants_like (tenant_id int, id int, PRIMARY KEY (tenant_id, id))")
        statement = statement.replace("id bigint, tenant", "id int, tenant")
    owner.execute(statement)
    assert named in faults(owner)


def test_the_triggers_look_at_nothing_that_is_elsewhere(owner: Connection) -> None:
    for function in TRIGGER_FUNCTIONS:
        [[body]] = owner.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [function]).fetchall()
        assert "RAISE EXCEPTION" in body
        assert set(re.findall(r"\b(?:FROM|JOIN|INTO|UPDATE|PERFORM)\s+(\w+)", body)) <= {"pg_class", "OLD", *REFERENCE}
