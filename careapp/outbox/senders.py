"""Senders: the port through which the relay hands events on, its two errors, and the in-process default, the log."""

import json
import re
from typing import Any, Protocol

import structlog

Envelope = dict[str, Any]

_TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")  # what Kafka takes as the name of a topic

_log = structlog.get_logger()


class SendFailed(Exception):
    """The broker or the set-up did not take the event, which may well go through later. Says which error it was."""


class Unsendable(Exception):
    """The event itself is at fault (too large, no JSON, bad topic) and no retry helps. Says which error it was."""


class Pending(Protocol):
    """An event on its way."""

    def result(self, timeout: float) -> None:
        """Return when the broker has it; raises SendFailed or Unsendable, at the latest after `timeout` seconds."""


class Sender(Protocol):
    """Where events go. Used by one thread."""

    def connect(self) -> None:
        """Be ready to send; does nothing when it is. Raises SendFailed when nobody answers."""

    def send(self, topic: str, key: str, envelope: Envelope) -> Pending:
        """Start to send one event; raises SendFailed or Unsendable."""

    def reset(self) -> None:
        """Drop the connection after a failure, so that nothing of it reaches the next one."""

    def close(self) -> None:
        """End for good."""


def encoded(topic: str, envelope: Envelope) -> bytes:
    """The bytes of an event; raises Unsendable for a topic that Kafka would never take and for what is no JSON."""
    if not _TOPIC.fullmatch(topic):
        raise Unsendable("InvalidTopicError")
    try:
        return json.dumps(envelope, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise Unsendable(type(error).__name__) from error


class Sent:
    """An event that has arrived."""

    def result(self, timeout: float) -> None:
        """Return at once."""


class LogSender:
    """Writes topic, key and id of each event to the log: what a developer without a broker sees."""

    def connect(self) -> None:
        """Nothing to connect to."""

    def send(self, topic: str, key: str, envelope: Envelope) -> Pending:
        """Log one event; raises Unsendable as every sender does."""
        encoded(topic, envelope)
        _log.info("event published", topic=topic, key=key, event_id=envelope["id"])
        return Sent()

    def reset(self) -> None:
        """Nothing to drop."""

    def close(self) -> None:
        """Nothing to end."""
