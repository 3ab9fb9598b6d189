"""What every answer carries, whichever route gave it and however it went: headers, and cookies nobody can misuse."""

from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from careapp.access import Actor
from careapp.config import new_encryption_key
from careapp.db import db
from careapp.surface.headers import ALWAYS
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import speaking_for
from tests.attacks.conftest import UNTIRED
from tests.conftest import make_app
from tests.database import TestDatabase
from tests.identity.people import PASSWORD, a_user
from tests.rules.pages import ask, csrf_token, page_address, rules

Browser = Callable[[], FlaskClient]
HTMX = {"HX-Request": "true"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
FILES = {"static"}
KEPT = ("/.well-known/",)  # documents for everybody


def protected(answer: TestResponse, where: object) -> None:
    """The headers every answer has."""
    for name, value in ALWAYS.items():
        assert answer.headers.get(name) == value, (where, answer.status, name)
    assert str(where[0] if isinstance(where, tuple) else where).startswith(KEPT) or "no-store" in answer.headers.get(
        "Cache-Control", ""
    ), (where, answer.status)
    assert len(answer.headers["X-Request-Id"]) == 32, where
    assert not {"Server", "X-Powered-By", "Access-Control-Allow-Origin"} & {*answer.headers.keys()}, where


def everywhere(app: APIFlask, god: Actor) -> list[str]:
    """An address of every route but those of files: of pages about something real, of all others as declared."""
    pages = {rule.rule: page_address(rule, god) for method in ("GET", "POST") for rule in rules(app, method)}
    others = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint not in FILES} - pages.keys()
    return [*pages.values(), *(one.replace("<locator>", "EPI-2026-999999") for one in others)]


def test_every_route_by_every_method(app: APIFlask, god: Actor, browser: Browser) -> None:
    client, statuses = browser(), set()
    for address in everywhere(app, god):
        for method in METHODS:
            for who in (client, app.test_client()):
                answer = ask(app, who, method, address)
                protected(answer, (address, method))
                statuses.add(answer.status_code)
            client = client if client.get_cookie("session") else browser()
    assert {200, 303, 400, 401, 404, 405} <= statuses


def test_pages_say_that_they_differ_for_htmx(app: APIFlask, god: Actor, browser: Browser) -> None:
    client, differing = browser(), 0
    for rule in rules(app, "GET"):
        address = page_address(rule, god)
        plain, part = ask(app, client, "GET", address), ask(app, client, "GET", address, headers=HTMX)
        if plain.mimetype == part.mimetype == "text/html" and len(plain.data) != len(part.data):
            assert "HX-Request" in part.headers.get("Vary", ""), address
            assert "HX-Request" in plain.headers.get("Vary", ""), address
            differing += 1
    assert differing > 5


