"""Both Kafka clients at the port the relay uses, on the real broker: what arrives, what fails, and under which name."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaConsumer, TopicPartition

from careapp.config import Settings, new_encryption_key
from careapp.outbox.confluent_sender import ConfluentSender
from careapp.outbox.kafka_sender import KafkaSender
from careapp.outbox.sender_choice import NoBroker, kafka_client, sender_for, sender_of_a_command
from careapp.outbox.senders import LogSender, Sender, SendFailed, Unsendable
from tests.jobs.relays import PATIENCE_SECONDS
from tools.kafka.broker import Broker
from tools.ports import free_port

KEY = "EPI-2026-000001"


@pytest.fixture
def topic() -> str:
    """A topic of this test alone, made by the sender when it connects."""
    return f"test.{uuid.uuid4()}"


@pytest.fixture
def sender(kafka_address: str, client: str, topic: str) -> Iterator[Sender]:
    """A connected sender of the client."""
    made = kafka_client(client)(kafka_address, partitions=1, replication_factor=1, wanted=[topic])
    with closing(made) as sender:
        sender.connect()
        assert received(kafka_address, topic) == []  # waits until the broker has it: it may be slower than its answer
        yield sender


def received(address: str, topic: str) -> list[tuple[str, bytes, list[tuple[str, bytes]]]]:
    """Key, value and headers of all a topic of one partition holds."""
    with closing(KafkaConsumer(bootstrap_servers=address, group_id=None)) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        found = []
        while consumer.position(partition) < end:
            found += [record for batch in consumer.poll(timeout_ms=1000).values() for record in batch]
        return [(record.key.decode(), record.value, list(record.headers)) for record in found]


def test_the_setting_chooses_the_client(client: str) -> None:
    assert kafka_client(client) is {"kafka-python": KafkaSender, "confluent": ConfluentSender}[client]


def test_in_production_jobs_alone_may_send_to_the_log() -> None:
    """A command has no broker because nobody gave it the settings of jobs; what it sent would be lost to Kafka."""
    own = Settings(
        _env_file=None, CAREAPP_ENV="production", secret_key="x" * 32, trusted_hosts="care.example",
        database_url="postgresql:///care", encryption_keys=new_encryption_key(), kafka_bootstrap_servers=None,
    )  # fmt: skip
    assert isinstance(sender_for(own), LogSender)
    with pytest.raises(NoBroker, match="as jobs has them"):
        sender_of_a_command(own)
    with_broker = own.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9092"})
    assert isinstance(sender_of_a_command(with_broker), KafkaSender)
    assert isinstance(sender_of_a_command(own.model_copy(update={"env": "development"})), LogSender)


def test_an_event_arrives_with_key_value_and_headers_and_in_order(
    sender: Sender, kafka_address: str, topic: str
) -> None:
    values = [f'{{"n": {number}, "text": "ရန်ကုန်"}}'.encode() for number in range(300)]
    headers = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
    for answer in [sender.send(topic, KEY, value, headers) for value in values]:
        answer.result(PATIENCE_SECONDS)
    assert received(kafka_address, topic) == [(KEY, value, headers) for value in values]


def test_an_answer_may_be_asked_for_in_any_order(sender: Sender, topic: str) -> None:
    for answer in reversed([sender.send(topic, KEY, b"{}") for _ in range(20)]):
        answer.result(PATIENCE_SECONDS)
        answer.result(0)


def test_an_event_too_large_is_its_own_fault_and_the_next_one_goes(
    sender: Sender, kafka_address: str, topic: str
) -> None:
    with pytest.raises(Unsendable, match="MessageSizeTooLargeError"):
        sender.send(topic, KEY, b"x" * 1_100_000).result(PATIENCE_SECONDS)
    sender.send(topic, KEY, b"{}").result(PATIENCE_SECONDS)
    assert received(kafka_address, topic) == [(KEY, b"{}", [])]


def test_a_name_that_no_topic_may_have_is_the_events_own_fault(sender: Sender) -> None:
    with pytest.raises(Unsendable, match="InvalidTopicError"):
        sender.send("no topic", KEY, b"{}")


def test_a_topic_nobody_has_made_fails_and_is_not_made(sender: Sender, topic: str) -> None:
    for _ in range(2):
        with pytest.raises(SendFailed):
            sender.send(f"{topic}.unknown", KEY, b"{}").result(PATIENCE_SECONDS)
    sender.send(topic, KEY, b"{}").result(PATIENCE_SECONDS)


def test_without_a_broker_connecting_fails_and_may_be_tried_again(client: str) -> None:
    sender = kafka_client(client)(f"127.0.0.1:{free_port()}", partitions=1, replication_factor=1)
    for _ in range(2):
        with pytest.raises(SendFailed):
            sender.connect()
        with pytest.raises(SendFailed, match="not connected"):
            sender.send("care.episode.opened", KEY, b"{}")
    sender.close()


def test_a_frozen_broker_fails_a_send_and_a_new_connection_goes_on(sender: Sender, broker: Broker, topic: str) -> None:
    sender.send(topic, KEY, b"before").result(PATIENCE_SECONDS)
    broker.freeze()
    try:
        answer = sender.send(topic, KEY, b"during")
        with pytest.raises(SendFailed):
            answer.result(PATIENCE_SECONDS)  # by the client's own limit, much sooner
        sender.reset()
        with pytest.raises(SendFailed):
            sender.connect()
    finally:
        broker.thaw()
    sender.connect()
    sender.send(topic, KEY, b"after").result(PATIENCE_SECONDS)
    values = [value for _, value, _ in received(broker.bootstrap, topic)]
    assert values[0] == b"before"
    assert b"after" in values
