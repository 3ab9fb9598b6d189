"""Outbox writer: all events of a transaction at once, gap-free in sequence per key, in the statement that ends it."""

import json
import zlib
from collections import Counter
from typing import Any

from careapp.outbox.events import Event
from careapp.outbox.models import SHARDS

# Heads are taken in key order, so two commands never wait for each other; a head stays locked until the commit, so
# for one key the order of sequence numbers is the order of commits.
PUBLISHED = """
e AS (
  SELECT * FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS (key text, shard smallint, later int, envelope jsonb)),
h AS (
  INSERT INTO outbox_head AS head (tenant_id, key, sequence)
  SELECT :tenant, key, count(*) FROM e GROUP BY key ORDER BY key COLLATE "C"
  ON CONFLICT (tenant_id, key) DO UPDATE SET sequence = head.sequence + excluded.sequence RETURNING key, sequence)"""
QUEUED = """
INSERT INTO outbox (tenant_id, event_id, topic, key, shard, sequence, envelope)
SELECT :tenant, CAST(envelope ->> 'id' AS uuid), envelope ->> 'type', key, shard, sequence - later,
       envelope || jsonb_build_object('sequence', lpad((sequence - later)::text, 10, '0'))
FROM e JOIN h USING (key) ORDER BY key COLLATE "C", later DESC"""


def shard_of(tenant_id: int, key: str) -> int:
    """The shard a key belongs to, the same in every process and for ever (Python's own hash() is salted)."""
    return zlib.crc32(f"{tenant_id}/{key}".encode()) % SHARDS


def given(tenant_id: int, tenant_key: str, events: list[Event]) -> dict[str, Any]:
    """The values of PUBLISHED: the events in the order in which they happened, each with how many of its key follow."""
    later = Counter(event.key for event in events)
    rows = []
    for event in events:
        later[event.key] -= 1
        shard, envelope = shard_of(tenant_id, event.key), event.envelope(tenant_key)
        rows.append({"key": event.key, "shard": shard, "later": later[event.key], "envelope": envelope})
    return {"tenant": tenant_id, "events": json.dumps(rows)}
