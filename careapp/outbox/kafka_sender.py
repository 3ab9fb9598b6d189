"""Sending to Kafka by kafka-python, which is pinned; the decision record on it names its traps."""

import ssl
from typing import Any

import structlog
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import InvalidTopicError, KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError, for_code
from kafka.producer.future import FutureRecordMetadata

from careapp.outbox.senders import Headers, KafkaClient, Pending, SendFailed, Unsendable, is_topic
from careapp.transport import KafkaAccess

CONNECT_MS = 3000
CLOSE_SECONDS = 5  # all sends have answered before; this is for the goodbye, and `close` without it waits for ever

# acks and idempotence: a broker's crash loses nothing and its retries repeat nothing. The times end a send after 6 s,
# well before the database ends the relay's transaction. Topics are made on purpose, never by a spelling mistake.
_PRODUCER = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 0,
    "max_block_ms": 3000,
    "request_timeout_ms": 3000,
    "delivery_timeout_ms": 6000,
    "allow_auto_create_topics": False,
    "bootstrap_timeout_ms": CONNECT_MS,
}

_OWN_FAULT = (MessageSizeTooLargeError, InvalidTopicError)

_log = structlog.get_logger()


class KafkaSender(KafkaClient):
    """One producer, built on first use: after any fork, never at import. Each new connection makes missing topics."""

    _producer: KafkaProducer | None = None

    def connect(self) -> None:
        """Connect and make missing topics, once; raises SendFailed when no broker answers within seconds."""
        if self._producer is not None:
            return
        try:
            # The producer first: its constructor, failing, leaves nothing behind; that of the admin client, a thread.
            self._producer = KafkaProducer(bootstrap_servers=self._servers, **_PRODUCER, **access_options(self._access))
            self._make_missing_topics()
        except KafkaError as error:
            self.reset()
            raise SendFailed(type(error).__name__) from error

    def send(self, topic: str, key: str, value: bytes, headers: Headers = ()) -> Pending:
        """Hand one event to the producer; blocks up to 3 s while the topic is not known."""
        if not is_topic(topic):
            raise Unsendable("InvalidTopicError")
        if self._producer is None:
            raise SendFailed("not connected")
        try:
            return _OnItsWay(self._producer.send(topic, key=key.encode(), value=value, headers=list(headers)))
        except _OWN_FAULT as error:
            raise Unsendable(type(error).__name__) from error
        except (KafkaError, ValueError) as error:  # ValueError: the topic vanished from the metadata in between
            raise SendFailed(type(error).__name__) from error

    def reset(self) -> None:
        """Close the producer. What it had under way may still arrive: a repeat, which consumers drop by its id."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=CLOSE_SECONDS)
        except KafkaError as error:
            _log.warning("kafka producer did not close", error=type(error).__name__)

    def _make_missing_topics(self) -> None:
        options = access_options(self._access)
        with KafkaAdminClient(bootstrap_servers=self._servers, bootstrap_timeout_ms=CONNECT_MS, **options) as admin:
            missing = sorted(set(self._wanted) - set(admin.list_topics()))
            if not missing:
                return
            new = {"num_partitions": self._partitions, "replication_factor": self._replication_factor}
            made = admin.create_topics(dict.fromkeys(missing, new), raise_errors=False)
        for answer in made["topics"]:
            error = for_code(answer["error_code"])
            if answer["error_code"] == 0:
                _log.info("topic created", topic=answer["name"])
            elif error is not TopicAlreadyExistsError:  # another relay was quicker
                # Not fatal: where only operators may make topics, the events of this one wait until they have.
                _log.error("topic could not be created", topic=answer["name"], error=error.__name__)


def access_options(access: KafkaAccess) -> dict[str, Any]:
    """The same in kafka-python's words. The broker's certificate has to name the host it is reached by."""
    options: dict[str, Any] = {"security_protocol": access.protocol}
    if access.encrypted:
        context = ssl.create_default_context(cafile=access.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if access.certificate_file:
            context.load_cert_chain(access.certificate_file, access.key_file)
        options["ssl_context"] = context
    if access.password:
        options |= {
            "sasl_mechanism": access.mechanism,
            "sasl_plain_username": access.username,
            "sasl_plain_password": access.password.get_secret_value(),
        }
    return options


class _OnItsWay:
    """A send that the producer has taken."""

    def __init__(self, future: FutureRecordMetadata) -> None:
        self._future = future

    def result(self, timeout: float) -> None:
        """Wait for the broker's answer."""
        try:
            self._future.get(timeout=timeout)
        except _OWN_FAULT as error:
            raise Unsendable(type(error).__name__) from error
        except KafkaError as error:
            raise SendFailed(type(error).__name__) from error
