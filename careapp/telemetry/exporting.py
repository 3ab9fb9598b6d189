"""Exporting traces: the OpenTelemetry side. Only what stands on a list leaves, whatever recorded it.

The list holds names, codes, routes as declared and statements without values. Addresses as sent, query strings,
headers, texts of errors and a caller's `tracestate` are not on it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import Engine, event

from careapp.telemetry.metrics import METHODS, OTHER_METHOD
from careapp.telemetry.statements import shape, together
from careapp.telemetry.traces import TRACEPARENT, Awaited
from careapp.transactions import AROUND

KEPT = frozenset({
    "http.request.method", "http.route", "http.response.status_code", "http.method", "http.status_code", "error.type",
    "exception.type", "db.system.name", "db.query.text", "db.operation.name", "messaging.system",
    "messaging.operation.name", "messaging.destination.name",
})  # fmt: skip
METHOD = ("http.request.method", "http.method")  # of the conventions of today, and of those before


class Guarded(SpanExporter):
    """Passes spans on to another exporter without what is not on the list."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export what may leave of each span."""
        return self._inner.export([_cleared(span) for span in spans])

    def shutdown(self) -> None:
        """End the other one."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Ask the other one."""
        return self._inner.force_flush(timeout_millis)


class Tracing:
    """Traces of this process, sent in the background to a collector at `endpoint` (OTLP over HTTP)."""

    def __init__(self, endpoint: str, service: str) -> None:
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self.provider = TracerProvider(resource=_resource(service))
        self.provider.add_span_processor(BatchSpanProcessor(Guarded(exporter)))
        self._tracer = self.provider.get_tracer("careapp")
        self._propagator = TraceContextTextMapPropagator()
        propagate.set_global_textmap(self._propagator)  # and no baggage, which would carry a caller's texts on

    def end(self) -> None:
        """Send what waits."""
        self.provider.shutdown()

    def trace_id(self) -> str | None:
        """The id of the present trace."""
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None

    def traceparent(self) -> str | None:
        """The present span in the form of W3C Trace Context."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(TRACEPARENT)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """A span around a block."""
        with self._tracer.start_as_current_span(name):
            yield

    def publication(self, topic: str, parent: str, send: Callable[[], Awaited]) -> Awaited:
        """Send, in a span under `parent` that ends when the outcome is known."""
        context = self._propagator.extract({TRACEPARENT: parent})
        about = {
            "messaging.system": "kafka", "messaging.operation.name": "send", "messaging.destination.name": topic
        }  # fmt: skip
        span = self._tracer.start_span(f"send {topic}", context, SpanKind.PRODUCER, about)
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                return _Traced(send(), span)
            except Exception as error:
                _failed(span, error)
                raise

    def watch_statements(self, engine: Engine) -> None:
        """Record the statements of an engine, by their shape, where something is being traced.

        Those that are kept say when they run; the others are run here instead of by SQLAlchemy. Who listened to
        cursors would have all of them go that way (kept.py).
        """

        def one(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
            with self.statement(statement):
                cursor.execute(statement, parameters)
            return True

        def many(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
            with self.statement(statement):
                cursor.executemany(statement, parameters)
            return True

        def bare(cursor: Any, statement: str, context: Any) -> bool:
            with self.statement(statement):
                cursor.execute(statement)
            return True

        for name, run in (("do_execute", one), ("do_executemany", many), ("do_execute_no_params", bare)):
            event.listen(engine, name, run)
        engine.update_execution_options(**{AROUND: lambda texts: self.statement(together(texts))})

    @contextmanager
    def statement(self, text: str) -> Iterator[None]:
        """A span around a statement, by its shape, where something is being traced."""
        span = self._of_statement(text)
        try:
            yield
        except BaseException as error:
            if span:
                _failed(span, error)
            raise
        if span:
            span.end()

    def _of_statement(self, text: str) -> trace.Span | None:
        if not trace.get_current_span().is_recording():
            return None
        told = shape(text)
        about = {"db.system.name": "postgresql", "db.query.text": told}
        return self._tracer.start_span(told.partition(" ")[0][:20], kind=SpanKind.CLIENT, attributes=about)


def _resource(service: str) -> Resource:
    """What spans say of this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES stand before `service`."""
    return Resource.create({SERVICE_NAME: service, **OTELResourceDetector().detect().attributes})


class _Traced:
    """An event on its way, and the span that ends with it."""

    def __init__(self, pending: Awaited, span: trace.Span) -> None:
        self._pending, self._span = pending, span

    def result(self, timeout: float) -> None:
        """As the event itself says."""
        try:
            self._pending.result(timeout)
        except Exception as error:
            _failed(self._span, error)
            raise
        self._span.end()


def _failed(span: trace.Span, error: BaseException) -> None:
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(Status(StatusCode.ERROR))
    span.end()


def _cleared(span: ReadableSpan) -> ReadableSpan:
    """The same span with nothing but what is on the list; a request is named by its route, never by its address."""
    attributes = _kept(span.attributes)
    of_request = (attributes[name] for name in (*METHOD, "http.route") if name in attributes)
    return ReadableSpan(
        name=" ".join(of_request) or "request" if span.kind is SpanKind.SERVER else span.name,
        context=_without_state(span.context), parent=_without_state(span.parent),
        resource=span.resource, attributes=attributes, kind=span.kind,
        events=[Event(one.name, _kept(one.attributes), one.timestamp) for one in span.events],
        status=Status(span.status.status_code), start_time=span.start_time, end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )  # fmt: skip


def _without_state(context: SpanContext | None) -> SpanContext | None:
    if context is None:
        return None
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def _kept(attributes: Any) -> dict[str, Any]:
    kept = {name: value for name, value in (attributes or {}).items() if name in KEPT}
    return {name: OTHER_METHOD if name in METHOD and value not in METHODS else value for name, value in kept.items()}
