"""Print the events that careapp has published, one line each."""

import json
import time
from collections.abc import Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError, KafkaTimeoutError

from tools.kafka.jars import BrokerError

PREFIXES = ("care.", "provider.")
LOOK_FOR_TOPICS_SECONDS = 2


def print_events(address: str, *, topics: Sequence[str] | None, from_beginning: bool) -> None:
    """Print events until interrupted; BrokerError when no broker answers at the address.

    Without a list of topics: all of careapp, also those created later. A topic that appears after the start is read
    from its first event, since all it holds is new.
    """
    try:
        consumer = KafkaConsumer(bootstrap_servers=address, bootstrap_timeout_ms=5000, group_id=None)
    except KafkaTimeoutError as error:
        raise BrokerError(f"No Kafka broker answers on {address}. `make kafka` starts one.") from error
    try:
        _follow(consumer, topics, from_beginning)
    except KafkaError as error:
        raise BrokerError(f"Reading from {address} failed: {error}") from error
    finally:
        consumer.close()


def _follow(consumer: KafkaConsumer, topics: Sequence[str] | None, from_beginning: bool) -> None:
    known: set[TopicPartition] = set()
    look_again = 0.0
    while True:
        if time.monotonic() >= look_again:
            known |= _start_reading(consumer, topics, known, from_beginning or look_again > 0)
            look_again = time.monotonic() + LOOK_FOR_TOPICS_SECONDS
        if not known:
            time.sleep(LOOK_FOR_TOPICS_SECONDS)
            continue
        records = [record for batch in consumer.poll(timeout_ms=500).values() for record in batch]
        for record in sorted(records, key=lambda record: record.timestamp):
            print(line(record), flush=True)


def _start_reading(
    consumer: KafkaConsumer, topics: Sequence[str] | None, known: set[TopicPartition], from_beginning: bool
) -> set[TopicPartition]:
    """Add the partitions not yet read, at their first or their next event; the others keep their place."""
    wanted = set(topics or ()) or {name for name in consumer.topics() if name.startswith(PREFIXES)}
    found = {TopicPartition(name, number) for name in wanted for number in consumer.partitions_for_topic(name) or ()}
    new = found - known
    if new:
        consumer.assign(sorted(known | new))
        (consumer.seek_to_beginning if from_beginning else consumer.seek_to_end)(*new)
    return new


def line(record: ConsumerRecord) -> str:
    """One event as text: topic, key, sequence, type, data. A value that is no envelope of ours stands as it is."""
    key = record.key.decode(errors="replace") if record.key else "-"
    value = (record.value or b"").decode(errors="replace")
    try:
        envelope = json.loads(value)
        data = json.dumps(envelope["data"], ensure_ascii=False)
        parts: tuple[str, ...] = (envelope["sequence"], envelope["type"], data)
    except (ValueError, KeyError, TypeError):
        parts = (value,)
    return "  ".join((record.topic, key, *parts))
