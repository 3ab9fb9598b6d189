"""Hostile input on every POST and PATCH: always 4xx with a problem document, and nothing written."""

import io
import json
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any

import pytest
from apiflask import APIFlask
from werkzeug.test import create_environ, run_wsgi_app

from careapp.access import Actor, Role
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, is_problem, speaking_for
from tests.conftest import TestTenant

Client = Callable[..., Api]
Digest = Callable[[], dict[str, Any]]
WRITES = sorted(
    name for name, scene in CALLS.items() if name.startswith("api.") and ".get_" not in name and ".list_" not in name
)
DEEP = 100_000

# What no parser should take as a body: name, bytes, statuses.
BROKEN: dict[str, bytes] = {
    "nested arrays": b"[" * DEEP + b"]" * DEEP,
    "nested objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "open brackets": b"[" * DEEP,
    "33 deep in a field": b'{"reason": ' + b"[" * 33 + b"]" * 33 + b"}",
    "NaN": b'{"reason": NaN}',
    "Infinity": b'{"version": Infinity}',
    "-Infinity": b'{"version": -Infinity}',
    "1e400": b'{"version": 1e400}',
    "5000 digits": b'{"version": ' + b"9" * 5000 + b"}",
    "a key twice": b'{"reason": "a", "reason": "b"}',
    "an inner key twice": b'{"name": {"family": "a", "family": "b"}}',
    "an escaped key twice": b'{"reason": "a", "r\\u0065ason": "b"}',
    "NUL": b'{"reason": "a\\u0000b"}',
    "NUL in a key": b'{"rea\\u0000son": "a"}',
    "a raw NUL": b'{"reason": "a\x00b"}',
    "a lone surrogate": b'{"reason": "\\ud800"}',
    "a lone low surrogate": b'{"reason": "\\udc00 and more"}',
    "a lone surrogate in a key": b'{"\\ud83d": 1}',
    "an encoded surrogate": b'{"reason": "\xed\xa0\x80"}',
    "null": b"null",
    "broken": b'{"reason": ',
    "two values": b"{} {}",
    "a trailing comma": b'{"reason": "a",}',
    "single quotes": b"{'reason': 'a'}",
    "a comment": b'{"reason": "a" /* b */}',
    "bad UTF-8": b'{"reason": "\xff\xfe\xfa"}',
    "overlong UTF-8": b'{"reason": "\xc0\xaf"}',
    "Latin-1": '{"reason": "é"}'.encode("latin-1"),
    "UTF-16": '{"reason": "a"}'.encode("utf-16"),
    "UTF-32": '{"reason": "a"}'.encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a form": b"reason=a",
    "XML": b"<reason/>",
}
NO_OBJECT: dict[str, bytes] = {
    "an array": b"[]",
    "an array of objects": b'[{"reason": "a"}]',
    "a text": b'"reason"',
    "a number": b"7",
    "true": b"true",
    "an empty text": b'""',
}
SERVER_SET = (
    "tenantId",
    "tenant_id",
    "id",
    "locator",
    "status",
    "createdAt",
    "created_at",
    "confidentiality",
    "restrictedAt",
    "author",
    "actor",
    "addedBy",
    "party_locator",
    "__class__",
    "$ref",
    "",
    "openedAt",
)
NEVER_RIGHT: tuple[Any, ...] = (
    10**30,
    -(10**30),
    -1,
    1.5,
    True,
    False,
    "",
    " \t ",
    "x" * 4001,
    {},
    {"a": 1},
    ["a"] * 60,
    [[]],
    [None],
)


def sender(api: Client, name: str) -> Api:
    """Somebody whose role does not stand in the way."""
    return api("admin" if "provider" in name or "clinic" in name else "front_desk" if "slot" in name else "clinician")


def hurt(value: Any) -> Iterator[Any]:
    """A good body with one field after another, at every depth, replaced by something that is never right there."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from ({**value, name: other} for other in hurt(inner))
    elif isinstance(value, list):
        yield from ([other] for other in hurt(value[0]))
        yield from (None, {}, "text", 7, value * 60)
    else:
        yield from NEVER_RIGHT


@pytest.mark.parametrize("name", WRITES)
def test_what_no_parser_should_take(api: Client, god: Actor, everything_stored: Digest, name: str) -> None:
    call, client = CALLS[name](god), sender(api, name)
    before = everything_stored()
    for label, data in {**BROKEN, **NO_OBJECT}.items():
        answer = client.raw(call.method, call.path, data, Content_Type="application/json", **call.headers)
        is_problem(answer, 422 if label in NO_OBJECT else 400)
    large = b'{"reason": "' + b"x" * 10_000_000 + b'"}'
    is_problem(client.raw(call.method, call.path, large, Content_Type="application/json"), 413, "TOO_LARGE")
    for kind in (
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/merge-patch+json",
        "application/jsonp",
        "text/json",
        "application/json2",
    ):
        data = json.dumps(call.body or {}).encode()
        is_problem(client.raw(call.method, call.path, data, Content_Type=kind), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert everything_stored() == before


@pytest.mark.parametrize("name", WRITES)
def test_unknown_and_server_set_fields(api: Client, god: Actor, everything_stored: Digest, name: str) -> None:
    call, client = CALLS[name](god), sender(api, name)
    before = everything_stored()
    forbidden = [*SERVER_SET, *(["version"] if call.method == "POST" else [])]
    for field in forbidden:
        if field in (call.body or {}) or (name, field) == ("api.search_patients", "locator"):
            continue
        answer = client.send(call.method, call.path, {**(call.body or {}), field: 1}, **call.headers)
        assert [error["field"] for error in is_problem(answer, 422)["errors"]] == [field or "body"], answer.text
    assert everything_stored() == before


@pytest.mark.parametrize("name", [name for name in WRITES if name != "api.search_patients"])
def test_wrong_values_in_every_field(api: Client, god: Actor, everything_stored: Digest, name: str) -> None:
    call, client = CALLS[name](god), sender(api, name)
    before = everything_stored()
    for body in hurt({**(call.body or {}), **({"version": 1} if call.method == "PATCH" else {})}):
        answer = client.send(call.method, call.path, body)
        assert is_problem(answer, 422)["errors"], (body, answer.text)
    assert everything_stored() == before


@pytest.mark.parametrize("name", sorted(name for name, scene in CALLS.items() if name.startswith("api.")))
def test_addresses_that_cannot_be_stored(api: Client, god: Actor, everything_stored: Digest, name: str) -> None:
    call, client = CALLS[name](god), sender(api, name)
    before = everything_stored()
    for query in ("?cursor=a%00b", "?%00=1", "?limit=%ED%A0%80%00"):
        is_problem(client.send(call.method, call.path + query, call.body), 400)
    if "{locator}" in call.template:
        for locator, statuses in (
            ("%00", {400}),
            ("EPI-2026-000001%00", {400}),
            ("%ED%A0%80", {404}),
            ("%FF", {404}),
            ("x" * 5000, {404}),
            ("'%20OR%20'1'='1", {404}),
            ("EPI-2026-%D9%A1", {404}),
            ("epi-2026-000001", {404}),
            ("%20", {404}),
        ):
            answer = client.send(call.method, call.template.format(locator=locator), call.body, **call.headers)
            assert is_problem(answer)["status"] in statuses, locator
    assert everything_stored() == before


class Endless(io.RawIOBase):
    """A stream that never ends, and counts what was read of it."""

    taken = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Blanks, as many as are asked for."""
        buffer[:] = b" " * len(buffer)
        self.taken += len(buffer)
        return len(buffer)


def test_a_body_in_chunks_that_would_be_taken_for_empty_is_refused(app: APIFlask, god: Actor) -> None:
    booked, headers = make.an_appointment(god), speaking_for(app, god).headers
    address = f"/api/v1/appointments/{booked.locator}/confirm"
    environ = create_environ(address, method="PATCH", headers=headers, content_type="application/json")
    environ |= {"wsgi.input": io.BytesIO(b'{"version": 7}'), "HTTP_TRANSFER_ENCODING": "Chunked"}
    body, status, _ = Context().run(run_wsgi_app, app, environ, buffered=True)
    assert status.startswith("411 ")
    assert json.loads(b"".join(body))["code"] == "LENGTH_REQUIRED"
    assert speaking_for(app, god).get(f"/appointments/{booked.locator}").json["status"] == "PENDING"


def test_a_body_without_a_length_is_measured_as_it_comes(app: APIFlask, god: Actor) -> None:
    stream, headers = Endless(), speaking_for(app, god).headers
    environ = create_environ("/api/v1/episodes", method="POST", headers=headers, content_type="application/json")
    environ |= {"wsgi.input": stream, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    body, status, _ = Context().run(run_wsgi_app, app, environ, buffered=True)
    assert status.startswith("413 ")
    assert json.loads(b"".join(body))["code"] == "TOO_LARGE"
    assert stream.taken < 3_000_000


def test_mass_assignment_reaches_no_other_tenant(
    api: Client, god: Actor, new_tenant: Callable[..., TestTenant]
) -> None:
    other = new_tenant()
    for field in ("tenant", "tenantId", "tenant_id", "tenantKey"):
        for value in (other.id, other.key):
            is_problem(api(Role.ADMIN).post("/clinics", {"name": "X", "timeZone": "UTC", field: value}), 422)
