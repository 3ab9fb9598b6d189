"""The OpenAPI 3.1 document of the API, and a page to read it on."""

import re
from typing import Any

from apiflask import APIFlask
from flask import Blueprint, Response, current_app, jsonify, render_template

from careapp.api.credentials import HOW_SIGNED, SIGNED, TOKENS, with_credentials
from careapp.api.document import body_fields, complete, named
from careapp.surface.actors import public, token_scopes

docs = Blueprint("docs", __name__, url_prefix="/api")

ABOUT = f"""Clinic application: episodes of care with appointments, prescriptions and referrals.

Lists are `{{"items": […], "nextCursor": null}}`; a cursor is good for its list with the same filters.
Times are RFC 3339 with an offset. Every 201 has `Location`; what can be changed has an `ETag`. Errors are problem
documents.

An operation takes a bearer token. {TOKENS}

A token may be narrowed: its claim `scope` names scopes with blanks between them, and an operation it does not reach
answers 403 `INSUFFICIENT_SCOPE`. A token without the claim may do all that its roles allow.
While an organisation is suspended, every operation answers its tokens 403 `TENANT_SUSPENDED`, and serves them after.

Events are read from Kafka: drop repeats by `id`; within a topic ignore a `sequence` that is not above the last one seen
for the key; events of one episode in different topics can cross."""
TAGS = {
    "Episodes": "Courses of care: everything else stands inside one.",
    "Appointments": "Places in slots, and what becomes of them.",
    "Slots": "Times that providers offer.",
    "Prescriptions": "Medicines ordered.",
    "Referrals": "Laboratory, imaging and specialists.",
    "Patients": "The people under care.",
    "Providers": "Who treats, and whether they take part in the network.",
    "Clinics": "Where care happens.",
    "Internal": "For the member portal: a signed request, or X-Internal-Token, instead of a token.",
}


def init_openapi(app: APIFlask) -> None:
    """Describe the document's frame; the operations describe themselves."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        DESCRIPTION=ABOUT,
        TAGS=[{"name": name, "description": description} for name, description in TAGS.items()],
        SERVERS=[{"url": "/"}],  # else the first request's Host would stand in everybody's document
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_OPERATION_ID=True,
    )

    def completed(document: dict[str, Any]) -> dict[str, Any]:
        issuer = app.config["SETTINGS"].own_issuer
        return with_credentials(complete(document, scopes(app)), token_scopes(app), issuer)

    app.spec_processor(completed)  # type: ignore[arg-type]


def scopes(app: APIFlask) -> dict[tuple[str, str], str]:
    """The scope of each operation, by path and method as the document writes them: what its guard asks for."""
    return {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower()): scope
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if (scope := getattr(app.view_functions[rule.endpoint], "scope", None))
    }


@docs.get("/openapi.json")
@public
def openapi() -> Response:
    """The OpenAPI document."""
    return jsonify(current_app.spec)  # type: ignore[attr-defined]


@docs.get("/docs")
@public
def readable() -> str:
    """The same document as a page."""
    document = current_app.spec  # type: ignore[attr-defined]
    return render_template(
        "docs/openapi.html",
        document=document, operations=operations_by_tag(document), body_fields=body_fields, answer_of=answer_of,
        how_signed=HOW_SIGNED, signed=SIGNED,
    )  # fmt: skip


def operations_by_tag(document: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    """The document's operations as (path, method, operation), under each of its tags."""
    found: dict[str, list[tuple[str, str, dict[str, Any]]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            if method != "parameters":
                whole = {**operation, "parameters": operations.get("parameters", []) + operation["parameters"]}
                found[operation["tags"][0]].append((path, method, whole))
    return found


def answer_of(document: dict[str, Any], operation: dict[str, Any]) -> tuple[str, str, list[str]]:
    """What an operation answers when it is done: status, name of the schema, and its fields."""
    [(status, answer)] = [(code, one) for code, one in operation["responses"].items() if code.startswith("2")]
    schema = answer["content"]["application/json"]["schema"]
    fields = named(document["components"]["schemas"], schema)["properties"]
    return status, schema["$ref"].rsplit("/", 1)[-1], list(fields)
