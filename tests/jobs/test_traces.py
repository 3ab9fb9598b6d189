"""Traces, with real processes: a booking over HTTP is one trace over web, SQL and Kafka. No span names a patient."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiflask import APIFlask
from kafka import KafkaConsumer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bench.servers import end_group
from careapp.access import Actor
from careapp.surface.tokens import own_token
from tests import factories as make
from tests.conftest import ROOT
from tests.database import TestDatabase
from tests.instance import Instance, shared_settings
from tests.jobs.relays import PATIENCE_SECONDS, wait_until

MARK, BORN = "Xqzvtraced", "1903-04-07"
PERSON = {
    "name": {"family": f"{MARK}family", "given": [f"{MARK}given"]}, "birthDate": BORN, "gender": "female",
    "telecom": [{"system": "phone", "value": "5550109977"}],
}  # fmt: skip
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
BOOKED = "care.appointment.booked"


# Of each kind of connection that jobs have, a statement that must be told under the job: the relay's own, the sealer's,
# those of upkeep and partitions, and the engine's.
PARTS_OF_JOBS = {
    "job outbox": "DELETE FROM outbox WHERE shard = %s", "job audit seals": "SELECT id, key FROM tenants",
    "job outbox retention": "drop_sent_days", "job partitions": "make_partitions", "job request limits": "DELETE FROM",
}  # fmt: skip


class Collector:
    """Takes traces as a collector does (OTLP over HTTP), and keeps them."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        taken = self.bodies

        class Handler(BaseHTTPRequestHandler):
            """Keeps what is sent."""

            def do_POST(self) -> None:
                """One export."""
                taken.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()

    def spans(self, trace: str | None = None) -> list[Span]:
        """All spans so far, or those of one trace."""
        return [
            span
            for body in list(self.bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if trace is None or span.trace_id.hex() == trace
        ]

    def named(self, name: str, trace: str | None = None) -> list[Span]:
        """The spans of a name."""
        return [span for span in self.spans(trace) if span.name == name]


def told(span: Span) -> dict[str, str]:
    """The attributes of a span as texts."""
    return {one.key: one.value.string_value or str(one.value.int_value) for one in span.attributes}


def statements_of(collector: Collector, job: str) -> list[str]:
    """The statements told so far as a part of a job."""
    runs = {span.span_id for span in collector.named(job)}
    return [told(span).get("db.query.text", "") for span in collector.spans() if span.parent_span_id in runs]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector for one test."""
    with closing(Collector()) as made:
        yield made


@pytest.fixture
def web(
    app: APIFlask, database: TestDatabase, collector: Collector, kafka_address: str, topics_made: None, tmp_path: Path
) -> Iterator[Instance]:
    """A web process and a jobs process that trace."""
    environment = {
        **shared_settings(app, database, tmp_path), "DATABASE_RELAY_URL": database.relay,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_address, "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server.server_address[1]}",
    }  # fmt: skip
    with ExitStack() as ending:
        made = Instance(environment, tmp_path / "web.log")
        ending.callback(end_group, made.process)
        with (tmp_path / "jobs.log").open("wb") as log:
            jobs = subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "wsgi", "jobs"], cwd=ROOT, start_new_session=True,
                env={**os.environ, **environment}, stdout=log, stderr=log,
            )  # fmt: skip
        ending.callback(end_group, jobs)
        yield made


def work_on_a_patient(client: httpx.Client, slot: str) -> httpx.Response:
    """Register, search, refuse, fail and at last book, with marked texts wherever a request has room for them."""
    patient = client.post("/patients", json=PERSON).raise_for_status().json()["locator"]
    client.post("/patients/search", json={"name": f"{MARK}family", "birthDate": BORN}).raise_for_status()
    asked = {"partyLocator": patient, "careType": "GP", "reason": f"{MARK} reason"}
    episode = client.post("/episodes", json=asked).raise_for_status().json()["locator"]
    client.get(f"/patients/{MARK}", params={"name": MARK}, headers={"User-Agent": MARK, "X-Forwarded-For": MARK})
    client.get(f"{client.base_url.copy_with(path='/')}{MARK}?name={MARK}")
    client.request(MARK.upper(), "/episodes")
    return client.post(
        f"/episodes/{episode}/appointments",
        json={"slotLocator": slot, "reason": f"{MARK} why", "notes": f"{MARK} notes"},
        headers={"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": f"v={MARK}", "baggage": f"name={MARK}"},
    ).raise_for_status()


def test_one_booking_is_one_trace_from_web_to_kafka_and_names_nobody(
    app: APIFlask, speaker: Actor, collector: Collector, web: Instance, kafka_address: str, tmp_path: Path
) -> None:
    token, slot = own_token(speaker, app.config["SETTINGS"]), make.a_slot(speaker).locator
    with httpx.Client(
        base_url=f"http://127.0.0.1:{web.port}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60
    ) as client:
        appointment = work_on_a_patient(client, slot).json()["locator"]
    wait_until(lambda: bool(collector.named(f"send {BOOKED}", TRACE)))
    for job, part in PARTS_OF_JOBS.items():
        wait_until(lambda job=job, part=part: part in str(statements_of(collector, job)))
    [request] = [span for span in collector.spans(TRACE) if span.kind == Span.SPAN_KIND_SERVER]
    assert request.name == "POST /api/v1/episodes/<locator>/appointments"
    assert request.parent_span_id.hex() == CALLER
    statements = [told(span) for span in collector.spans(TRACE) if span.parent_span_id == request.span_id]
    assert any("INSERT INTO audit_event" in one.get("db.query.text", "") for one in statements), statements
    assert not any("'" in one.get("db.query.text", "") for one in statements)
    [sending] = collector.named(f"send {BOOKED}", TRACE)
    assert sending.kind == Span.SPAN_KIND_PRODUCER
    assert sending.parent_span_id == request.span_id
    message = kafka_message(kafka_address, speaker.tenant_key, appointment)
    assert dict(message.headers)["traceparent"] == f"00-{TRACE}-{sending.span_id.hex()}-01".encode()
    assert f'"traceparent": "00-{TRACE}-{request.span_id.hex()}-01"' in message.value.decode()
    assert f"trace_id={TRACE}" in (tmp_path / "web.log").read_text()
    exported = b"".join(collector.bodies)
    assert b"INSERT INTO patients" in exported, "what was looked through is what was traced"
    for mark in (MARK, MARK.upper(), BORN, "5550109977", token):
        assert mark.encode() not in exported, mark


def kafka_message(address: str, tenant: str, subject: str) -> Any:
    """The message that tells of a booking; another tenant's may have the same number, in another database."""
    consumer = KafkaConsumer(
        BOOKED, bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=PATIENCE_SECONDS * 1000
    )
    with closing(consumer):
        said = [f'"{word}"'.encode() for word in (tenant, subject)]
        return next(message for message in consumer if all(word in message.value for word in said))


def test_what_a_web_process_has_traced_leaves_before_it_ends(
    app: APIFlask, database: TestDatabase, collector: Collector, tmp_path: Path
) -> None:
    """Else each rollout lost the last seconds of every worker."""
    environment = {
        **shared_settings(app, database, tmp_path), "OTEL_BSP_SCHEDULE_DELAY": "600000",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server.server_address[1]}",
    }  # fmt: skip
    web = Instance(environment, tmp_path / "web.log")
    try:
        assert httpx.get(f"http://127.0.0.1:{web.port}/sign-in").status_code == 200
        assert collector.named("GET /sign-in") == []
        web.process.terminate()
        web.process.wait(PATIENCE_SECONDS)
    finally:
        end_group(web.process)
    assert len(collector.named("GET /sign-in")) == 1
