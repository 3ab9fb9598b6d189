"""The schema: what the migrations make is what the mapped tables say."""

import pkgutil
from importlib import import_module

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from apiflask import APIFlask
from sqlalchemy import create_engine
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.pool import NullPool

import careapp
from careapp.audit.models import TransactionId
from careapp.db import db
from careapp.partitions import PARTITION
from careapp.scheduling.models import PRESENT
from tests.database import TestDatabase


def test_the_migrations_make_the_mapped_tables(
    app: APIFlask, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ischema_names, "xid8", TransactionId)
    wired = set(db.metadata.tables)
    for module in pkgutil.walk_packages(careapp.__path__, "careapp."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    assert set(db.metadata.tables) == wired, "wiring.TABLES leaves out a module with tables"
    engine = create_engine(database.owner, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_no_partition})
        differences = compare_metadata(context, db.metadata)
    assert [d for d in differences if d[0] != "remove_table" or d[1].name != "alembic_version"] == []


def test_the_partition_of_present_appointments_has_what_the_code_says(app: APIFlask, database: TestDatabase) -> None:
    engine = create_engine(database.owner, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name == PRESENT.name}
        )
        differences = compare_metadata(context, PRESENT.metadata)
    # What it has from its parent is not said again.
    assert [d for d in differences if isinstance(d, tuple) and d[0] in {"add_table", "add_column", "add_index"}] == []


def is_no_partition(name: str | None, kind: str, _: object) -> bool:
    """Whether something of the database is compared: partitions are as their parent, and have no model."""
    return kind != "table" or not PARTITION.fullmatch(name or "")
