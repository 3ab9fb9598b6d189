"""Logs: one line an event, with a short list of keys that may be in it; nothing a patient could be known by."""

import logging
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"  # always as long: lines are put in order by it
# Locators, ids, codes and times. Whatever is not on the list is dropped, so a careless log line leaks nothing.
ALLOWED = frozenset({
    "event", "level", "timestamp", "error", "constraint", "where",
    "method", "route", "status", "milliseconds", "request_id", "trace_id", "tenant", "actor",
    "topic", "key", "event_id", "pending", "parked", "oldest_seconds", "published", "failures",
    "refused", "job", "count", "seconds", "slots", "n", "hash", "partition", "port", "check",
    "statement", "library",
})  # fmt: skip
_log = structlog.get_logger()


class OfLibraries(logging.Handler):
    """What libraries and Flask itself log, as a line like the others. It tells who and where, never their text: that
    quotes addresses as sent and rows of the database.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            _log.error("library warns", library=record.name, exc_info=error)
        else:
            place = f"{record.pathname}:{record.lineno} {record.funcName}"
            _log.warning("library warns", library=record.name, where=[place])


def take_over_libraries() -> None:
    """Let what libraries log go through here, in a process that serves; commands show people their texts."""
    root = logging.getLogger()
    if not any(isinstance(handler, OfLibraries) for handler in root.handlers):
        root.addHandler(OfLibraries(logging.WARNING))


def configure_logs(*, readable: bool, about: Callable[[], dict[str, Any]] = dict) -> None:
    """Set the form of log lines: readable text for a developer, JSON otherwise. `about` adds to each what there is to
    say of where it was written.
    """

    def add_about(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in about().items():
            if value is not None:
                event.setdefault(key, value)
        return event

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt=MOMENT, utc=True),
            name_the_error,
            add_about,
            keep_allowed,
            structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(),  # a line in one piece
        cache_logger_on_first_use=False,
    )
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it reports each refused connection; the relay says it once


def name_the_error(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Turn exc_info into the error's class and the places it passed: its text may hold a value of some row."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        event["error"] = type(error).__name__
        event["where"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames if "careapp" in frame.filename
        ]
        original = getattr(error, "orig", None)
        constraint = getattr(getattr(original, "diag", None), "constraint_name", None)
        if original is not None:
            event["error"] += f" {type(original).__name__}"
        if constraint:
            event["constraint"] = constraint
    return event


def keep_allowed(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every key that is not on the list."""
    return {key: value for key, value in event.items() if key in ALLOWED}
