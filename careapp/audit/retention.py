"""Retention: whole months of the log go, as the owner, once they are old enough, sealed and found unchanged.

What went is remembered: its rows' numbers, the sum of their digests, who decided it. The seals stay, so that the chain
can be verified for ever; a row of the log tells of it in each tenant.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from careapp.audit.sealer import tenants
from careapp.audit.verify import Finding, Report, verify
from careapp.localdb.addresses import libpq_url
from careapp.partitions import PARTITION

_PARTS = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
WHERE inhparent = 'audit_event'::regclass ORDER BY 1"""
_ENDS = re.compile(r"TO \('([^']+)'\)")

# Of the rows in the part, what the seals hold of them; `kept` and `held` differ where one is not sealed.
_SUM = """
SELECT count(*) AS held, count(u.id) AS kept, range_agg(int8range(p.id, p.id, '[]')),
       sha256(coalesce(string_agg(u.digest, ''::bytea ORDER BY u.id), ''))
FROM {part} p LEFT JOIN (SELECT one.id, one.digest FROM audit_seal s, unnest(s.ids, s.digests) AS one (id, digest)
                         WHERE s.tenant_id = %(tenant)s) u ON u.id = p.id
WHERE p.tenant_id = %(tenant)s"""
_REMEMBER = """
INSERT INTO audit_retired (tenant_id, part, until, ids, rows, hash, retired_by)
VALUES (%(tenant)s, %(part)s, %(until)s, %(ids)s, %(rows)s, %(hash)s, %(by)s)"""
_TELL = """
INSERT INTO audit_event (tenant_id, actor, purpose, action, outcome, subject, patients, detail)
VALUES (%(tenant)s, 'cli', 'HSYSADMIN', 'audit.retire', 'done', %(part)s, '{}', %(detail)s)"""


class NotRetired(Exception):
    """Nothing was retired; the text says why."""


@dataclass(frozen=True)
class Part:
    """A partition of the log, and the moment its rows lie before."""

    name: str
    until: datetime


def retire(owner_url: str, *, before: datetime, oldest_kept: datetime, by: str) -> dict[str, int]:
    """Retire the months that end at `before` or earlier; returns how many rows went with each.

    Raises NotRetired where one of them is younger than the log must be kept, is not sealed, or where the log of a
    tenant who loses rows is not what was sealed.
    """
    if before > oldest_kept:
        raise NotRetired(f"The log since {oldest_kept:%Y-%m} must be kept (AUDIT_KEPT_YEARS).")
    with psycopg.connect(libpq_url(owner_url), options="-c timezone=UTC -c lock_timeout=5s") as connection:
        parts = [part for part in _parts(connection) if part.until <= before]
        for part in parts:
            connection.execute(f"LOCK TABLE {part.name} IN SHARE MODE")
        everybody = [tenant for tenant in tenants(connection) if _has_rows(connection, tenant[0], parts)]
        for tenant_id, key in everybody:
            _refuse_unverified(connection, tenant_id, key)
        return {part.name: _retire(connection, part, everybody, by) for part in parts}


def _parts(connection: psycopg.Connection[Any]) -> list[Part]:
    """The partitions that end, by name; what arrives in no month has no end."""
    found = [(name, _ENDS.search(bound)) for name, bound in connection.execute(_PARTS) if PARTITION.fullmatch(name)]
    return [Part(name, datetime.fromisoformat(end[1])) for name, end in found if end]


def _has_rows(connection: psycopg.Connection[Any], tenant_id: int, parts: list[Part]) -> bool:
    """Whether a tenant loses any row; from here on the connection is bound to him."""
    connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
    return any(connection.execute(f"SELECT FROM {part.name} LIMIT 1").fetchone() is not None for part in parts)


def _refuse_unverified(connection: psycopg.Connection[Any], tenant_id: int, key: str) -> None:
    first: Finding | None = next(verify(connection, tenant_id, Report(key)), None)
    if first:
        raise NotRetired(f"The log of {key} is not what was sealed: {first.text}. Run `flask audit verify`.")


def _retire(connection: psycopg.Connection[Any], part: Part, everybody: list[tuple[int, str]], by: str) -> int:
    """Remember what goes, tell of it, and drop the partition with its log by patient."""
    gone = 0
    for tenant_id, key in everybody:
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
        row = connection.execute(_SUM.format(part=part.name), {"tenant": tenant_id}).fetchone()
        assert row is not None  # an aggregate gives a row
        held, kept, ids, sum_ = row
        if held != kept:
            raise NotRetired(f"{part.name} has {held - kept} rows of {key} that no seal holds yet.")
        if held:
            detail = Jsonb({"rows": held, "hash": sum_.hex(), "by": by, "until": part.until.isoformat()})
            given = {"tenant": tenant_id, "part": part.name, "until": part.until, "by": by, "detail": detail}
            connection.execute(_REMEMBER, given | {"ids": ids, "rows": held, "hash": sum_})
            connection.execute(_TELL, given)
            gone += held
    for parent, name in (("audit_event", part.name), ("audit_patients", patients_of(part.name))):
        connection.execute(f"ALTER TABLE {parent} DETACH PARTITION {name}")
        connection.execute(f"DROP TABLE {name}")
    return gone


def patients_of(part: str) -> str:
    """The partition of the log by patient that belongs to one of the log."""
    return part.replace("audit_event", "audit_patients", 1)
