"""Metacharacters in every parameter, part of an address, header and field of every route (ASVS 5.0 1.2.4, 1.2.9).

What is tried comes from the URL map, from the OpenAPI document, from forms as they are built and from what each view
reads (`asked_for`), so a new route or parameter falls under it by itself; the last tests say where it would not.
"""

import re
from collections.abc import Callable, Iterator
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import careapp
from careapp.access import Actor
from careapp.patients.views import HumanName
from careapp.signing import HEADERS as SIGNED
from careapp.surface.internal_credentials import CREDENTIALS, HEADER
from tests import factories as make
from tests.api.calls import CALLS, Call
from tests.api.client import Api, speaking_for
from tests.attacks.asked_for import noting
from tests.attacks.metacharacters import (
    IN_TURN,
    SIGNS,
    WILDCARDS,
    encoded,
    fine,
    in_header,
    in_path,
    no_bad_statement,
    said,
    shown,
    some,
)
from tests.conftest import TestTenant, everything
from tests.rules.pages import NO_PAGES, ask, csrf_token, page_address, rules

Browser = Callable[[], FlaskClient]
ELSEWHERE = "Zzelsewhere"  # only in the other tenant
NONSENSE = "Zqzqzq"  # nowhere
# What may be answered to text that makes no sense; some of it is a fine reason for a booking (docs/design.md §6).
ANSWERS = {200, 201, 204, 302, 303, 304, 308, 400, 401, 403, 404, 405, 409, 411, 413, 415, 422, 428, 429}
# Headers that code of ours, or a library before it, reads.
READ = {
    "Authorization", "HX-Current-URL", "HX-Request", "Idempotency-Key", "If-Match", "Sec-Fetch-Site",
    "Transfer-Encoding", "User-Agent", "X-Poll", "X-Seen", HEADER, *SIGNED,
}  # fmt: skip
BY_LIBRARIES = {
    "Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Cookie", "HX-Boosted", "HX-Prompt", "HX-Target",
    "HX-Trigger", "HX-Trigger-Name", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Origin",
    "Range", "Referer", "X-CSRFToken", "X-CSRF-Token", "X-Request-Id",
}  # fmt: skip
BEFORE = {"press": ("medicine:", "repeat:", "favourite:", "forget:")}  # what a value begins with to be read on
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def filled(god: Actor, new_tenant: Callable[..., TestTenant]) -> Iterator[Actor]:
    """This test's tenant with something in it, beside another one with as much; no statement may fail in the test."""
    for actor, name in ((god, "Here"), (everything(new_tenant()), ELSEWHERE)):
        patient = make.a_patient(actor, name=HumanName(family=name, given=["Daw"]))
        episode = make.an_episode(actor, patient, reason=f"Cough {name}")
        provider = make.a_provider(actor, name=f"Dr {name}")
        clinic = make.a_clinic(actor, name=f"{name} Clinic")
        make.an_appointment(actor, episode, make.a_slot(actor, provider, clinic=clinic), reason=name)
        make.a_prescription(actor, episode)
        make.a_referral(actor, episode)
    with no_bad_statement():
        yield god


def fits(answer: TestResponse, *where: object) -> None:
    """An answer a page may give, that shows nothing of the inside and nothing of the other tenant."""
    fine(answer, *where)
    assert answer.status_code in ANSWERS, (*where, answer.status)
    assert answer.mimetype == "application/pdf" or ELSEWHERE not in said(answer), where


def test_every_query_parameter_of_every_page(app: APIFlask, filled: Actor, browser: Browser) -> None:
    client, pages = browser(), {rule.endpoint: page_address(rule, filled) for rule in rules(app, "GET")}
    with noting(app) as names:
        plain = {endpoint: ask(app, client, "GET", address) for endpoint, address in pages.items()}
    tried = 0
    for endpoint, asked in list(names.items()):
        page = pages[endpoint]
        for name in sorted(asked):
            nothing = ask(app, client, "GET", f"{page}?{encoded(**{name: NONSENSE})}")
            for value in [*some(2), "%"]:
                answer = ask(app, client, "GET", f"{page}?{encoded(**{name: value})}")
                fits(answer, page, name, value[:40])
                if answer.status_code == 200 == plain[endpoint].status_code:
                    assert shown(answer, value) <= shown(plain[endpoint]), (page, name, value[:40])
                if answer.status_code == 200 == nothing.status_code and value in WILDCARDS:
                    assert shown(answer, value) <= shown(nothing), (page, name, value)
                tried += 1
    assert tried > 150


