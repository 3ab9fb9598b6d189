"""Whether the database has what the code counts on: columns, constraints, indexes."""

from collections.abc import Iterator
from typing import Any

import psycopg
from alembic.script import ScriptDirectory

from careapp.cli.doctor.report import WRONG, CannotCheck, Installation, check
from careapp.db import PARTITIONS, db
from careapp.operations.database_health import MIGRATIONS

_HAND = "Somebody changed it by hand, or a migration was cut off: compare with a database made by the migrations."
_COLUMNS = """
SELECT relname::text, attname::text, true FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
WHERE relnamespace = 'care'::regnamespace AND attnum > 0 AND NOT attisdropped"""
_CONSTRAINTS = """
SELECT relname::text, conname::text, convalidated FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
WHERE relnamespace = 'care'::regnamespace"""
_INDEXES = """
SELECT t.relname::text, c.relname::text, indisvalid FROM pg_index JOIN pg_class c ON c.oid = indexrelid
JOIN pg_class t ON t.oid = indrelid WHERE t.relnamespace = 'care'::regnamespace"""

Found = Iterator[tuple[str, str, str]]


@check("structure", "tables have the columns, constraints and indexes that the code counts on")
def structure(at: Installation) -> Found:
    """By name; without a constraint two people may have one place, without an index a page reads whole tables."""
    with at.any_role() as connection:
        versions = {name for (name,) in connection.execute("SELECT version_num FROM alembic_version")}
        script = ScriptDirectory(str(MIGRATIONS))
        if versions & {one.revision for one in script.walk_revisions()} - set(script.get_heads()):
            raise CannotCheck("The schema is older than the code.")
        yield from _missing(connection)


def _missing(connection: psycopg.Connection[Any]) -> Found:
    tables = [*db.metadata.tables.values(), *PARTITIONS.tables.values()]
    wanted = {
        "column": [(table.name, column.name) for table in tables for column in table.columns],
        "constraint": [(table.name, str(one.name)) for table in tables for one in table.constraints],
        "index": [(table.name, str(one.name)) for table in tables for one in table.indexes],
    }
    for kind, question in (("column", _COLUMNS), ("constraint", _CONSTRAINTS), ("index", _INDEXES)):
        there = {(table, name): good for table, name, good in connection.execute(question)}
        for table, name in sorted(wanted[kind]):
            good = there.get((table, name))
            if good is None:
                yield WRONG, f"{table} has no {kind} {name}.", _HAND
            elif not good:
                yield WRONG, f"The {kind} {name} of {table} is not valid.", _HAND
