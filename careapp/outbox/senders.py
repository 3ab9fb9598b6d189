"""Senders: the port through which the relay hands events on, its two errors, and the in-process default, the log."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Protocol

import structlog

from careapp.outbox import topics
from careapp.transport import KafkaAccess

Headers = Sequence[tuple[str, bytes]]

_TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")  # what Kafka takes as the name of a topic

_log = structlog.get_logger()


class SendFailed(Exception):
    """The broker or the set-up did not take the event, which may well go through later. Says which error it was."""


class Unsendable(Exception):
    """The event itself is at fault (too large, bad topic) and no retry helps. Says which error it was."""


class Pending(Protocol):
    """An event on its way."""

    def result(self, timeout: float) -> None:
        """Return when the broker has it; raises SendFailed or Unsendable, at the latest after `timeout` seconds."""


class Sender(Protocol):
    """Where events go. Used by one relay, so by one thread at a time."""

    def connect(self) -> None:
        """Be ready to send; does nothing when it is. Raises SendFailed when nobody answers."""

    def send(self, topic: str, key: str, value: bytes, headers: Headers = ()) -> Pending:
        """Start to send one event, its envelope as JSON; raises SendFailed or Unsendable."""

    def reset(self) -> None:
        """Drop the connection after a failure, so that nothing of it reaches the next one."""

    def close(self) -> None:
        """End for good."""


@cache
def is_topic(name: str) -> bool:
    """Whether Kafka could ever take this as the name of a topic; to send to another is the event's own fault."""
    return _TOPIC.fullmatch(name) is not None


class KafkaClient(ABC):
    """What the two clients of Kafka have in common: where they send, and which topics they make where one is missing.

    `partitions` and `replication_factor` are those of topics made here; existing ones stay as they are.
    """

    def __init__(
        self, servers: str, *, partitions: int, replication_factor: int, wanted: Sequence[str] = topics.ALL,
        access: KafkaAccess = KafkaAccess(),
    ) -> None:  # fmt: skip
        self._servers, self._access = servers, access
        self._partitions, self._replication_factor = partitions, replication_factor
        self._wanted = wanted

    @abstractmethod
    def reset(self) -> None:
        """Drop the producer."""

    def close(self) -> None:
        """The same as reset; the next send would need a connect."""
        self.reset()


class Sent:
    """An event that has arrived."""

    def result(self, timeout: float) -> None:
        """Return at once."""


class LogSender:
    """Writes topic, key and id of each event to the log: what a developer without a broker sees."""

    def connect(self) -> None:
        """Nothing to connect to."""

    def send(self, topic: str, key: str, value: bytes, headers: Headers = ()) -> Pending:
        """Log one event; raises Unsendable as every sender does."""
        if not is_topic(topic):
            raise Unsendable("InvalidTopicError")
        _log.info("event published", topic=topic, key=key, event_id=json.loads(value)["id"])
        return Sent()

    def reset(self) -> None:
        """Nothing to drop."""

    def close(self) -> None:
        """Nothing to end."""
