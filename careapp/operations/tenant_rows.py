"""A tenant's rows: which tables hold them and in what order they may go, and a connection that reaches no other's."""

from typing import Any

import psycopg
from sqlalchemy import Table

from careapp.db import Base
from careapp.localdb import libpq_url

# What outlives a tenant: the log of who saw and did what, and its seals, until retention takes them.
LOG = frozenset({"audit_event", "audit_patients", "audit_seal", "audit_retired"})


def tables() -> list[Table]:
    """Every table with rows of tenants, a table before those that point at it."""
    return [table for table in Base.metadata.sorted_tables if "tenant_id" in table.c]


def connected(owner_url: str, tenant_id: int, *, reading: bool = False) -> psycopg.Connection[Any]:
    """A transaction as the owner, bound to the tenant: row-level security, which is forced on him too, hides all
    others. For reading it sees one state of the database and changes nothing.
    """
    connection = psycopg.connect(
        libpq_url(owner_url), application_name="careapp tenant", options="-c lock_timeout=5s -c timezone=UTC"
    )
    if reading:
        connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
    connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
    return connection


def key_of(table: Table) -> list[str]:
    """The columns of a table's primary key, in their order."""
    return [column.name for column in table.primary_key]
