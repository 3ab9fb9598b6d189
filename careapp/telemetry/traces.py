"""Traces: where a request's time went, over web, SQL, the outbox and Kafka; off without OTEL_EXPORTER_OTLP_ENDPOINT.

This is the side everybody calls. While tracing is off nothing of OpenTelemetry is imported and each call returns at
once; `exporting` is the side that knows the library.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine

from careapp.config import Settings

if TYPE_CHECKING:
    from careapp.telemetry.exporting import Tracing

Headers = Sequence[tuple[str, bytes]]

FLUSH_SECONDS = 2.0
TRACEPARENT = "traceparent"  # W3C Trace Context; CloudEvents' distributed tracing extension has the same name


class Awaited(Protocol):
    """An event on its way to the broker."""

    def result(self, timeout: float) -> None:
        """Return when it has arrived, or raise."""


_tracing: "Tracing | None" = None


def begin(settings: Settings, service: str) -> "Tracing | None":
    """Trace this process from now on, where the settings say whereto; call it when no more processes are forked."""
    global _tracing
    if settings.otel_exporter_otlp_endpoint and _tracing is None:
        from careapp.telemetry.exporting import Tracing

        _tracing = Tracing(settings.otel_exporter_otlp_endpoint, service)
    return _tracing


def end() -> None:
    """Send what has not been sent, and trace no longer."""
    global _tracing
    if _tracing is not None:
        _tracing.end()
        _tracing = None


def end_with_process() -> None:
    """Send what waits when this process ends in order; a worker of a server leaves out Python's own `atexit`.

    It waits no longer than FLUSH_SECONDS: a collector that does not answer holds up no rollout.
    """

    def flush() -> None:
        sending = threading.Thread(target=end, name="last traces", daemon=True)
        sending.start()
        sending.join(FLUSH_SECONDS)

    Finalize(None, flush, exitpriority=0)


def of_statements(engine: Engine) -> None:
    """Give each statement of an engine a span of its own, inside whatever is being traced."""
    if _tracing is not None:
        _tracing.watch_statements(engine)


def trace_id() -> str | None:
    """The id of the present trace, for the log."""
    return _tracing.trace_id() if _tracing is not None else None


def traceparent() -> str | None:
    """The present trace as what comes after it can be told of it."""
    return _tracing.traceparent() if _tracing is not None else None


@contextmanager
def span(name: str) -> Iterator[None]:
    """Around a piece of work that begins a trace, or is a part of the present one. Names come from the code."""
    if _tracing is None:
        yield
        return
    with _tracing.span(name):
        yield


@contextmanager
def statement(text: str) -> Iterator[None]:
    """Around one SQL statement of a connection beside the engines, where it is a part of what is being traced."""
    if _tracing is None:
        yield
        return
    with _tracing.statement(text):
        yield


def publication(topic: str, parent: str, send: Callable[[Headers], Awaited]) -> Awaited:
    """Send an event as a part of the trace `parent` names: from the hand-over until the broker has it.

    `send` is given the headers that carry the trace on: this sending's, or `parent` where nothing is traced here.
    """
    if _tracing is None:
        return send([(TRACEPARENT, parent.encode())])
    return _tracing.publication(topic, parent, lambda: send([(TRACEPARENT, (traceparent() or parent).encode())]))
