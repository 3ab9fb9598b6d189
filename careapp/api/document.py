"""The parts of the OpenAPI document that operations have in common, and a tidy form of what is generated."""

import re
from typing import Any

PROBLEMS = {
    "400": "The request cannot be read: broken JSON, or text that cannot be stored.",
    "401": "No valid token, or no valid service credential.",
    "403": "The role does not allow it, the token's scopes do not reach it, the record is restricted, or the"
    " organisation is suspended: `code` says which.",
    "404": "There is no such thing for this actor.",
    "409": "The present state refuses it: a taken slot, an illegal move, a stale version.",
    "411": "The body comes in chunks; send it with Content-Length.",
    "413": "The body is too large: more than a megabyte.",
    "415": "The body is not application/json.",
    "422": "Fields or parameters break a rule; each is named.",
    "428": "A change came without the version it was based on.",
    "429": "Too many requests in a minute, or too many wrong credentials from one network address.",
    "503": "Something this depends on does not answer.",
}
CODES = {
    "400": ("MALFORMED_REQUEST",),
    "401": ("UNAUTHENTICATED",),
    "403": ("FORBIDDEN", "INSUFFICIENT_SCOPE", "RESTRICTED", "TENANT_SUSPENDED"),
    "404": ("NOT_FOUND",),
    "409": (
        "BUFFER_VIOLATION", "BUSY", "EPISODE_HAS_OPEN_WORK", "EPISODE_NOT_OPEN", "ILLEGAL_TRANSITION",
        "NOTHING_TO_UNDO", "NPI_TAKEN", "PATIENT_BUSY", "PATIENT_ERASED", "PROVIDER_NOT_PARTICIPATING", "SLOT_OVERLAP",
        "SLOT_UNAVAILABLE", "STALE_VERSION",
    ),
    "411": ("LENGTH_REQUIRED",),
    "413": ("TOO_LARGE",),
    "415": ("UNSUPPORTED_MEDIA_TYPE",),
    "422": ("VALIDATION_FAILED", "IDEMPOTENCY_KEY_REUSED"),
    "428": ("VERSION_REQUIRED",),
    "429": ("RATE_LIMITED",),
    "503": ("UPSTREAM_UNAVAILABLE", "OUTCOME_UNKNOWN", "NOT_READY"),
}  # fmt: skip
ALWAYS, WITH_LOCATOR, WITH_BODY = ("400", "401", "403", "422", "429", "503"), ("404",), ("409", "411", "413", "415")
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem document (RFC 9457); `code` is for programs, `detail` for people.",
    "required": ["type", "title", "status", "detail", "code", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "examples": [code for codes in CODES.values() for code in codes]},
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
            "description": "Up to three slots from that time on that could be booked instead: the provider's next,"
            " and where he has too few, those of others of his specialty within two weeks.",
            "items": {"$ref": "#/components/schemas/SlotView"},
        },
        "openWork": {
            "type": "array",
            "description": "What keeps an episode open.",
            "items": {
                "type": "object",
                "required": ["kind", "locator", "status"],
                "properties": {name: {"type": "string"} for name in ("kind", "locator", "status")},
            },
        },
        "partyLocator": {"type": "string", "description": "Whose record is restricted."},
        "current": {"type": ["string", "null"], "description": "The state the thing is in now."},
        "blocking": {"type": "string", "description": "The appointment that stands in the way."},
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "description": "For 24 hours the same key of the same client with the same request, byte for byte, gives the first"
    " answer again, a 403, 404 or 409 included; with another request 422 `IDEMPOTENCY_KEY_REUSED`. A request refused by"
    " 400, 401, 422 or 428 uses no key up.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$", "minLength": 1, "maxLength": 255},
}  # fmt: skip
IF_MATCH = {
    "name": "If-Match", "in": "header", "required": False,
    "description": "The ETag of the version the change is based on; `version` in the body does the same.",
    "schema": {"type": "string", "pattern": '^"[1-9][0-9]{0,8}"$'},
}  # fmt: skip
ETAG = {
    "description": "The version, for If-Match. It is that of the thing itself: an episode's stage, and what stands"
    " inside an episode, change without it, so it tells no cache whether the answer is the same.", "required": True,
    "schema": {"type": "string", "pattern": '^"[1-9][0-9]*"$'},
}  # fmt: skip
LOCATION = {
    "description": "Where the new thing is found.", "required": True,
    "schema": {"type": "string", "format": "uri-reference"},
}  # fmt: skip
RETRY_AFTER = {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer", "minimum": 1}}
IF_BUSY = {**RETRY_AFTER, "description": "Seconds to wait, with code BUSY.", "required": False}
CHALLENGE = {"description": "How to say who you are.", "required": True, "schema": {"type": "string"}}
HEADERS = {
    "401": {"WWW-Authenticate": CHALLENGE}, "409": {"Retry-After": IF_BUSY}, "429": {"Retry-After": RETRY_AFTER},
    "503": {"Retry-After": RETRY_AFTER},
}  # fmt: skip
PREFIXES = {
    "episodes": "EPI", "appointments": "APT", "slots": "SLT", "prescriptions": "RXP", "referrals": "REF",
    "providers": "PRV", "clinics": "CLN", "patients": "PTY", "members": "PTY",
}  # fmt: skip


def complete(document: dict[str, Any], scopes: dict[tuple[str, str], str]) -> dict[str, Any]:
    """Tidy the generated document, and add to every operation what all have in common, and its scope."""
    components = document["components"]
    components["schemas"] = {name.rsplit(".", 1)[-1]: schema for name, schema in components["schemas"].items()}
    document = tidy(document)
    components = document["components"]
    components["schemas"]["Problem"] = PROBLEM
    components["responses"] = {f"Problem{status}": _problem(status) for status in PROBLEMS}
    for path, operations in document["paths"].items():
        shared = operations.get("parameters", [])
        for method, operation in operations.items():
            if method != "parameters":
                operation.setdefault("security", [{"bearer": [scopes[path, method]]}])
                _complete_operation(path, method, operation, [*shared, *operation["parameters"]], components["schemas"])
    return document


def tidy(part: Any) -> Any:
    """A copy without generated titles, with one schema a model, and with descriptions in a reader's words."""
    if isinstance(part, list):
        return [tidy(item) for item in part]
    if not isinstance(part, dict):
        return part
    copy = {name: tidy(value) for name, value in part.items() if not _generated_title(name, value, part)}
    if isinstance(copy.get("$ref"), str):
        copy["$ref"] = re.sub(r"(#/components/schemas/)(?:\w+\.)+", r"\1", copy["$ref"])
    if isinstance(copy.get("description"), str):
        copy["description"] = re.sub(r"\bNone\b", "null", re.sub(r" \(design §\d+\)", "", copy["description"]))
    return copy


def _generated_title(name: str, value: Any, part: dict[str, Any]) -> bool:
    """Whether this is a title that pydantic made up from a name; the document's own stands beside its version."""
    return name == "title" and isinstance(value, str) and "version" not in part


def body_fields(document: dict[str, Any], operation: dict[str, Any]) -> list[tuple[str, dict[str, Any], bool]]:
    """The fields of an operation's body as (name, schema, needed); none where it takes no body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = named(document["components"]["schemas"], content)
    return [(name, field, name in schema.get("required", [])) for name, field in schema.get("properties", {}).items()]


def named(schemas: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema a reference points at, or the schema itself."""
    found: dict[str, Any] = schemas.get(schema.get("$ref", "").rsplit("/", 1)[-1], schema)
    return found


def _problem(status: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    headers = HEADERS.get(status)
    codes = ", ".join(f"`{code}`" for code in CODES[status])
    return {
        "description": f"{PROBLEMS[status]} Codes: {codes}.",
        "content": content,
        **({"headers": headers} if headers else {}),
    }


def _complete_operation(
    path: str, method: str, operation: dict[str, Any], parameters: list[dict[str, Any]], schemas: dict[str, Any]
) -> None:
    operation["operationId"] = operation["operationId"].removeprefix(f"{method}_").removeprefix("api_")
    for parameter in parameters:
        _describe_parameter(path, parameter)
    statuses = [*ALWAYS, *(WITH_LOCATOR if "{" in path else ()), *(WITH_BODY if "requestBody" in operation else ())]
    needs_version = operation.pop("x-version-optional", None) is False
    if needs_version:
        statuses.append("428")
        operation["description"] = (
            f"{operation.get('description', '')} Needs a version, in If-Match or in the body: 428 without one.".strip()
        )
    for status in sorted(statuses):
        operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}
    if method != "get":
        operation["parameters"] += [IDEMPOTENCY_KEY] if method == "post" else [IDEMPOTENCY_KEY, IF_MATCH]
        body = named(schemas, operation["requestBody"]["content"]["application/json"]["schema"])
        operation["requestBody"]["required"] = bool(body.get("required"))
    _describe_success(operation["responses"], schemas)


def _describe_parameter(path: str, parameter: dict[str, Any]) -> None:
    """Say what a locator looks like, and drop the null that no address can hold."""
    if parameter["in"] == "path":
        prefix = PREFIXES[path.split("/{")[0].rsplit("/", 1)[-1]]
        parameter["description"] = f"A locator such as {prefix}-2026-000042."
        parameter["schema"] = {"type": "string", "pattern": f"^{prefix}-[0-9]{{4}}-[0-9]{{6,20}}$"}
    elif "anyOf" in parameter["schema"]:
        [parameter["schema"]] = [one for one in parameter["schema"]["anyOf"] if one != {"type": "null"}]


def _describe_success(responses: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Add the headers of an answer with a version, and of one that made something."""
    status = "201" if "201" in responses else "200"
    shown = named(schemas, responses[status]["content"]["application/json"]["schema"])
    headers = {"ETag": ETAG} if "version" in shown["properties"] else {}
    responses[status]["headers"] = headers | ({"Location": LOCATION} if status == "201" else {})
    responses[status]["description"] = shown.get("description", "Done.")
