"""Headers on every answer, errors included, and errors that give nothing away."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from sqlalchemy import text
from werkzeug.test import TestResponse

from careapp import tenancy
from careapp.access import Actor
from careapp.db import db
from careapp.surface.headers import ALWAYS
from tests import factories as make
from tests.api.client import Api, is_problem

Client = Callable[..., Api]
SECRET = "SELECT secret FROM patients; password=hunter2"


def check_headers(answer: TestResponse) -> None:
    """The protecting headers, and that nobody keeps the answer."""
    headers = answer.headers
    for name, value in ALWAYS.items():
        assert headers[name] == value
    assert headers["Cache-Control"] == "no-store"
    assert len(headers["X-Request-Id"]) == 32
    assert "Set-Cookie" not in headers
    assert "Server" not in headers


def test_every_kind_of_answer_has_them(api: Client, god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    episode, client = make.an_episode(god).locator, api()
    party = make.a_patient(god).locator
    answers = {
        200: client.get(f"/episodes/{episode}"),
        201: client.post("/episodes", {"partyLocator": party, "careType": "GP"}),
        400: client.raw("POST", "/episodes", b"{", Content_Type="application/json"),
        401: api(None).get("/episodes"),
        403: api("auditor").get("/episodes"),
        404: client.get("/episodes/EPI-2026-999999"),
        405: client.send("DELETE", "/episodes"),
        409: client.patch(f"/episodes/{episode}/cancel", {"version": 7}),
        413: client.raw("POST", "/episodes", b" " * 1_100_000, Content_Type="application/json"),
        415: client.raw("POST", "/episodes", b"a=1", Content_Type="application/x-www-form-urlencoded"),
        422: client.post("/episodes", {}),
        428: client.patch(f"/appointments/{make.an_appointment(god).locator}/accept"),
    }
    monkeypatch.setattr("careapp.api.episodes.queries.list_episodes", _broken)
    answers[500] = client.get("/episodes")
    for status, answer in answers.items():
        assert answer.status_code == status, (status, answer.text)
        check_headers(answer)
        if status >= 400:
            is_problem(answer)


def _broken(*args: object, **kwargs: object) -> None:
    raise RuntimeError(SECRET)


def _broken_in_the_database(actor: Actor, **query: object) -> None:
    with tenancy.bound(actor.tenant_id):
        db.session.execute(text("SELECT secret, 'hunter2' FROM patients"))


@pytest.mark.parametrize("fault", [_broken, _broken_in_the_database])
def test_a_fault_says_only_its_number(api: Client, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., None]) -> None:
    monkeypatch.setattr("careapp.api.episodes.queries.list_episodes", fault)
    answer = api().get("/episodes")
    problem = is_problem(answer, 500, "INTERNAL_ERROR")
    assert answer.headers["X-Request-Id"] in problem["detail"]
    for word in ("SELECT", "secret", "hunter2", "Traceback", "RuntimeError", "psycopg", ".py"):
        assert word not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/api/nothing",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v2/episodes",
        "/api/v1/episodes/",
        "/internal/nothing",
        "/api/v1/episodes/a/b/c/d",
        "/api/v1/%00",
        "/api/v1/episodes/%2e%2e%2fadmin",
    ],
)
def test_what_is_no_address_is_a_problem_document(api: Client, path: str) -> None:
    for client in (api(), api(None)):
        answer = client.get(path)
        is_problem(answer, 404, "NOT_FOUND")
        check_headers(answer)


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/episodes"), ("PUT", "/patients/PTY-2026-000001"), ("POST", "/slots/SLT-2026-000001/block")],
)
def test_a_wrong_method_is_told_which_are_right(api: Client, method: str, path: str) -> None:
    answer = api().send(method, path, {})
    is_problem(answer, 405, "METHOD_NOT_ALLOWED")
    allowed = set(answer.headers["Allow"].replace(" ", "").split(","))
    assert method not in allowed
    assert allowed - {"HEAD", "OPTIONS"}


def test_head_and_options(api: Client, god: Actor) -> None:
    path = f"/episodes/{make.an_episode(god).locator}"
    shown, head = api().get(path), api().send("HEAD", path)
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", shown.headers["ETag"])
    options = api().send("OPTIONS", path)
    assert (options.status_code, options.data) == (200, b"")
    assert set(options.headers["Allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "OPTIONS"}


def test_over_https_browsers_stay_there(app: APIFlask) -> None:
    client = app.test_client()
    assert "Strict-Transport-Security" not in client.get("/healthz").headers
    secure = client.get("/healthz", base_url="https://localhost")
    assert secure.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_health_needs_nobody(app: APIFlask) -> None:
    for path in ("/healthz", "/readyz"):
        answer = Api(app, {}, base="").get(path)
        assert (answer.status_code, answer.json) == (200, {"status": "ok"})
        check_headers(answer)
