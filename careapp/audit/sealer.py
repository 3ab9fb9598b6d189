"""Sealer: binds what was written since the last seal into each tenant's chain.

It runs as the relay role, in the jobs process and any number of them: an advisory lock per tenant lets one seal at a
time. `audit_seal_next` in the database does the work: every transaction below a snapshot's xmin has ended, so that a
window of transactions below it can never gain a row later, however late another one commits.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg.rows import class_row

from careapp.audit.anchors import Anchor
from careapp.telemetry.beside import connect
from careapp.telemetry.metrics import AUDIT_SEALED, AUDIT_STOPPED

ROWS_OF_A_SEAL = 10_000  # about; the rows of one transaction are never parted
CHECKING_SECONDS = 300.0  # half of what a job may take

# The oldest row the next seal of a tenant would take, by the index that seals.
_FIGURES = """
SELECT coalesce(sum(last.n), 0)::bigint AS seals,
       coalesce(extract(epoch FROM now() - min(waiting.at)), 0)::float AS unsealed_seconds
FROM tenants t
LEFT JOIN LATERAL (SELECT s.n, s.xid_to, s.after_id FROM audit_seal s WHERE s.tenant_id = t.id
  ORDER BY s.n DESC LIMIT 1) last ON true
LEFT JOIN LATERAL (SELECT e.at FROM audit_event e WHERE e.tenant_id = t.id AND e.xid >= coalesce(last.xid_to, '0')
  AND e.id > coalesce(last.after_id, 0) ORDER BY e.xid LIMIT 1) waiting ON true"""
# Of a tenant's newest seals whether each has the sum of what it says, and the sum and number of the one before it.
_BROKEN = """
SELECT EXISTS (SELECT 1 FROM (
  SELECT (l.seal).hash AS sum, audit_seal_hash(l.seal) AS computed, (l.seal).n, (l.seal).prev,
         lag((l.seal).n) OVER w AS last_n, lag((l.seal).hash) OVER w AS last_sum
  FROM (SELECT s AS seal FROM audit_seal s WHERE s.tenant_id = %s ORDER BY s.n DESC LIMIT 100) l
  WINDOW w AS (ORDER BY (l.seal).n)) links WHERE sum <> computed OR last_n + 1 <> n OR last_sum <> prev)"""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Figures:
    """Seals of all tenants, and the age in seconds of the oldest row without one."""

    seals: int
    unsealed_seconds: float


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
    """How far the seals are, over all tenants."""
    with connected(relay_url) as connection:
        row = connection.cursor(row_factory=class_row(Figures)).execute(_FIGURES).fetchone()
    assert row is not None  # aggregates without GROUP BY
    return row


def broken_chains(relay_url: str) -> int:
    """Of how many tenants the newest hundred seals do not hold together; `flask audit verify` looks at all there is.

    It ends after CHECKING_SECONDS, and begins at another tenant each time, so that of very many each has its turn.
    """
    broken, stop = 0, time.monotonic() + CHECKING_SECONDS
    with connected(relay_url) as connection:
        all_of_them = tenants(connection)
        first = secrets.randbelow(len(all_of_them) or 1)
        for tenant_id, key in all_of_them[first:] + all_of_them[:first]:
            if time.monotonic() > stop:
                break
            if connection.execute(_BROKEN, [tenant_id], prepare=True).fetchone() == (True,):
                broken += 1
                _log.error("audit chain broken", tenant=key)
    return broken


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
    return connect(address, "careapp audit")
