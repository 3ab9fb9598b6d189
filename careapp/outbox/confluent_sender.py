"""Sending to Kafka by confluent-kafka, several times quicker than kafka-python; optional, with the same promises."""

import time
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from careapp.outbox.senders import Headers, KafkaClient, Pending, SendFailed, Unsendable, is_topic
from careapp.transport import KafkaAccess

CONNECT_SECONDS = 3.0
CLOSE_SECONDS = 5.0

# As for kafka-python: all replicas, no repeats of its own, every send with an outcome within 6 s, no topic by mistake.
_PRODUCER: dict[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 1,  # a wave is handed over in less; with 0 its first event goes alone, and the others wait for it
    "socket.nagle.disable": True,
    "request.timeout.ms": 3000,
    "socket.timeout.ms": 3000,
    "delivery.timeout.ms": 6000,
    "reconnect.backoff.max.ms": 1000,
    "message.max.bytes": 1_048_576,
    "topic.metadata.propagation.max.ms": 0,  # an unknown topic is said at once, not waited for
    "allow.auto.create.topics": False,
    "log_level": 0,  # it reports each refused connection; the relay says it once
}

# Under the names kafka-python gives them, so that whoever reads `flask outbox list` need not know the client.
_OWN_FAULT = {
    KafkaError.MSG_SIZE_TOO_LARGE: "MessageSizeTooLargeError",
    KafkaError.TOPIC_EXCEPTION: "InvalidTopicError",
}

_log = structlog.get_logger()


class ConfluentSender(KafkaClient):
    """One producer, built on first use: after any fork, never at import. Each new connection makes missing topics."""

    _producer: Producer | None = None

    def connect(self) -> None:
        """Connect and make missing topics, once; raises SendFailed when no broker answers within seconds."""
        if self._producer is not None:
            return
        try:
            self._producer = Producer({**self._cluster(), **_PRODUCER})
            known = self._producer.list_topics(timeout=CONNECT_SECONDS).topics
            self._make_topics(sorted(set(self._wanted) - set(known)))
        except KafkaException as exception:
            self.reset()
            raise SendFailed(_name(exception)) from exception

    def send(self, topic: str, key: str, value: bytes, headers: Headers = ()) -> Pending:
        """Hand one event to the producer, which waits for nothing; an unknown topic is told by the outcome."""
        if not is_topic(topic):
            raise Unsendable("InvalidTopicError")
        if self._producer is None:
            raise SendFailed("not connected")
        on_its_way = _OnItsWay(self._producer)
        try:
            self._producer.produce(topic, value, key.encode(), headers=list(headers), on_delivery=on_its_way.told)
        except BufferError as error:  # more is under way than it holds: the broker has not answered for long
            raise SendFailed(type(error).__name__) from error
        except KafkaException as exception:
            raise _refusal(exception.args[0]) from exception
        return on_its_way

    def reset(self) -> None:
        """Drop the producer. What it had under way may still arrive: a repeat, which consumers drop by its id."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.flush(CLOSE_SECONDS)

    def _cluster(self) -> dict[str, Any]:
        return {"bootstrap.servers": self._servers, **access_options(self._access)}

    def _make_topics(self, missing: list[str]) -> None:
        if not missing:
            return
        admin = AdminClient({**self._cluster(), "log_level": 0})
        wanted = [NewTopic(topic, self._partitions, self._replication_factor) for topic in missing]
        for topic, made in admin.create_topics(wanted, request_timeout=CONNECT_SECONDS).items():
            try:
                made.result()
                _log.info("topic created", topic=topic)
            except KafkaException as exception:
                # Not fatal: where only operators may make topics, the events of this one wait until they have.
                if exception.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another relay was quicker
                    _log.error("topic could not be created", topic=topic, error=_name(exception))


def access_options(access: KafkaAccess) -> dict[str, Any]:
    """The same in librdkafka's words. The broker's certificate has to name the host it is reached by."""
    files = {
        "ssl.ca.location": access.ca_file,
        "ssl.certificate.location": access.certificate_file,
        "ssl.key.location": access.key_file,
    }
    options = {"security.protocol": access.protocol} | {name: str(file) for name, file in files.items() if file}
    if access.encrypted:
        options |= {"ssl.endpoint.identification.algorithm": "https"}
    if access.password and access.username and access.mechanism:
        options |= {
            "sasl.mechanism": access.mechanism,
            "sasl.username": access.username,
            "sasl.password": access.password.get_secret_value(),
        }
    return options


class _OnItsWay:
    """A send that the producer has taken. Its answer is told by a call, from within `poll` of this same thread."""

    __slots__ = ("_done", "_error", "_producer")

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._done = False
        self._error: KafkaError | None = None

    def told(self, error: KafkaError | None, message: Message) -> None:
        """The producer's word on it."""
        self._done, self._error = True, error

    def result(self, timeout: float) -> None:
        """Wait for the broker's answer."""
        stop = time.monotonic() + timeout
        while not self._done:
            left = stop - time.monotonic()
            if left <= 0 and not self._producer.poll(0):
                raise SendFailed("Timeout")
            self._producer.poll(max(0.0, left))
        if self._error is not None:
            raise _refusal(self._error)


def _refusal(error: KafkaError) -> SendFailed | Unsendable:
    """Whether the event itself is at fault, or anything else: then it may well go through later."""
    own_fault = _OWN_FAULT.get(error.code())
    return Unsendable(own_fault) if own_fault else SendFailed(error.name())


def _name(exception: KafkaException) -> str:
    name: str = exception.args[0].name()
    return name
