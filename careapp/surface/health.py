"""Health: whether the process lives, and whether it can serve; for supervisors, without a sign-in."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from flask import Blueprint, Flask, Response, current_app, has_request_context, jsonify

from careapp.config import Settings
from careapp.db import db
from careapp.errors import Upstream
from careapp.operations.database_health import HEALTH, Answer, DatabaseHealth
from careapp.surface.actors import public
from careapp.surface.problems import problem

_ASKED_BEFORE = ContextVar("asked_before", default=False)

health = Blueprint("health", __name__)


def init_health(app: Flask, settings: Settings) -> None:
    """Watch the connections that requests have out. Call it when the database is connected."""
    with app.app_context():
        asked = settings.database_health_url
        app.extensions[HEALTH] = DatabaseHealth(db.engine, applies=_somebody_waits, address=asked)
        for name, engine in db.engines.items():
            if name is not None:
                app.extensions[f"{HEALTH}.{name}"] = DatabaseHealth(engine, applies=_somebody_waits, name=name)


@contextmanager
def asked_before_the_application() -> Iterator[None]:
    """Watch what this block has out as well: it asks the database for a request that Flask does not know yet."""
    token = _ASKED_BEFORE.set(True)
    try:
        yield
    finally:
        _ASKED_BEFORE.reset(token)


def _somebody_waits() -> bool:
    """Whether the present code answers a request: commands and jobs may have a connection for as long as they like."""
    return has_request_context() or _ASKED_BEFORE.get()


@health.get("/healthz")
@public
def alive() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@health.get("/readyz")
@public
def ready() -> Response:
    """Whether requests can be served: the database answers, and its schema is at least this code's.

    Asked beside the pool, so that neither can hold up the other, and answered within two seconds whatever the
    database does: 503 with a problem document while it cannot.
    """
    answer: Answer = current_app.extensions[HEALTH].ready()
    if answer is not Answer.READY:
        return problem(Upstream(f"Not ready: {answer.value}.", code="NOT_READY"))
    if not any((db.engine.pool.checkedin(), db.engine.pool.checkedout())):  # type: ignore[attr-defined]
        with db.engine.connect():  # the first connection of all is checked as it comes about
            pass
    return jsonify(status="ok")
