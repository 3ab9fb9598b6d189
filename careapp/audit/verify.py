"""Verify: recomputes every tenant's chain and says what was changed, row by row; nothing is held in memory.

What it finds: a row that was edited, re-dated or swapped with another, deleted or inserted, a seal that was changed or
taken out, entries of the log by patient that differ from the log, and, against anchors kept elsewhere, a tail that was
cut off. What it cannot find: a forged row that was written before its seal was made (10 seconds at most), and a cut-off
tail newer than the last anchor.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from careapp.audit.anchors import Anchor
from careapp.localdb.addresses import libpq_url

AT_A_TIME = 500

# A chain's links in order; the sum is computed again from what stands there.
_SEALS = """
SELECT n, chain, after_id, xid_from::text, xid_to::text, prev, hash, audit_seal_hash(s) AS computed,
       lag(n) OVER w AS last_n, lag(hash) OVER w AS last_hash, lag(chain) OVER w AS last_chain,
       lag(after_id) OVER w AS last_after_id, (lag(xid_to) OVER w)::text AS last_xid_to
FROM audit_seal s WHERE tenant_id = %(tenant)s WINDOW w AS (ORDER BY n) ORDER BY n"""

# Rows against the seals. A row without a seal is fine only where the next seal will take it.
_ROWS = """
WITH last AS (SELECT after_id, xid_to FROM audit_seal WHERE tenant_id = %(tenant)s ORDER BY n DESC LIMIT 1),
frame AS (SELECT coalesce((SELECT after_id FROM last), 0) AS after_id,
                 coalesce((SELECT xid_to FROM last), '0') AS xid_to),
retired AS (SELECT range_agg(one) AS ids FROM audit_retired, unnest(ids) AS one WHERE tenant_id = %(tenant)s),
sealed AS (SELECT s.n, s.version, u.id, u.digest FROM audit_seal s, unnest(s.ids, s.digests) AS u (id, digest)
           WHERE s.tenant_id = %(tenant)s),
found AS (SELECT e.id, e.at, e.xid, e AS entry FROM audit_event e WHERE e.tenant_id = %(tenant)s)
SELECT coalesce(s.id, f.id) AS id, s.n, f.at,
       CASE WHEN f.id IS NULL THEN 'deleted' WHEN s.id IS NULL THEN 'inserted' ELSE 'changed' END AS kind
FROM sealed s FULL JOIN found f ON f.id = s.id
WHERE (f.id IS NULL AND NOT coalesce((SELECT ids FROM retired) @> s.id, false))
   OR (s.id IS NULL AND NOT EXISTS (SELECT FROM frame WHERE f.id > frame.after_id AND f.xid >= frame.xid_to))
   OR (f.id IS NOT NULL AND s.id IS NOT NULL AND s.digest IS DISTINCT FROM audit_digest(s.version, f.entry))
ORDER BY 1"""

_PATIENTS = """
SELECT coalesce(p.event_id, e.id) AS id, coalesce(p.patient, e.patient) AS patient, p.event_id IS NULL AS missing
FROM (SELECT DISTINCT id, at, unnest(patients) COLLATE "C" AS patient FROM audit_event WHERE tenant_id = %(tenant)s) e
FULL JOIN (SELECT event_id, at, patient FROM audit_patients WHERE tenant_id = %(tenant)s) p
  ON p.event_id = e.id AND p.at = e.at AND p.patient = e.patient
WHERE p.event_id IS NULL OR e.id IS NULL ORDER BY 1, 2"""

# What was retired must be what the seals held, and a row of the log must tell of it.
_RETIRED = """
SELECT r.part, r.rows, r.retired_by, r.retired_at, kept.rows AS rows_sealed, kept.hash = r.hash AS same, EXISTS (
         SELECT FROM audit_event e WHERE e.tenant_id = r.tenant_id AND e.action = 'audit.retire' AND e.subject = r.part
         AND e.detail ->> 'hash' = encode(r.hash, 'hex')) AS told
FROM audit_retired r CROSS JOIN LATERAL (
  SELECT count(*) AS rows, sha256(coalesce(string_agg(u.digest, ''::bytea ORDER BY u.id), '')) AS hash
  FROM audit_seal s, unnest(s.ids, s.digests) AS u (id, digest)
  WHERE s.tenant_id = r.tenant_id AND r.ids @> u.id) kept
WHERE r.tenant_id = %(tenant)s ORDER BY r.part"""

_COUNTS = """
WITH last AS (
  SELECT n, after_id, xid_to, sealed_at FROM audit_seal WHERE tenant_id = %(tenant)s ORDER BY n DESC LIMIT 1)
SELECT (SELECT n FROM last) AS seals, (SELECT sealed_at FROM last) AS sealed_at,
       (SELECT count(*) FROM audit_event WHERE tenant_id = %(tenant)s) AS rows,
       (SELECT count(*) FROM audit_event WHERE tenant_id = %(tenant)s AND id > coalesce((SELECT after_id FROM last), 0)
        AND xid >= coalesce((SELECT xid_to FROM last), '0')) AS waiting"""

WRONG_ROWS = {
    "changed": "is not what was sealed: it was edited, re-dated or swapped",
    "deleted": "was sealed and is gone",
    "inserted": "was never sealed: it was inserted where the chain is closed",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its kind, the number of the row or seal, and a sentence about it."""

    kind: str
    number: int
    text: str


