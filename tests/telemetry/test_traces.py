"""Traces in parts: off costs nothing, and what is exported stands on a list, whoever recorded it."""

import json
import os
import subprocess
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from sqlalchemy import Integer, bindparam, literal_column, select, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from careapp import config
from careapp.db import db
from careapp.kept import keep
from careapp.outbox.senders import Sent
from careapp.surface import watching
from careapp.surface.headers import about_this
from careapp.telemetry import exporting, traces
from careapp.telemetry.exporting import Guarded
from tests.conftest import ROOT
from tests.database import TestDatabase
from tests.instance import shared_settings

MARK = "Xqzvspan"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Kept(SpanExporter):
    """Keeps what reaches it."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep the spans as JSON."""
        self.texts += [span.to_json() for span in spans]
        return SpanExportResult.SUCCESS


def test_nothing_that_is_not_on_the_list_leaves() -> None:
    kept, provider = Kept(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Guarded(kept)))
    caller = SpanContext(1, 2, True, TraceFlags(1), TraceState([("v", MARK)]))
    span = provider.get_tracer("x").start_span("GET /patients", set_span_in_context(NonRecordingSpan(caller)))
    for name in ("url.full", "url.query", "http.target", "user_agent.original", "client.address", "db.statement"):
        span.set_attribute(name, MARK)
    span.set_attribute("http.route", "/patients/<locator>")
    span.record_exception(ValueError(MARK))
    span.add_event("retried", {"what": MARK})
    span.set_status(Status(StatusCode.ERROR, MARK))
    span.end()
    [told] = kept.texts
    assert MARK not in told
    assert "/patients/<locator>" in told
    assert "ValueError" in told
    assert "ERROR" in told


@pytest.mark.parametrize(
    ("attributes", "name"),
    [({"http.method": "GET", "http.route": "/patients/<locator>"}, "GET /patients/<locator>"),
     ({"http.method": "GET"}, "GET"), ({"http.request.method": MARK}, "other"), ({}, "request")],
)  # fmt: skip
def test_a_request_is_named_by_its_route(attributes: dict[str, str], name: str) -> None:
    kept, provider = Kept(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Guarded(kept)))
    provider.get_tracer("x").start_span(f"GET /{MARK}", kind=SpanKind.SERVER, attributes=attributes).end()
    [told] = kept.texts
    assert json.loads(told)["name"] == name
    assert MARK not in told


def test_statements_are_told_whichever_way_they_go(slow_app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is kept, as it goes past SQLAlchemy; others of one row, of many, without values, and one that fails."""
    told = Kept()
    monkeypatch.setattr(exporting, "OTLPSpanExporter", lambda endpoint: told)
    monkeypatch.setattr(exporting.propagate, "set_global_textmap", lambda propagator: None)
    tracing = exporting.Tracing("http://collector", "careapp-test")
    kept = keep(select((literal_column("7") + bindparam("more", type_=Integer)).label("sum")))
    with slow_app.app_context():
        tracing.watch_statements(db.engine)
        db.session.connection()  # to make one asks for this and that
    with slow_app.app_context(), tracing.span("all of them"):
        assert db.session.execute(kept, {"more": 2}).scalar_one() == 9
        both = db.session.execute_each([(kept, {"more": 3}), (kept, {"more": 4})])
        assert [one.scalar_one() for one in both] == [10, 11]
        assert db.session.execute(text("SELECT 'kept' WHERE :more > 1"), {"more": 2}).scalar_one() == "kept"
        db.session.execute(text("SELECT set_config('app.x', :value, true)"), [{"value": "a"}, {"value": "b"}])
        raw = db.session.connection().connection.driver_connection
        assert raw is not None
        assert raw.pgconn.exec_(b"SELECT 1 FROM pg_prepared_statements WHERE name LIKE 'kept%'").ntuples == 1
        db.session.connection().exec_driver_sql("SELECT now()")
        with pytest.raises(DBAPIError):
            db.session.execute(text("SELECT 1 / CAST(:by AS int)"), {"by": 0})
        db.session.rollback()
    tracing.end()
    spans = [json.loads(one) for one in told.texts]
    assert [(one["attributes"].get("db.query.text"), one["attributes"].get("error.type")) for one in spans] == [
        ("SELECT ? + $1::INTEGER AS sum", None),
        ("SELECT ? + $1::INTEGER AS sum; SELECT ? + $1::INTEGER AS sum", None),
        ("SELECT ? WHERE %(more)s > ?", None),
        ("SELECT set_config(?, %(value)s, true)", None),
        ("SELECT now()", None),
        ("SELECT ? / CAST(%(by)s AS int)", "DivisionByZero"),
        (None, None),
    ]


def test_a_request_is_traced_from_its_first_step_on(
    slow_app: APIFlask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A forged form is refused by the last step before the view; who sent it was asked of the database there."""
    told = Kept()
    monkeypatch.setattr(exporting, "OTLPSpanExporter", lambda endpoint: told)
    monkeypatch.setattr(exporting.propagate, "set_global_textmap", lambda propagator: None)
    monkeypatch.setattr(traces, "_tracing", tracing := exporting.Tracing("http://collector", "careapp-test"))
    slow_app.config["SETTINGS"] = slow_app.config["SETTINGS"].model_copy(
        update={"otel_exporter_otlp_endpoint": "http://collector"}
    )
    watching.trace(slow_app)
    with capture_logs([merge_about]) as lines:
        answer = slow_app.test_client().post("/sign-in", data={})
    tracing.end()
    assert answer.status_code == 400
    [line] = [line for line in lines if line["event"] == "request"]
    spans = [json.loads(one) for one in told.texts]
    [request] = [one for one in spans if one["kind"] == "SpanKind.SERVER"]
    assert request["context"]["trace_id"] == f"0x{line['trace_id']}"
    assert [one["attributes"]["db.query.text"] for one in spans if one["parent_id"] == request["context"]["span_id"]]
    assert "span missing" not in caplog.text


def merge_about(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add what each line says of its request."""
    return {**event, **about_this()}


def test_off_nothing_of_opentelemetry_is_loaded(app: APIFlask, database: TestDatabase, tmp_path: Path) -> None:
    program = "import sys, wsgi; print(sorted(one for one in sys.modules if one.startswith('opentelemetry')))"
    environment = {**os.environ, **shared_settings(app, database, tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_off_there_is_no_trace_to_tell_of() -> None:
    assert traces.traceparent() is None
    assert traces.trace_id() is None
    with traces.span("nothing"):
        assert traces.traceparent() is None


def test_an_event_keeps_its_trace_where_the_relay_does_not_trace() -> None:
    sent: list[traces.Headers] = []
    traces.publication("care.x", PARENT, lambda headers: sent.append(headers) or Sent())
    assert sent == [[("traceparent", PARENT.encode())]]


@pytest.mark.parametrize(
    ("given", "named"),
    [({}, "careapp-web"), ({"OTEL_SERVICE_NAME": "ours"}, "ours"),
     ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs,site=north"}, "theirs")],
)  # fmt: skip
def test_an_operator_names_the_service(given: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    said = exporting._resource("careapp-web").attributes
    assert (said["service.name"], said.get("site")) == (named, "north" if named == "theirs" else None)


@pytest.mark.parametrize("address", ["collector:4318", "ftp://collector", "http://collector:4318?x=1"])
def test_an_address_that_is_none_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    with pytest.raises(SystemExit, match="OTEL_EXPORTER_OTLP_ENDPOINT is an address"):
        config.load()
