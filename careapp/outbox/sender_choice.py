"""Which sender an installation's settings ask for: one of the two clients of Kafka, or the log."""

from typing import TYPE_CHECKING

from careapp.config import Settings
from careapp.outbox.kafka_sender import KafkaSender
from careapp.outbox.senders import LogSender, Sender

if TYPE_CHECKING:
    from careapp.outbox.confluent_sender import ConfluentSender


class NoBroker(Exception):
    """A command would send past the broker that jobs may have; the text says what to do."""


def kafka_client(name: str) -> type[KafkaSender] | type["ConfluentSender"]:
    """The senders by their names in KAFKA_CLIENT; raises SystemExit where the optional one is not installed."""
    if name == "kafka-python":
        return KafkaSender
    try:
        from careapp.outbox.confluent_sender import ConfluentSender
    except ImportError as error:
        raise SystemExit(
            "KAFKA_CLIENT=confluent needs confluent-kafka: install requirements/confluent.txt, or build"
            " the image with --build-arg REQUIREMENTS=confluent"
        ) from error
    return ConfluentSender


def sender_for(settings: Settings) -> Sender:
    """The sender of jobs: Kafka where a broker is named, by the client that is named; otherwise the log.

    Raises SystemExit where that client is not installed.
    """
    if not settings.kafka_bootstrap_servers:
        return LogSender()
    return kafka_client(settings.kafka_client)(
        settings.kafka_bootstrap_servers,
        partitions=settings.kafka_partitions,
        replication_factor=settings.kafka_replication_factor,
        access=settings.kafka_access,
    )


def sender_of_a_command(settings: Settings) -> Sender:
    """The sender of a command, which sends what jobs else would: the same, but in production never the log.

    Whoever starts jobs without a broker wants the log. A command may only lack what jobs was given, and what it writes
    to the log counts as sent. Raises NoBroker, and SystemExit as for jobs.
    """
    if not settings.development and not settings.kafka_bootstrap_servers:
        raise NoBroker(
            "Set KAFKA_BOOTSTRAP_SERVERS and the other KAFKA_… settings as jobs has them: without a broker the events"
            " of every tenant would go to the log and count as sent. Where jobs has none either, unset"
            " DATABASE_RELAY_URL and let jobs send them."
        )
    return sender_for(settings)