def test_all_parameters_at_once_and_unknown_ones(app: APIFlask, filled: Actor, browser: Browser) -> None:
    """Parameters a page reads only beside others are read here; and nobody minds one that nobody reads."""
    client, pages = browser(), [page_address(rule, filled) for rule in rules(app, "GET")]
    with noting(app) as names:
        for page in pages:
            ask(app, client, "GET", page)
    others = {"again", "state", "q", "sort", "order", "fields", "limit", "filter", SIGNS}
    every = sorted(set().union(*names.values()) | others)
    for page in pages:
        for value in some(1):
            fits(ask(app, client, "GET", f"{page}?{encoded(**dict.fromkeys(every, value))}"), page, value)


def test_every_part_of_an_address(app: APIFlask, filled: Actor, browser: Browser) -> None:
    client = browser()
    form = {"csrf_token": csrf_token(app, client), "version": "1", "reason": "Fell ill at home"}
    for method in ("GET", "POST"):
        for rule in (one for one in rules(app, method) if one.arguments):
            for value in some(1):
                answer = ask(app, client, method, in_path(rule.rule, value), data=form if method == "POST" else None)
                fits(answer, method, rule.rule, value[:40])
                led = answer.headers.get("Location", "/")
                assert answer.status_code >= 400 or (answer.status_code == 308 and led[:2] not in ("//", "/\\"))


def test_every_field_of_every_form(app: APIFlask, filled: Actor, browser: Browser) -> None:
    fields: set[str] = set()
    client = browser()
    for rule in rules(app, "POST"):
        if ask(app, client, "GET", "/keys").status_code != 200:
            client = browser()  # the form before has ended the session
        address, token = page_address(rule, filled), csrf_token(app, client)

        def send(htmx: bool = False, **data: str) -> TestResponse:
            body, headers = encoded(**data, csrf_token=token), {"HX-Request": "true"} if htmx else {}  # noqa: B023
            return ask(app, client, "POST", address, data=body, content_type=FORM, headers=headers)  # noqa: B023

        with noting(app) as names:
            send(version="1")
        own = sorted(names[rule.endpoint] - {"csrf_token"})
        fields |= {*own}
        sent = [dict.fromkeys(own, value) for value in some(1)]
        sent += [
            {"version": "1", "reason": "Fell ill", field: f"{step}{some(1)[-1]}"}
            for field in own for step in BEFORE.get(field, ("",))
        ]  # fmt: skip
        for number, data in enumerate(sent):
            fits(send(htmx=number % 2 == 0, **data), rule.rule, str(data)[:120])
        fits(send(htmx=True, **dict.fromkeys(own, "a\x00b")), rule.rule, "NUL everywhere")
    assert {"family", "reason", "version", "dosage", "name", "medication", "q", "next"} <= fields


def everywhere_else(app: APIFlask) -> list[tuple[str, str]]:
    """Methods and rules that are neither pages nor of the JSON surfaces: tokens, documents, health, static files."""
    kinds = set(NO_PAGES) - {"api", "internal"}
    found = (rule for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] in kinds)
    return [(method, rule.rule) for rule in found for method in ("GET", "POST") if method in (rule.methods or ())]


def test_every_other_route(app: APIFlask, filled: Actor) -> None:
    names = ("grant_type", "client_id", "client_secret", "scope", "v", "kid", "q")
    client = app.test_client()
    assert len(everywhere_else(app)) >= 7
    for method, rule in everywhere_else(app):
        for value in some(6):
            query, path = encoded(**dict.fromkeys(names, value)), in_path(rule, value)
            for address, data in ((f"{path}?{query}", None), (path, query if method == "POST" else None)):
                answer = ask(app, client, method, address, data=data, content_type=FORM if data else None)
                fits(answer, method, rule, value[:40])
    for name in names[:4]:
        for value in some(3):
            given = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y", name: value}
            answer = ask(app, client, "POST", "/oauth/token", data=encoded(**given), content_type=FORM)
            assert answer.status_code in (400, 401, 429), (name, value[:40], answer.status)


