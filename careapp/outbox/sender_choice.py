"""Which sender an installation's settings ask for: one of the two clients of Kafka, or the log."""

from typing import TYPE_CHECKING

from careapp.config import Settings
from careapp.outbox.kafka_sender import KafkaSender
from careapp.outbox.senders import LogSender, Sender

if TYPE_CHECKING:
    from careapp.outbox.confluent_sender import ConfluentSender


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
    """Kafka where a broker is named, by the client that is named; otherwise the log.

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
