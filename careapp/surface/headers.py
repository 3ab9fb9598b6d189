"""Headers on every answer, errors included, and the id each request is known by in logs and audit."""

from uuid import uuid4

from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest

from careapp.audit.writer import request_id
from careapp.surface.json_input import is_storable

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


def init_headers(app: Flask) -> None:
    """Number each request, refuse an address no database could be asked about, and protect each answer."""

    @app.before_request
    def number() -> None:
        request_id.set(uuid4().hex)
        if request.url_rule is not None and not is_storable(request.path):
            raise BadRequest("The address holds NUL or half a character.")

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in ALWAYS.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = request_id.get() or ""
        if request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response
