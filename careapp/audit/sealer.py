"""Sealer: binds what was written since the last seal into each tenant's chain; makes the months' partitions ahead.

It runs as the relay role, in the jobs process and any number of them: an advisory lock per tenant lets one seal at a
time. `audit_seal_next` in the database does the work: every transaction below a snapshot's xmin has ended, so that a
window of transactions below it can never gain a row later, however late another one commits.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg.rows import class_row

from careapp.audit.anchors import Anchor
from careapp.localdb.addresses import libpq_url

ROWS_OF_A_SEAL = 10_000  # about; the rows of one transaction are never parted
MONTHS_AHEAD = 3

_log = structlog.get_logger()


@dataclass(frozen=True)
class Seal:
    """A seal just made: its number, how many rows it holds, its hash, and whether more rows wait."""

    number: int
    sealed: int
    sum: bytes
    more: bool


def seal_all(relay_url: str) -> int:
    """Seal what every tenant has written, and return how many rows that were.

    A tenant whose chain cannot go on, because the database was restored, is named in the log, and the others go on.
    """
    sealed = 0
    with connected(relay_url) as connection:
        for tenant_id, key in tenants(connection):
            try:
                sealed += seal(connection, tenant_id)
            except psycopg.errors.ObjectNotInPrerequisiteState as error:
                _log.error("audit not sealed", tenant=key, error=error.diag.message_primary)
    return sealed


def seal(connection: psycopg.Connection[Any], tenant_id: int) -> int:
    """Seal what a tenant has written, in one transaction a seal, and return how many rows that were.

    Another sealer that is at it does the work. Raises ObjectNotInPrerequisiteState after a restore.
    """
    cursor, rows = connection.cursor(row_factory=class_row(Seal)), 0
    while made := cursor.execute(
        "SELECT * FROM audit_seal_next(%s, %s)", [tenant_id, ROWS_OF_A_SEAL], prepare=True
    ).fetchone():
        rows += made.sealed
        if not made.more:
            break
    return rows


def make_partitions(relay_url: str) -> list[str]:
    """Make the partitions of the coming months where they are missing, and return their names.

    A month whose rows have gone to the partition for the rest stays there, and the log says so.
    """
    with connected(relay_url) as connection:
        parts = connection.execute("SELECT part, made FROM audit_make_partitions(%s)", [MONTHS_AHEAD]).fetchall()
    for part in (part for part, made in parts if not made):
        _log.error("audit partition not made: its month has rows already", partition=part)
    return [part for part, made in parts if made]


def newest_anchors(connection: psycopg.Connection[Any]) -> list[Anchor]:
    """The newest seal of every tenant that has one."""
    found = connection.cursor(row_factory=class_row(Anchor)).execute(
        "SELECT t.key AS tenant, s.n, encode(s.hash, 'hex') AS hash FROM tenants t CROSS JOIN LATERAL"
        " (SELECT n, hash FROM audit_seal WHERE tenant_id = t.id ORDER BY n DESC LIMIT 1) s ORDER BY t.id"
    )
    return found.fetchall()


def new_chain(connection: psycopg.Connection[Any], tenant_id: int) -> int | None:
    """Begin a new chain after a restore, bound to the last seal; None where the tenant has no seal yet.

    What was not sealed is sealed as it stands, so verify first.
    """
    row = connection.execute("SELECT audit_new_chain(%s)", [tenant_id]).fetchone()
    return row[0] if row else None


def tenants(connection: psycopg.Connection[Any]) -> list[tuple[int, str]]:
    """Every tenant: id and key."""
    return connection.execute("SELECT id, key FROM tenants ORDER BY id").fetchall()


def connected(address: str) -> psycopg.Connection[Any]:
    """A connection on which each statement is its own transaction."""
    return psycopg.connect(libpq_url(address), autocommit=True, application_name="careapp audit")