@dataclass
class Retired:
    """A month that retention took, and who decided it."""

    part: str
    rows: int
    by: str
    at: datetime


@dataclass
class Report:
    """How a tenant's log stands: rows, how many of them are not sealed yet, the last seal, and what was retired."""

    tenant: str
    rows: int = 0
    waiting: int = 0
    seals: int = 0
    sealed_at: datetime | None = None
    retired: list[Retired] = field(default_factory=list)


def verify(
    connection: psycopg.Connection[Any], tenant_id: int, report: Report, anchors: Iterable[Anchor] = ()
) -> Iterator[Finding]:
    """Recompute a tenant's chain and give each thing that is wrong, as it is found; the report is filled on the way.

    The connection is the relay's or the owner's, in a transaction whose snapshot does not move.
    """
    given = {"tenant": tenant_id}
    connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])  # for the owner
    [counts] = _streamed(connection, _COUNTS, given)
    report.rows, report.waiting, report.seals = counts.rows, counts.waiting, counts.seals or 0
    report.sealed_at = counts.sealed_at
    for seal in _streamed(connection, _SEALS, given):
        yield from _faults_of_seal(seal)
    for row in _streamed(connection, _ROWS, given):
        place = f" (seal {row.n})" if row.n else ""
        yield Finding(row.kind, row.id, f"row {row.id}{place} {WRONG_ROWS[row.kind]}")
    for row in _streamed(connection, _PATIENTS, given):
        wrong = "is missing" if row.missing else "is there and the row names no such patient at that time"
        kind = "patient missing" if row.missing else "patient extra"
        yield Finding(kind, row.id, f"row {row.id}: its entry in the log of patient {row.patient} {wrong}")
    yield from _faults_of_retired(connection, given, report)
    yield from _faults_of_anchors(connection, given, [one for one in anchors if one.tenant == report.tenant])


def reading(address: str) -> psycopg.Connection[Any]:
    """A connection whose transactions see one state of the database and change nothing."""
    connection = psycopg.connect(libpq_url(address), application_name="careapp audit verify")
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _streamed(connection: psycopg.Connection[Any], statement: str, given: dict[str, int]) -> Iterator[Any]:
    """The rows of a statement by a cursor of the server, a few hundred at a time."""
    with connection.cursor(name="verify", row_factory=namedtuple_row) as cursor:
        cursor.itersize = AT_A_TIME
        yield from cursor.execute(statement, given)


def _faults_of_seal(seal: Any) -> Iterator[Finding]:
    """What is wrong with one link: in itself, and with the one before it."""

    def broken(what: str) -> Finding:
        return Finding("seal", seal.n, f"seal {seal.n} {what}")

    if seal.hash != seal.computed:
        yield broken("is broken: its hash is not that of its content")
    if (seal.prev, seal.n) != (seal.last_hash or b"", (seal.last_n or 0) + 1):
        yield broken(f"does not follow seal {seal.last_n or 0}: a seal was changed or taken out")
    elif seal.last_n is None:
        if (seal.chain, seal.after_id, seal.xid_from) != (1, 0, "0"):
            yield broken("does not begin a chain")
    elif seal.chain != seal.last_chain:
        if (seal.chain, seal.xid_to) != (seal.last_chain + 1, "0") or seal.after_id < seal.last_after_id:
            yield broken("does not begin a new chain")
    elif (seal.after_id, seal.xid_from) != (seal.last_after_id, seal.last_xid_to):
        yield broken("leaves out transactions after the seal before it")


def _faults_of_retired(connection: psycopg.Connection[Any], given: dict[str, int], report: Report) -> Iterator[Finding]:
    """Whether what is said to be retired was, as a whole, in the chain, and stands in the log."""
    for row in _streamed(connection, _RETIRED, given):
        report.retired.append(Retired(row.part, row.rows, row.retired_by, row.retired_at))
        if row.rows != row.rows_sealed or not row.same:
            yield Finding("retired", 0, f"{row.part}: what was retired is not what the seals held")
        if row.rows and not row.told:
            yield Finding("retired", 0, f"{row.part}: no row of the log tells that it was retired")


def _faults_of_anchors(
    connection: psycopg.Connection[Any], given: dict[str, int], anchors: list[Anchor]
) -> Iterator[Finding]:
    """Whether the chain still holds what was anchored outside the database."""
    for anchor in anchors:
        found = connection.execute(
            "SELECT encode(hash, 'hex') FROM audit_seal WHERE tenant_id = %(tenant)s AND n = %(n)s",
            given | {"n": anchor.n},
        ).fetchone()
        if found is None:
            yield Finding(
                "cut off", anchor.n, f"seal {anchor.n} was anchored and is gone: the chain's tail was cut off"
            )
        elif found[0] != anchor.hash:
            yield Finding(
                "cut off", anchor.n, f"seal {anchor.n} is not the one that was anchored: the chain was redone"
            )