def test_every_header(app: APIFlask, filled: Actor, browser: Browser) -> None:
    client, json_client = browser(), speaking_for(app, filled)
    form = {"csrf_token": csrf_token(app, client), "version": "1"}
    addresses = [page_address(rule, filled) for rule in rules(app, "GET")]
    search, booked = {"name": "Here"}, make.an_appointment(filled).locator
    turn = 0
    for header in sorted(READ | BY_LIBRARIES):
        for value in (in_header(one) for one in some(3)):
            if value is None or (header == "Cookie" and len(value) > 4000):
                continue
            turn += 1
            address, sent = addresses[turn % len(addresses)], {"HX-Request": "true", header: value}
            fits(ask(app, client, "GET", address, headers=sent), header, value[:40], address)
            fits(ask(app, client, "POST", "/patients/new", data=form, headers=sent), header, value[:40])
            plain = json_client.headers | {header: value}
            for answer in (
                ask(app, app.test_client(), "POST", "/api/v1/patients/search", json=search, headers=plain),
                ask(app, app.test_client(), "PATCH", f"/api/v1/appointments/{booked}/undo", headers=plain),
                ask(app, app.test_client(), "GET", "/internal/episodes/EPI-2026-000001", headers={header: value}),
            ):
                fits(answer, header, value[:40])


