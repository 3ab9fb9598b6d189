"""The history check, the one judge of all relay tests: what reached Kafka against what was committed."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from apiflask import APIFlask
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from careapp.outbox import topics
from tests.conftest import TestTenant
from tests.jobs.relays import relay_role, wait_until
from tests.jobs.speaking import Ledger

OWN = topics.AUDIT_ANCHORED  # said by the jobs process of itself, at its start: no part of any test's history


@dataclass(frozen=True)
class Published:
    """One message as a consumer sees it. `at` is the time, in milliseconds, at which it was handed to the producer."""

    topic: str
    partition: int
    offset: int
    at: int
    key: str
    envelope: dict[str, Any]

    @property
    def place(self) -> tuple[str, int]:
        """Its key and its number in it."""
        return self.key, int(self.envelope["sequence"])


class Reader:
    """Reads all topics back, from where they ended when it was made. It may be used while the broker answers."""

    def __init__(self, address: str) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=address, group_id=None)
        names = [(name, self._consumer.partitions_for_topic(name)) for name in topics.ALL if name != OWN]
        self._consumer.assign([TopicPartition(name, number) for name, numbers in names for number in numbers or ()])
        for partition, end in self._ends().items():
            self._consumer.seek(partition, end)
        self._found: list[Published] = []

    def read(self, tenant: TestTenant) -> list[Published]:
        """All messages of a tenant until now, in order within each partition."""
        ends = self._ends()
        while any(self._consumer.position(partition) < end for partition, end in ends.items()):
            batches = self._consumer.poll(timeout_ms=500).values()
            self._found += [self._published(record) for batch in batches for record in batch]
        return [one for one in self._found if one.envelope["tenant"] == tenant.key]

    def close(self) -> None:
        """End the connection."""
        self._consumer.close()

    def _ends(self) -> dict[TopicPartition, int]:
        """Where each partition ends; asked again where the client spent its time on a broker that came back late."""
        ends: dict[TopicPartition, int] = {}

        def told() -> bool:
            with suppress(KafkaTimeoutError):
                ends.update(self._consumer.end_offsets(self._consumer.assignment()))
            return bool(ends)

        wait_until(told)
        return ends

    @staticmethod
    def _published(record: Any) -> Published:
        envelope = json.loads(record.value)
        assert envelope["type"] == record.topic
        return Published(record.topic, record.partition, record.offset, record.timestamp, record.key.decode(), envelope)


def committed(app: APIFlask, tenant: TestTenant) -> dict[tuple[str, int], str]:
    """The event id of each key and sequence in the outbox."""
    with relay_role(app) as connection:
        rows = connection.execute(
            "SELECT key, sequence, event_id::text FROM outbox WHERE tenant_id = %(tenant)s AND topic <> %(own)s"
            " UNION ALL SELECT key, sequence, event_id::text FROM outbox_sent"
            " WHERE tenant_id = %(tenant)s AND topic <> %(own)s",
            {"tenant": tenant.id, "own": OWN},
        ).fetchall()
    assert len({row[:2] for row in rows}) == len(rows), "an event is kept once, waiting or sent"
    return {(key, sequence): event_id for key, sequence, event_id in rows}


def judge(app: APIFlask, tenant: TestTenant, published: Sequence[Published], ledger: Ledger) -> int:
    """Assert that the history is right, and return how many messages were repeats.

    Published is what was committed, all of it and nothing else; sequences have no gap; a repeat has the id of its
    first; the first occurrences of a key come in order, in each partition by offset and over all topics by time.
    """
    expected = committed(app, tenant)
    first: dict[tuple[str, int], Published] = {}
    for one in published:
        known = first.setdefault(one.place, one)
        assert one.envelope["id"] == known.envelope["id"], "two events took one place"
    assert {place: one.envelope["id"] for place, one in first.items()} == expected, (
        "published is not what was committed"
    )
    marks = {one.envelope["data"]["mark"] for one in published}
    assert marks == ledger.told
    assert not marks & ledger.never, "a rolled-back transaction was heard"
    _assert_order(first.values())
    return len(published) - len(first)


def _assert_order(firsts: Iterable[Published]) -> None:
    by_key: dict[str, list[Published]] = defaultdict(list)
    by_partition: dict[tuple[str, str, int], list[Published]] = defaultdict(list)
    for one in sorted(firsts, key=lambda one: one.place):
        by_key[one.key].append(one)
        by_partition[one.key, one.topic, one.partition].append(one)
    for key, events in by_key.items():
        assert [int(one.envelope["sequence"]) for one in events] == list(range(1, len(events) + 1)), f"a gap in {key}"
        assert [one.at for one in events] == sorted(one.at for one in events), f"{key} left out of order"
    for events in by_partition.values():
        assert [one.offset for one in events] == sorted(one.offset for one in events), "out of order in a partition"
