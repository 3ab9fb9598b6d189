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
from careapp.telemetry.metrics import AUDIT_SEALED, AUDIT_STOPPED

ROWS_OF_A_SEAL = 10_000  # about; the rows of one transaction are never parted
MONTHS_AHEAD = 3

# The oldest row the next seal of a tenant would take, by the index that seals; and of the newest seals whether each
# has the sum of what it says, and the sum and number of the one before it.
_FIGURES = """
WITH waiting AS (
  SELECT w.at FROM tenants t
  LEFT JOIN LATERAL (SELECT s.xid_to, s.after_id FROM audit_seal s WHERE s.tenant_id = t.id ORDER BY s.n DESC LIMIT 1)
    last ON true
  CROSS JOIN LATERAL (SELECT e.at FROM audit_event e WHERE e.tenant_id = t.id AND e.xid >= coalesce(last.xid_to, '0')
    AND e.id > coalesce(last.after_id, 0) ORDER BY e.xid LIMIT 1) w),
newest AS (
  SELECT t.id AS tenant_id, (l.seal).n, (l.seal).hash, (l.seal).prev, audit_seal_hash(l.seal) AS computed
  FROM tenants t CROSS JOIN LATERAL (
    SELECT s AS seal FROM audit_seal s WHERE s.tenant_id = t.id ORDER BY s.n DESC LIMIT 100) l),
linked AS (
  SELECT *, lag(n) OVER w AS last_n, lag(hash) OVER w AS last_hash
  FROM newest WINDOW w AS (PARTITION BY tenant_id ORDER BY n))
SELECT (SELECT coalesce(sum(top), 0)::bigint FROM (SELECT max(n) AS top FROM newest GROUP BY tenant_id) m) AS seals,
       (SELECT coalesce(extract(epoch FROM now() - min(at)), 0)::float FROM waiting) AS unsealed_seconds,
       (SELECT count(DISTINCT tenant_id) FROM linked
        WHERE hash <> computed OR last_n + 1 <> n OR last_hash <> prev) AS broken"""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Figures:
    """Seals of all tenants, age in seconds of the oldest row without one, tenants whose newest seals are not right."""

    seals: int
    unsealed_seconds: float
    broken: int


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
    sealed = stopped = 0
    with connected(relay_url) as connection:
        for tenant_id, key in tenants(connection):
            try:
                sealed += seal(connection, tenant_id)
            except psycopg.errors.ObjectNotInPrerequisiteState as error:
                stopped += 1
                _log.error("audit not sealed", tenant=key, error=error.diag.message_primary)
    AUDIT_SEALED.inc(sealed)
    AUDIT_STOPPED.set(stopped)
    return sealed


def figures(relay_url: str) -> Figures:
    """How the chains stand, over all tenants. The whole of them is recomputed by `flask audit verify`."""
    with connected(relay_url) as connection:
        row = connection.cursor(row_factory=class_row(Figures)).execute(_FIGURES).fetchone()
    assert row is not None  # aggregates without GROUP BY
    return row


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