def portal(app: APIFlask, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> Api:
    """The portal of this actor's tenant."""
    token = f"portal of {actor.tenant_key}"
    monkeypatch.setitem(app.extensions, CREDENTIALS, [(actor.tenant_key, sha256(token.encode()).digest())])
    return Api(app, {HEADER: token}, base="")


def documented(app: APIFlask) -> dict[str, Any]:
    """The operations of the OpenAPI document by method and template, as in `PATCH /slots/{}/block`."""
    document: Any = app.test_client().get("/api/openapi.json").json
    return {
        f"{method.upper()} {re.sub(r'{[^}]+}', '{}', path.removeprefix('/api/v1'))}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in ("get", "post", "patch", "put", "delete")
    }


def operation_of(operations: dict[str, Any], call: Call) -> Any:
    """What the document says of a call; the portal's routes stand in no document."""
    return operations.get(f"{call.method} {call.template.replace('{locator}', '{}')}", {})


def allowed(answer: TestResponse, operation: Any, *where: object) -> None:
    """An answer the document allows, and for a refusal a problem document."""
    fits(answer, *where)
    assert not operation or str(answer.status_code) in operation["responses"], (*where, answer.status, answer.text)
    assert answer.status_code < 400 or answer.mimetype == "application/problem+json", where


@pytest.mark.parametrize("surface", ["api", "internal"])
def test_every_parameter_of_the_json_surfaces(
    app: APIFlask, filled: Actor, monkeypatch: pytest.MonkeyPatch, surface: str
) -> None:
    client = speaking_for(app, filled) if surface == "api" else portal(app, filled, monkeypatch)
    operations, tried = documented(app), 0
    for name in sorted(one for one in CALLS if one.startswith((f"{surface}.list_", f"{surface}.get_"))):
        call = CALLS[name](filled)
        operation, plain = operation_of(operations, call), client.get(call.path)
        assert operation or surface == "internal", f"{name} is not in the document"
        wanted = [one["name"] for one in operation.get("parameters", []) if one.get("in") == "query"]
        for parameter in {*wanted, "unknown", "limit", "cursor", "status", SIGNS}:
            for value in some(3):
                answer = client.get(f"{call.path}?{encoded(**{parameter: value})}")
                allowed(answer, operation, name, parameter, value[:40])
                assert answer.status_code != 200 or shown(answer, value) <= shown(plain), (name, parameter, value[:40])
                tried += 1
    assert tried > (250 if surface == "api" else 25)


@pytest.mark.parametrize("surface", ["api", "internal"])
def test_every_part_of_an_address_of_the_json_surfaces(
    app: APIFlask, filled: Actor, monkeypatch: pytest.MonkeyPatch, surface: str
) -> None:
    client = speaking_for(app, filled) if surface == "api" else portal(app, filled, monkeypatch)
    operations = documented(app)
    for name in sorted(one for one in CALLS if one.startswith(f"{surface}.")):
        call = CALLS[name](filled)
        for value in some(2) if "{locator}" in call.template else ():
            address = in_path(call.template.replace("{locator}", "<locator>"), value)
            answer = client.send(call.method, address, call.body, **call.headers)
            if answer.status_code == 308:  # two slashes are one
                assert "/" in value
                assert answer.headers["Location"].startswith("http://localhost/")
                continue
            allowed(answer, operation_of(operations, call), name, value[:40])
            assert answer.status_code in (400, 404, 405), (name, value[:40], answer.status)


def leaves(body: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all single values in a body."""
    if isinstance(body, dict | list):
        for key, inner in body.items() if isinstance(body, dict) else enumerate(body):
            yield from leaves(inner, (*way, key))
    else:
        yield way


def with_value(body: Any, way: tuple[Any, ...], value: str) -> Any:
    """The body with one value replaced."""
    if not way:
        return value
    copy = body.copy()
    copy[way[0]] = with_value(body[way[0]], way[1:], value)
    return copy


def test_every_field_of_the_api(app: APIFlask, filled: Actor) -> None:
    client, operations, tried = speaking_for(app, filled), documented(app), 0
    for name in sorted(one for one in CALLS if one.startswith("api.") and ".get_" not in one and ".list_" not in one):
        call = CALLS[name](filled)
        body: dict[str, Any] = {"reason": "x", **(call.body or {})} if call.method == "PATCH" else call.body or {}
        for way in leaves(body):
            for value in some(2):
                answer = client.send(call.method, call.path, with_value(body, way, value))
                allowed(answer, operation_of(operations, call), name, way, value[:40])
                tried += 1
    assert tried > 200


FINDERS = {  # forms that find by text: the field, and a text that finds
    "/patients": ("q", "Here"),
    "/palette": ("q", "Here"),
    "/admin/users": ("q", "Thandar"),
}


def test_wildcards_find_only_themselves(app: APIFlask, filled: Actor, browser: Browser) -> None:
    client, pages = speaking_for(app, filled), browser()
    assert client.post("/patients/search", {"name": "Here"}).json["items"]
    for value in (*WILDCARDS, *IN_TURN):
        found = client.post("/patients/search", {"name": value})
        assert found.status_code in (400, 422) or found.json["items"] == [], value[:40]
    token = csrf_token(app, pages)
    for address, (field, finds) in FINDERS.items():

        def rows(typed: str, at: str = address, name: str = field) -> int:
            data = encoded(csrf_token=token, **{name: typed})
            answer = ask(app, pages, "POST", at, data=data, content_type=FORM)
            return len(re.findall(r'href="/(?:admin/users/\d+|patients/PTY-[\d-]+)"', answer.text))

        assert rows(finds) > rows(NONSENSE), address
        near = (f"%{finds[1:-1]}%", f"{finds[0]}_{finds[2:]}", f"{finds[:2]}%", f"{finds[:2]}.*")
        assert [value for value in (*WILDCARDS, *near) if rows(value) > rows(NONSENSE)] == [], address


def sources() -> str:
    """The code of everything that reads requests."""
    home = Path(careapp.__file__).parent
    parts = ("surface", "web", "api", "internal")
    return reduce(str.__add__, (path.read_text() for part in parts for path in sorted((home / part).rglob("*.py"))))


def test_every_header_that_is_read_is_tried() -> None:
    read = set(re.findall(r"""request\.headers(?:\.get(?:list)?\(|\[)\s*["']([\w-]+)["']""", sources()))
    assert len(read) >= 9
    assert read <= READ, "put what is new into READ"
    named = set(re.findall(r"request\.headers(?:\.get(?:list)?\(|\[)\s*([A-Za-z_]+)\b", sources()))
    assert named <= {"HEADER", "NONCE", "name"}, "a header by another constant: put it into READ and here"


def test_every_parameter_that_is_read_is_found_out(app: APIFlask, filled: Actor, browser: Browser) -> None:
    """`noting` sees what is read of a request that brings nothing; this sees what the code names."""
    client = browser()
    named = set(re.findall(r"""request\.(?:args|values)\.get(?:list)?\(\s*["']([\w-]+)["']""", sources()))
    assert len(named) >= 12
    with noting(app) as names:
        for rule in (*rules(app, "GET"), *rules(app, "POST")):
            method = "GET" if "GET" in (rule.methods or ()) else "POST"
            ask(app, client if method == "GET" else browser(), method, page_address(rule, filled))
    named -= {"again", "state"}  # read where an identity provider is configured: tests/federation/test_hostile.py
    assert named <= set().union(*names.values()), "name it in `test_all_parameters_at_once_and_unknown_ones`"
