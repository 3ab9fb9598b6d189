"""The broker that other tests stand on: it keeps what it was sent, over a restart, a crash and a freeze."""

import signal
import subprocess
import sys
import uuid
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaTimeoutError

from tests.jobs.relays import PATIENCE_SECONDS
from tools.kafka.broker import ROOT, Broker
from tools.kafka.jars import BrokerError

START_AND_DIE = """
import os, pathlib, signal, sys, threading
from tools.kafka.broker import Broker
broker = Broker(pathlib.Path(sys.argv[1]))
starter = threading.Thread(target=broker.start)
starter.start()
starter.join()
assert broker.running
os.kill(os.getpid(), signal.SIGKILL)
"""
MESSAGES = [f"message {number}".encode() for number in range(10)]


@pytest.fixture
def topic(kafka_address: str) -> str:
    """A new topic with one partition."""
    name = f"test.{uuid.uuid4()}"
    with KafkaAdminClient(bootstrap_servers=kafka_address) as admin:
        admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    return name


def new_producer(address: str) -> closing[KafkaProducer]:
    """A producer that is closed at the end of its block: one that outlives the broker leaves sockets unclosed."""
    return closing(
        KafkaProducer(
            bootstrap_servers=address, acks="all", enable_idempotence=True, max_block_ms=PATIENCE_SECONDS * 1000
        )
    )


def send(address: str, topic: str) -> None:
    """Send the ten messages and wait until the broker has them."""
    with new_producer(address) as producer:
        for future in [producer.send(topic, key=b"key", value=message) for message in MESSAGES]:
            future.get(timeout=PATIENCE_SECONDS)


def read(address: str, topic: str) -> list[bytes]:
    """Everything the topic holds now, by a consumer made for it."""
    with closing(KafkaConsumer(bootstrap_servers=address, group_id=None)) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        values: list[bytes] = []
        while consumer.position(partition) < end:
            values += [record.value for batch in consumer.poll(timeout_ms=1000).values() for record in batch]
        return values


def test_messages_sent_are_read_back_in_order(kafka_address: str, topic: str) -> None:
    send(kafka_address, topic)
    assert read(kafka_address, topic) == MESSAGES


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_messages_are_still_there_after_a_restart(broker: Broker, topic: str, ending: str) -> None:
    send(broker.bootstrap, topic)
    getattr(broker, ending)()
    assert not broker.running
    broker.start()
    assert read(broker.bootstrap, topic) == MESSAGES


def test_a_frozen_broker_answers_nobody_until_it_is_thawed(broker: Broker, topic: str) -> None:
    with new_producer(broker.bootstrap) as producer:
        producer.partitions_for(topic)
        broker.freeze()
        try:
            outcome = producer.send(topic, value=b"sent to a frozen broker")
            with pytest.raises(KafkaTimeoutError):
                outcome.get(timeout=1)
            assert broker.running
        finally:
            broker.thaw()
        outcome.get(timeout=PATIENCE_SECONDS)
    assert read(broker.bootstrap, topic) == [b"sent to a frozen broker"]


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: only Linux ends a program with its parent")
def test_the_broker_of_a_killed_process_is_gone_and_its_data_free(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("left")
    outcome = subprocess.run([sys.executable, "-c", START_AND_DIE, str(directory)], cwd=ROOT, check=False)
    assert outcome.returncode == -signal.SIGKILL
    with Broker(directory) as successor:  # refused while the data are in use
        assert successor.running


def test_data_in_use_are_refused_and_their_broker_lives_on(broker: Broker, topic: str) -> None:
    with pytest.raises(BrokerError, match="Another broker is running on the data"):
        Broker(broker.directory).start()
    send(broker.bootstrap, topic)


def test_a_taken_port_is_named(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(BrokerError, match=f"Port {broker.port} is taken"):
        Broker(tmp_path_factory.mktemp("second"), broker.port).start()


def test_a_broker_that_cannot_start_shows_its_log(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("damaged")
    (directory / "topics").mkdir()
    (directory / "topics" / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=99\n")
    with pytest.raises(BrokerError, match=r"(?s)ended while starting.*Stored node id 99"):
        Broker(directory).start()
