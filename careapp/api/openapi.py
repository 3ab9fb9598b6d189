"""The OpenAPI 3.1 document of the API, and a page to read it on."""

from typing import Any

from apiflask import APIFlask
from flask import Blueprint, Response, current_app, jsonify, render_template

from careapp.surface.actors import public

docs = Blueprint("docs", __name__, url_prefix="/api")

PROBLEMS = {
    "400": "The request cannot be read: broken JSON, or text that cannot be stored.",
    "401": "No valid token, or no valid service credential.",
    "403": "The role does not allow it.",
    "404": "There is no such thing for this actor.",
    "409": "The present state refuses it: a taken slot, an illegal move, a stale version.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "422": "Fields break a rule; each is named.",
    "428": "A change came without the version it was based on.",
    "503": "Something this depends on does not answer.",
}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem document (RFC 9457); `code` is for programs, `detail` for people.",
    "required": ["type", "title", "status", "detail", "code", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "alternatives": {
            "type": "array",
            "description": "The next three slots that could be booked instead.",
            "items": {"$ref": "#/components/schemas/SlotView"},
        },
        "openWork": {"type": "array", "description": "What keeps an episode open.", "items": {"type": "object"}},
        "current": {"type": ["string", "null"], "description": "The state the thing is in now."},
        "blocking": {"type": "string", "description": "The appointment that stands in the way."},
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "description": "The same key and body again give the first answer again, for 24 hours.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$", "minLength": 1, "maxLength": 255},
}  # fmt: skip
IF_MATCH = {
    "name": "If-Match", "in": "header", "required": False,
    "description": "The ETag of the version the change is based on; `version` in the body does the same.",
    "schema": {"type": "string", "pattern": '^"[1-9][0-9]{0,8}"$'},
}  # fmt: skip
ABOUT = """Clinic application: episodes of care with appointments, prescriptions and referrals.

Lists are `{"items": […], "nextCursor": null}`. Times are RFC 3339 with an offset. Every 201 has `Location`; what can be
changed has an `ETag`. Errors are problem documents. Events are read from Kafka: drop repeats by `id`; within a topic
ignore a `sequence` that is not above the last one seen for the key; events of one episode in different topics can cross."""


def init_openapi(app: APIFlask) -> None:
    """Describe the document's frame; the operations describe themselves."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        DESCRIPTION=ABOUT,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_OPERATION_ID=True,
        SECURITY_SCHEMES={
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "internalToken": {"type": "apiKey", "in": "header", "name": "X-Internal-Token"},
        },
    )
    app.spec_processor(complete)  # type: ignore[arg-type]


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to every operation what all have in common: security, problem answers, headers."""
    document["components"]["schemas"]["Problem"] = PROBLEM
    for operations in document["paths"].values():
        for method, operation in operations.items():
            if method != "parameters":
                _complete_operation(method, operation, document["components"]["schemas"])
    return document


def _complete_operation(method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    operation.setdefault("security", [{"bearer": []}])
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, description in PROBLEMS.items():
        operation["responses"].setdefault(status, {"description": description, "content": content})
    optional = operation.pop("x-version-optional", None)
    if method == "post":
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    elif method == "patch":
        operation.setdefault("parameters", []).append(IF_MATCH)
    if method == "patch" and optional is False:
        operation["description"] = "Needs a version, as If-Match or in the body: without one the answer is 428."
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if body:
        name = body.get("$ref", "").rsplit("/", 1)[-1]
        operation["requestBody"]["required"] = bool(schemas.get(name, body).get("required"))


@docs.get("/openapi.json")
@public
def openapi() -> Response:
    """The OpenAPI document."""
    return jsonify(current_app.spec)  # type: ignore[attr-defined]


@docs.get("/docs")
@public
def readable() -> str:
    """The same document as a page."""
    return render_template(
        "docs/openapi.html",
        document=current_app.spec,  # type: ignore[attr-defined]
        operations_by_tag=operations_by_tag,
        body_fields=body_fields,
    )


def operations_by_tag(document: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    """The document's operations as (path, method, operation), under the first tag of each."""
    found: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                whole = {**operation, "parameters": operations.get("parameters", []) + operation.get("parameters", [])}
                found.setdefault(operation["tags"][0], []).append((path, method, whole))
    return found


def body_fields(document: dict[str, Any], operation: dict[str, Any]) -> list[tuple[str, dict[str, Any], bool]]:
    """The fields of an operation's body as (name, schema, needed); none where it takes no body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = document["components"]["schemas"].get(content.get("$ref", "").rsplit("/", 1)[-1], content)
    return [(name, field, name in schema.get("required", [])) for name, field in schema.get("properties", {}).items()]
