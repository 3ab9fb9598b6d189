"""What a run left behind: rows of the database and messages of Kafka, read when everything is quiet again."""

import json
from dataclasses import dataclass, field
from typing import Any

import psycopg
from kafka import KafkaConsumer, TopicPartition
from psycopg.rows import dict_row

from careapp import tenancy
from careapp.crypto import decrypt
from careapp.outbox import topics

Row = dict[str, Any]

_QUERIES = {
    "appointments": """
        SELECT t.key AS tenant, a.locator, a.reason, a.status, a.version, a.slot_id, a.patient_id, a.provider_id,
               a.episode_id, a.starts_at, a.ends_at, a.busy_until
        FROM appointments a JOIN tenants t ON t.id = a.tenant_id""",
    "slots": """
        SELECT t.key AS tenant, s.id, s.locator, s.capacity, s.booked, s.status
        FROM provider_slots s JOIN tenants t ON t.id = s.tenant_id""",
    "episodes": """
        SELECT t.key AS tenant, e.id, e.locator, e.reason, e.status, e.version, e.open_appointments
        FROM episodes e JOIN tenants t ON t.id = e.tenant_id""",
    "prescriptions": """
        SELECT t.key AS tenant, p.locator, p.dosage, p.status
        FROM prescriptions p JOIN tenants t ON t.id = p.tenant_id""",
    "changes": """
        SELECT t.key AS tenant, t.id AS tenant_id, c.entity, c.locator, c.action, c.reason
        FROM status_changes c JOIN tenants t ON t.id = c.tenant_id ORDER BY c.id""",
    "audits": """
        SELECT t.key AS tenant, a.action, a.subject FROM audit_event a JOIN tenants t ON t.id = a.tenant_id
        WHERE a.outcome = 'done' AND a.subject IS NOT NULL""",
    "reads": """
        SELECT t.key AS tenant, a.subject, a.request_id FROM audit_event a JOIN tenants t ON t.id = a.tenant_id
        WHERE a.outcome = 'seen' AND cardinality(a.patients) > 0""",
    "outbox": """
        SELECT t.key AS tenant, o.key, o.sequence, o.event_id::text AS event_id, o.topic,
               o.envelope ->> 'subject' AS subject
        FROM (SELECT tenant_id, key, sequence, event_id, topic, envelope FROM outbox
              UNION ALL SELECT tenant_id, key, sequence, event_id, topic, envelope FROM outbox_sent) AS o
        JOIN tenants t ON t.id = o.tenant_id""",
}


@dataclass(frozen=True)
class Message:
    """One message as a consumer sees it; `at` is when it was handed to the producer, in milliseconds."""

    tenant: str
    topic: str
    partition: int
    offset: int
    at: int
    key: str
    sequence: int
    event_id: str


@dataclass
class Evidence:
    """Everything the judge looks at beside the history. `messages` is None where there was no Kafka."""

    appointments: list[Row] = field(default_factory=list)
    slots: list[Row] = field(default_factory=list)
    episodes: list[Row] = field(default_factory=list)
    prescriptions: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)
    audits: list[Row] = field(default_factory=list)
    reads: list[Row] = field(default_factory=list)
    outbox: list[Row] = field(default_factory=list)
    messages: list[Message] | None = None


def stored(superuser: str) -> Evidence:
    """What the database holds, read past row-level security."""
    with psycopg.connect(superuser, options="-c search_path=care,public", row_factory=dict_row) as connection:
        found = Evidence()
        for name, query in _QUERIES.items():
            setattr(found, name, connection.execute(query).fetchall())
    for change in found.changes:
        change["reason"] = _opened(change)
    return found


def _opened(change: Row) -> str | None:
    """The reason of a change, which is kept encrypted; the keys are those the suite has given its processes."""
    if not change["reason"]:
        return None
    with tenancy.bound(change["tenant_id"]):
        return decrypt(change["reason"], about=f"status_changes.reason/{change['locator']} {change['action']}")


def waiting(superuser: str) -> int:
    """How many events have not left yet."""
    with psycopg.connect(superuser, options="-c search_path=care,public") as connection:
        row = connection.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL").fetchone()
    return int(row[0]) if row else 0


def consumed(bootstrap: str) -> list[Message]:
    """Every message of every topic, from the first on."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest")
    try:
        names = [(name, consumer.partitions_for_topic(name)) for name in topics.ALL]
        consumer.assign([TopicPartition(name, number) for name, numbers in names for number in numbers or ()])
        ends = consumer.end_offsets(consumer.assignment())
        consumer.seek_to_beginning()
        found: list[Message] = []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            found += [_message(one) for batch in consumer.poll(timeout_ms=500).values() for one in batch]
        return found
    finally:
        consumer.close()


def _message(record: Any) -> Message:
    envelope = json.loads(record.value)
    return Message(
        envelope["tenant"], record.topic, record.partition, record.offset, record.timestamp, record.key.decode(),
        int(envelope["sequence"]), envelope["id"],
    )  # fmt: skip
