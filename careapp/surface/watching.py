"""Watching a web worker: its figures of the moment, the other workers, the listener for who watches from outside."""

import json
from functools import partial

from flask import Flask

from careapp.config import Settings
from careapp.db import db
from careapp.operations.database_health import HEALTH, DatabaseHealth
from careapp.operations.database_health import Answer as Readiness
from careapp.providers.port import ProviderService
from careapp.surface.headers import UNLOGGED
from careapp.surface.provider_port import PORT
from careapp.telemetry import metrics
from careapp.telemetry.listener import METRICS, Answer, figures_of, serve
from careapp.telemetry.statements import look_at_pools
from careapp.telemetry.traces import begin as begin_traces
from careapp.telemetry.traces import end_with_process, of_statements
from careapp.telemetry.workers import Worker, begin

UNTRACED = "/healthz$,/readyz$,/static/"


def watch(app: Flask, worker: Worker) -> None:
    """Begin to watch, when the worker is about to serve.

    Where `METRICS_PORT` is set, one worker at a time answers there: the figures of all of them, and readiness, which is
    told there however busy the threads are that serve requests.
    """
    metrics.expect_requests(counted_routes(app))
    settings: Settings = app.config["SETTINGS"]
    health: DatabaseHealth = app.extensions[HEALTH]
    answers = {METRICS: partial(figures_of, worker), "/readyz": partial(ready, health)}
    listen = partial(serve, settings.metrics_host, settings.metrics_port, answers) if settings.metrics_port else None
    begin(worker, partial(look, app, worker, health), listen)


def counted_routes(app: Flask) -> list[tuple[str, str]]:
    """Each route whose requests are counted, with each method it declares itself."""
    return [
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in UNLOGGED
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def trace(app: Flask) -> None:
    """Trace requests and their statements, where the settings say whereto."""
    tracing = begin_traces(app.config["SETTINGS"], "careapp-web")
    if tracing is None:
        return
    end_with_process()
    from opentelemetry.instrumentation.flask import FlaskInstrumentor  # here: off, nothing of it is loaded

    instrument = FlaskInstrumentor().instrument_app
    instrument(app, tracer_provider=tracing.provider, excluded_urls=UNTRACED)  # type: ignore[no-untyped-call]
    hooks = app.before_request_funcs[None]
    hooks.insert(0, hooks.pop())  # what was refused or asked of the database before it began would be in no trace
    with app.app_context():
        for engine in db.engines.values():
            of_statements(engine)


def look(app: Flask, worker: Worker, health: DatabaseHealth) -> None:
    """Take the figures of this moment, and end workers that stand still."""
    with app.app_context():
        look_at_pools(db.engines.values())
    metrics.DATABASE_AWAY.set(health.away)
    provider: ProviderService | None = app.extensions[PORT]
    if provider is not None:
        metrics.BREAKER_OPEN.labels("provider").set(provider.breaker_open)
    metrics.WORKERS.set(1)
    metrics.WORKERS_ENDED.inc(worker.end_those_that_stand_still())


def ready(health: DatabaseHealth) -> Answer:
    """Whether requests can be served, as `/readyz` of the application tells it."""
    answer = health.ready()
    body = json.dumps({"status": "ok" if answer is Readiness.READY else answer.value})
    return 200 if answer is Readiness.READY else 503, "application/json", body.encode()