def test_every_refusal(app: APIFlask, god: Actor, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    client = browser()
    token = csrf_token(app, client)
    form = {"csrf_token": token}
    large = {"data": b"csrf_token=" + b"x" * 1_100_000, "content_type": "application/x-www-form-urlencoded"}
    answers = {
        "404": ask(app, client, "GET", "/nothing"),
        "405": ask(app, client, "DELETE", "/patients"),
        "413": ask(app, client, "POST", "/patients/new", headers={"X-CSRFToken": token}, **large),
        "422": ask(app, client, "POST", "/patients/new", data=form),
        "400": ask(app, client, "POST", "/patients/new"),
    }
    monkeypatch.setattr("careapp.web.patients.get_patient_chart", None)
    answers["500"] = ask(app, client, "GET", f"/patients/{make.a_patient(god).locator}")
    for status, answer in answers.items():
        protected(answer, status)
        assert answer.status_code == int(status), (status, answer.status)


@pytest.fixture
def production(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """The application as an installation runs it."""
    made = make_app(
        database, tmp_path_factory.mktemp("var"), CAREAPP_ENV="production", secret_key="s" * 32,
        trusted_hosts="care.example", encryption_keys=new_encryption_key("one"), **UNTIRED,
    )  # fmt: skip
    yield made
    with made.app_context():
        db.engine.dispose()


def test_every_cookie_of_an_installation(production: APIFlask, god: Actor) -> None:
    clinic, client = make.a_clinic(god).locator, production.test_client()
    alone = {"REMOTE_ADDR": "198.51.100.78"}  # where no other test has failed to sign in, and is made to wait
    here: dict[str, Any] = {"base_url": "https://care.example", "environ_overrides": alone}
    page = ask(production, client, "GET", "/sign-in", **here)
    token = page.text.split('name="csrf-token" content="')[1].split('"')[0]
    form = {"csrf_token": token, "email": a_user(god).email, "password": PASSWORD}
    headers = {"Referer": "https://care.example/sign-in"}
    signed = ask(production, client, "POST", "/sign-in", data=form, headers=headers, **here)
    assert signed.status_code == 303
    desk = ask(production, client, "GET", f"/today?clinic={clinic}", **here)
    seen = [*page.headers.getlist("Set-Cookie"), *signed.headers.getlist("Set-Cookie")]
    seen += desk.headers.getlist("Set-Cookie")
    for address in everywhere(production, god):
        seen += ask(production, client, "GET", address, **here).headers.getlist("Set-Cookie")
    names = set()
    for [(name, cookie)] in (SimpleCookie(one).items() for one in seen):
        names.add(name)
        assert name.startswith("__Host-"), name
        assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", ""), name
        assert cookie["samesite"] in ("Lax", "Strict"), name
    assert names >= {"__Host-session"}


def test_an_installation_answers_to_its_own_name_only(production: APIFlask, god: Actor) -> None:
    client = production.test_client()
    for host in ("evil.example", "care.example.evil.example", "care.example@evil.example", "", "127.0.0.1", "x y"):
        for address in ("/sign-in", "/api/v1/episodes", "/oauth/token", "/nothing", "/healthz"):
            answer = ask(production, client, "GET", address, headers={"Host": host})
            assert answer.status_code == 400, (host, address, answer.status)
            assert "evil" not in answer.text + str(answer.headers)


def test_nobody_is_led_from_http_to_https(production: APIFlask) -> None:
    """A program that sent its token in the clear shall hear of it, not be led on silently (ASVS 5.0 4.1.2)."""
    client = production.test_client()
    for address, status in (("/api/v1/episodes", 401), ("/internal/episodes/EPI-2026-000001", 404), ("/sign-in", 200)):
        answer = ask(production, client, "GET", address, base_url="http://care.example")
        assert (answer.status_code, answer.headers.get("Location")) == (status, None), address


def test_forwarding_headers_are_not_believed(production: APIFlask) -> None:
    client = production.test_client()
    said = {
        "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Prefix": "/evil", "Forwarded": "host=evil.example;proto=https", "X-Original-URL": "/healthz",
        "X-Rewrite-URL": "/healthz", "X-Real-IP": "203.0.113.9", "X-Script-Name": "/evil",
    }  # fmt: skip
    answer = ask(production, client, "GET", "/patients", headers=said, base_url="http://care.example")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=/patients")
    assert "Strict-Transport-Security" not in answer.headers
    assert "evil" not in answer.text + str(answer.headers)


def test_json_is_never_taken_for_a_page(app: APIFlask, god: Actor) -> None:
    for name in sorted(one for one in CALLS if ".get_" in one or ".list_" in one):
        if name.startswith("api."):
            answer = speaking_for(app, god).get(CALLS[name](god).path)
            assert (answer.content_type, answer.status_code) == ("application/json", 200), name
            protected(answer, name)


def test_a_number_in_an_address_is_one_a_row_can_have(app: APIFlask) -> None:
    """`<row:…>` is bounded; a larger `<int:…>` would reach the database and come back as a fault."""
    assert not [rule.rule for rule in app.url_map.iter_rules() if "<int:" in rule.rule]
