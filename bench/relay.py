"""The relay beside a bare producer, on a database and a broker that are there already (bench/events.py).

The ruler is the same Kafka client with the relay's own settings, handed the same topics, keys and bytes from memory,
5,000 at most under way: all a relay adds is the outbox.
"""

import gc
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg

from bench.servers import Database
from bench.usage import usage
from careapp import config
from careapp.outbox.relay import Relays
from careapp.outbox.sender_choice import sender_for
from careapp.outbox.senders import Sender

Message = tuple[str, str, bytes]  # topic, key, value

CLIENTS = {"kafka-python": 20_000, "confluent": 100_000}  # and how many events make a round of some seconds
A_KEY = 2  # events of an episode that wait together
UNDER_WAY = 5_000

# As the writer of the outbox leaves them: envelopes of a booking's size, keys spread over shards by their checksum.
_FILL = """
INSERT INTO outbox (tenant_id, event_id, topic, key, shard, sequence, envelope)
SELECT %(tenant)s, event_id, 'care.appointment.booked', key, n %% %(keys)s %% 16, n / %(keys)s + 1,
       jsonb_build_object(
         'specversion', '1.0', 'id', event_id, 'source', '/careapp', 'type', 'care.appointment.booked',
         'subject', 'APT-2026-' || lpad(n::text, 6, '0'), 'time', '2026-01-01T09:00:00+00:00',
         'datacontenttype', 'application/json', 'tenant', 'bench', 'priority', 'NORMAL',
         'sequence', lpad((n / %(keys)s + 1)::text, 10, '0'),
         'data', jsonb_build_object('appointment', 'APT-2026-000001', 'slot', 'SLT-2026-000001', 'episode', key,
                                    'party', 'PTY-2026-000001', 'provider', 'PRV-2026-000001', 'status', 'BOOKED',
                                    'start', '2026-01-02T09:00:00+00:00', 'end', '2026-01-02T09:20:00+00:00'))
FROM (SELECT n, gen_random_uuid() AS event_id, 'EPI-2026-' || lpad((n %% %(keys)s)::text, 6, '0') AS key
      FROM generate_series(0, %(events)s - 1) AS n) AS e ORDER BY n"""


@dataclass(frozen=True)
class Speed:
    """Events sent and acknowledged, the seconds it took, the CPU seconds of this process and its database sessions."""

    events: int
    seconds: float
    cpu: float
    database: float = 0.0

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


def fill(connection: psycopg.Connection[Any], tenant_id: int, events: int, a_key: int = A_KEY) -> None:
    """Let that many events of a tenant wait, in place of all that were there; as a superuser."""
    connection.execute("TRUNCATE outbox, outbox_sent")
    connection.execute(_FILL, {"tenant": tenant_id, "events": events, "keys": events // a_key})
    connection.execute("VACUUM ANALYZE outbox")


def waiting(connection: psycopg.Connection[Any]) -> list[Message]:
    """What waits, as messages."""
    rows = connection.execute("SELECT topic, key, envelope::text FROM outbox WHERE published_at IS NULL ORDER BY id")
    return [(topic, key, value.encode()) for topic, key, value in rows]


def bare(sender: Sender, messages: Sequence[Message]) -> Speed:
    """A producer alone, as `sender` has made it: all messages handed over, then all acknowledgements awaited."""
    producer = sender._producer  # type: ignore[attr-defined]
    send = _bare_kafka_python if hasattr(producer, "send") else _bare_confluent
    return _timed(lambda: send(producer, messages))


def relayed(relay_url: str, make_sender: Callable[[], Sender]) -> Speed:
    """The relays of one jobs process, until nothing waits."""
    with closing(Relays(relay_url, make_sender)) as relays:
        for relay in relays._relays:
            relay._sender.connect()
        sessions = {str(place): relay._connected().info.backend_pid for place, relay in enumerate(relays._relays)}

        def drain() -> int:
            while relays.run_pass():
                pass
            return relays.published

        gc.freeze()  # as the jobs process does
        timed = _timed(drain)
        return replace(timed, database=sum(usage(sessions).trees.values()))


def _timed(work: Callable[[], int]) -> Speed:
    began, cpu = time.monotonic(), time.process_time()
    events = work()
    return Speed(events, time.monotonic() - began, time.process_time() - cpu)


def _bare_kafka_python(producer: Any, messages: Sequence[Message]) -> int:
    under_way: deque[Any] = deque()
    for topic, key, value in messages:
        under_way.append(producer.send(topic, key=key.encode(), value=value))
        if len(under_way) >= UNDER_WAY:
            under_way.popleft().get(timeout=60)
    for future in under_way:
        future.get(timeout=60)
    return len(messages)


def _bare_confluent(producer: Any, messages: Sequence[Message]) -> int:
    for topic, key, value in messages:
        producer.produce(topic, value, key.encode())
        while len(producer) >= UNDER_WAY:
            producer.poll(0.1)
    assert producer.flush(60) == 0
    return len(messages)


def one_round(
    database: Database, connection: psycopg.Connection[Any], tenant_id: int, client: str, servers: str, events: int
) -> tuple[Speed, Speed]:
    """A client alone, and the relay with it, on the same events of a tenant."""
    settings = config.load(kafka_bootstrap_servers=servers, kafka_client=client)
    relay_url = database.addresses.relay
    make_sender = partial(sender_for, settings)
    relayed(relay_url, make_sender)  # what is left of others, and warm
    fill(connection, tenant_id, events)
    with closing(make_sender()) as sender:
        sender.connect()
        alone = bare(sender, waiting(connection))
    return alone, relayed(relay_url, make_sender)
