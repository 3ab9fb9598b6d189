"""Headers on every answer, errors included, the id each request is known by, and its line in the log."""

import time
from uuid import uuid4

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import BadRequest

from careapp.access import Actor
from careapp.audit.writer import request_id
from careapp.surface.json_input import is_storable
from careapp.telemetry.metrics import METHODS, OTHER_METHOD, count_request
from careapp.telemetry.traces import trace_id

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
OVER_HTTP = {**ALWAYS, "Cache-Control": "no-store"}  # static files say for themselves how long they may be kept
OVER_TLS = {**OVER_HTTP, "Strict-Transport-Security": "max-age=31536000; includeSubDomains"}

# What somebody gets who tries to get round a check: forged forms, limits, what nothing of ours sends (ASVS 5.0 16.3.3).
ATTEMPTS = frozenset({
    "FOREIGN_SITE", "FORGED_FORM", "MALFORMED_REQUEST", "RATE_LIMITED", "REQUEST_TIMEOUT", "TOO_LARGE",
    "UNTRUSTED_HOST",
})  # fmt: skip
UNLOGGED = ("static", "health.alive", "health.ready")  # asked all the time, and of no interest

_log = structlog.get_logger()


def init_headers(app: Flask) -> None:
    """Number each request, refuse an address no database could be asked about, and tell of each answer."""

    @app.before_request
    def number() -> None:
        g.started, g.refused = time.perf_counter(), None
        request_id.set(uuid4().hex)
        if request.url_rule is not None and not is_storable(request.path):
            raise BadRequest("The address holds NUL or half a character.")

    @app.after_request
    def note(response: Response) -> Response:
        if request.endpoint not in UNLOGGED:
            route = request.url_rule.rule if request.url_rule else None
            seconds = time.perf_counter() - g.started if "started" in g else None
            tell(route, request.method, response.status_code, seconds, g.get("actor"))
            # What was refused before it had a number took no time.
            count_request(route, request.method, response.status_code, seconds or 0.0)
        if g.get("refused") in ATTEMPTS:
            _log.warning("attempt", refused=g.refused, request_id=request_id.get())
        return response


def protected(headers: list[tuple[str, str]], *, secure: bool) -> list[tuple[str, str]]:
    """The headers of an answer as the server gets them, with those that protect it, of which it may have its own.

    Each that Werkzeug is given before, it looks at several times, which was a fortieth of a booking.
    """
    there = {name.lower() for name, _ in headers}
    wanted = OVER_TLS if secure else OVER_HTTP
    more = (one for one in wanted.items() if one[0].lower() not in there)
    return [*headers, *more, ("X-Request-Id", request_id.get() or "")]


def about_this() -> dict[str, str | None]:
    """What every line of the log says of the request it belongs to."""
    return {"request_id": request_id.get(), "trace_id": trace_id()}


def tell(route: str | None, method: str, status: int, seconds: float | None, actor: Actor | None) -> None:
    """Write one line about a request. The route is as declared, never the address as sent, which may name a patient."""
    _log.info(
        "request",
        method=method if method in METHODS else OTHER_METHOD,  # as sent it may be anything
        route=route,
        status=status,
        milliseconds=None if seconds is None else round(seconds * 1000, 1),
        request_id=request_id.get(),
        tenant=actor.tenant_key if actor else None,
        actor=actor.name if actor else None,
    )
