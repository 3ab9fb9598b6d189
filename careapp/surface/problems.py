"""Refusals as problem documents (RFC 9457), for every surface that speaks JSON."""

import json
from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from flask import Response, current_app, g, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, SecurityError

from careapp.audit.writer import request_id
from careapp.errors import InsufficientScope, Invalid, Refusal, TooMany, Upstream
from careapp.operations.database_health import HEALTH, Answer
from careapp.telemetry.metrics import count_refusal

JSON_PATHS = ("/api/", "/internal/", "/fhir/", "/oauth/", "/.well-known/")
UNTRUSTED_HOST = "The request names a host that is not this installation."
CONTENT_TYPE = "application/problem+json"

_CODES = {
    400: "MALFORMED_REQUEST",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
}
_log = structlog.get_logger()


def speaks_json(path: str) -> bool:
    """Whether an address belongs to a surface that answers refusals as problem documents."""
    return path.startswith(JSON_PATHS)


def problem_of(error: Exception) -> Response:
    """The answer to any error: what a refusal says, or, for a fault, only an id that the log knows too."""
    if isinstance(error, HTTPException) and error.response is not None:
        return error.response  # type: ignore[return-value]
    if isinstance(error, HTTPException) and (error.code or 500) < 500:
        return _of_http(error)
    return problem(error if isinstance(error, Refusal) else fault(error))


def fault(error: Exception) -> Refusal:
    """What to say of an error nobody foresaw; a database that is away or overloaded is worth another try."""
    away = isinstance(error, PoolTimeout | OperationalError) or getattr(error, "connection_invalidated", False)
    if away:
        _log.warning("database away", request_id=request_id.get(), error=type(getattr(error, "orig", error)).__name__)
        return Upstream("The database does not answer right now. Nothing was changed. Try again in a moment.")
    if _is_of_an_older_schema(error):
        _log.warning("database waits for its migrations", request_id=request_id.get())
        return Upstream(
            "The database waits for its migrations. Nothing was changed. Try again later.", code="NOT_READY"
        )
    _log.error("fault", request_id=request_id.get(), exc_info=error)
    number = request_id.get()
    unforeseen = Refusal(f"Something went wrong here. Tell support the number {number}.", code="INTERNAL_ERROR")
    unforeseen.status = 500
    return unforeseen


def _is_of_an_older_schema(error: Exception) -> bool:
    """Whether a statement names what the schema has not got yet; the database is asked only where one failed."""
    if not isinstance(getattr(error, "orig", error), psycopg.ProgrammingError):
        return False
    return current_app.extensions[HEALTH].ready() is Answer.OLD_SCHEMA


def problem(refusal: Refusal) -> Response:
    """A refusal as a problem document: type, title, status, detail, code, errors, and what else it carries."""
    g.refused = refusal.code  # for the log
    count_refusal(refusal)
    errors = [{"field": field, "detail": detail} for field, detail in getattr(refusal, "errors", {}).items()]
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "errors": errors,
        **refusal.extra,
    }
    response = Response(json.dumps(document), refusal.status, content_type=CONTENT_TYPE)
    if isinstance(refusal, TooMany):
        response.headers["Retry-After"] = str(refusal.retry_after)
    elif refusal.status == 503 or refusal.code == "BUSY":
        response.headers["Retry-After"] = "2"
    elif refusal.status == 401:
        response.headers["WWW-Authenticate"] = _challenge()
    elif isinstance(refusal, InsufficientScope):
        response.headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{refusal.scope}"'
    return response


def _challenge() -> str:
    """How to say who one is (RFC 9110 §11.6.1), and whether a token came that is no good (RFC 6750 §3.1)."""
    if request.path.startswith("/internal/"):
        return 'ServiceCredential header="X-Internal-Token"'
    return 'Bearer error="invalid_token"' if "Authorization" in request.headers else "Bearer"


def code_of(error: HTTPException) -> str:
    """The code for programs of one of Werkzeug's own errors."""
    return _CODES.get(error.code or 500, HTTPStatus(error.code or 500).name)


def _of_http(error: HTTPException) -> Response:
    """One of Werkzeug's own errors, with its headers (Allow) and a code of ours."""
    status = error.code or 500
    named = UNTRUSTED_HOST if isinstance(error, SecurityError) else error.description  # the library's repeats the Host
    if named == RequestEntityTooLarge.description:
        named = f"The body is too large: up to {request.max_content_length:,} bytes are taken."
    detail = str(named or "").split("\n")[0]
    refusal = Invalid({}) if status == 422 else Refusal(detail)
    refusal.status, refusal.code = status, code_of(error)
    response = problem(refusal)
    for name, value in error.get_headers(request.environ):
        if name.lower() != "content-type":
            response.headers[name] = value
    return response
