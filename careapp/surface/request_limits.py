"""Limits on requests: each actor has his own, and whoever is nobody yet shares one with his network address."""

from flask import Flask, current_app, request

from careapp.access import Actor
from careapp.config import Settings
from careapp.errors import TooMany
from careapp.identity.attempts import network_of
from careapp.identity.request_limits import Limiter
from careapp.telemetry.metrics import LIMITED

LIMITER = "careapp.limiter"
# An order of the identity provider to end sessions is checked by its signature and taken once; refused at a busy
# moment, it would leave somebody signed in.
UNCOUNTED = ("static", "health.alive", "health.ready", "backchannel.backchannel_logout")


def init_request_limits(app: Flask, settings: Settings) -> None:
    """Count the requests of this process."""
    app.extensions[LIMITER] = Limiter()

    @app.before_request
    def count_strangers() -> None:
        """What anybody may ask for is counted by address; the rest when it is known who asks."""
        view = current_app.view_functions.get(request.endpoint or "")
        if getattr(view, "public", False) and request.endpoint not in UNCOUNTED:
            spend_of_address()


def spend_of_actor(actor: Actor) -> None:
    """Count a request of somebody known. Raises TooMany. A program may do more in a minute than a person."""
    settings: Settings = current_app.config["SETTINGS"]
    program = actor.user_id is None
    limit = settings.rate_limit_service if program else settings.rate_limit_person
    _spend(f"actor:{actor.tenant_id}/{actor.name}", limit, kind="program" if program else "person")


def spend_of_address() -> None:
    """Count a request of nobody known from its network address. Raises TooMany."""
    settings: Settings = current_app.config["SETTINGS"]
    _spend(f"address:{network_of(request.remote_addr or '')}", settings.rate_limit_address, kind="address")


def _spend(subject: str, limit: int, *, kind: str) -> None:
    limiter: Limiter = current_app.extensions[LIMITER]
    try:
        limiter.spend(subject, limit)
    except TooMany:
        LIMITED.labels(kind).inc()
        raise
