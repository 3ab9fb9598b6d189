"""Outbox writer: all events of a transaction at once, gap-free in sequence per key, in the statement that ends it."""

import json
import zlib
from typing import Any

from careapp.outbox.events import Event
from careapp.outbox.models import SHARDS

# Heads are taken in key order, so two commands never wait for each other; a head stays locked until the commit, so
# for one key the order of sequence numbers is the order of commits.
PUBLISHED = """
e AS (
  SELECT *, row_number() OVER (PARTITION BY key ORDER BY ord) AS nth
  FROM ROWS FROM (jsonb_to_recordset(CAST(:events AS jsonb)) AS (key text, shard smallint, envelope jsonb))
       WITH ORDINALITY AS u(key, shard, envelope, ord)),
n AS (SELECT key, count(*)::int AS total FROM e GROUP BY key),
h AS (
  INSERT INTO outbox_head AS head (tenant_id, key, sequence) SELECT :tenant, key, total FROM n ORDER BY key COLLATE "C"
  ON CONFLICT (tenant_id, key) DO UPDATE SET sequence = head.sequence + excluded.sequence RETURNING key, sequence)"""
QUEUED = """
INSERT INTO outbox (tenant_id, event_id, topic, key, shard, sequence, envelope)
SELECT :tenant, CAST(e.envelope ->> 'id' AS uuid), e.envelope ->> 'type', e.key, e.shard, h.sequence - n.total + e.nth,
       e.envelope || jsonb_build_object('sequence', lpad((h.sequence - n.total + e.nth)::text, 10, '0'))
FROM e JOIN h USING (key) JOIN n USING (key) ORDER BY e.key COLLATE "C", e.ord"""


def shard_of(tenant_id: int, key: str) -> int:
    """The shard a key belongs to, the same in every process and for ever (Python's own hash() is salted)."""
    return zlib.crc32(f"{tenant_id}/{key}".encode()) % SHARDS


def given(tenant_id: int, tenant_key: str, events: list[Event]) -> dict[str, Any]:
    """The values of PUBLISHED: the events in the order in which they happened."""
    rows = [
        {"key": event.key, "shard": shard_of(tenant_id, event.key), "envelope": event.envelope(tenant_key)}
        for event in events
    ]
    return {"tenant": tenant_id, "events": json.dumps(rows)}
