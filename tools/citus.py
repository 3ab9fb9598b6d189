"""Tenant-sharded PostgreSQL: print the statements by which Citus distributes the tables, in an order that works.

    python -m tools.citus | psql "$(flask --app wsgi database-url --owner)"

Run it after `flask db upgrade`, while the tables are empty, on the coordinator. `tests/rules/test_citus.py` holds the
schema to Citus's rules; no Citus was at hand to run this on (docs/operations/scaling.md).
"""

from collections.abc import Iterator
from importlib import import_module

from sqlalchemy import Table

from careapp.db import db
from careapp.tenancy import TABLES_WITHOUT_TENANT
from careapp.wiring import TABLES

COLUMN = "tenant_id"

# Small, read with everything, seldom written: a copy on each node.
REFERENCE = ("tenants", "code_lists", "medicines", "medicine_words")
# Of the machinery, asked by their key alone and before a tenant is known: they stay on the coordinator.
LOCAL = frozenset({
    "alembic_version", "outbox_shard", "rate_limits", "sign_in_attempts", "sign_in_directory", "webauthn_challenges",
})  # fmt: skip

# Without the second, SET LOCAL would not reach the nodes, and row-level security would show nobody anything. The third
# is for the triggers that refuse a change of history: they look at nothing but that there is one, and at `tenants`.
BEFORE = (
    "CREATE EXTENSION IF NOT EXISTS citus",
    "ALTER DATABASE :\"DBNAME\" SET citus.propagate_set_commands = 'local'",
    "SET citus.enable_unsafe_triggers = on",
)


def statements() -> Iterator[str]:
    """Everything to be run, in order."""
    yield from BEFORE
    yield from (f"SELECT create_reference_table('care.{name}')" for name in REFERENCE)
    first, *others = distributed()
    yield f"SELECT create_distributed_table('care.{first}', '{COLUMN}')"
    # Beside the first, so that all that belongs to a tenant is on one node.
    yield from (
        f"SELECT create_distributed_table('care.{one}', '{COLUMN}', colocate_with => 'care.{first}')" for one in others
    )


def distributed() -> list[str]:
    """The tables of tenants, each after those it points at."""
    for module in TABLES:
        import_module(f"careapp.{module}")
    tables: list[Table] = db.metadata.sorted_tables
    return [table.name for table in tables if table.name not in TABLES_WITHOUT_TENANT]


if __name__ == "__main__":
    for statement in statements():
        print(f"{statement};")
