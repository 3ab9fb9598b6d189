"""What goes wrong, as pages and as notices."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask
from sqlalchemy.exc import OperationalError

from careapp import create_app
from careapp.access import Actor
from careapp.identity import sessions
from careapp.surface.headers import POLICY
from careapp.web import patients as patient_pages
from tests import factories as make
from tests.web.checks import check, parsed
from tests.web.conftest import Desk


@pytest.fixture
def not_testing(app: APIFlask) -> Iterator[None]:
    """Faults become answers, as they do outside tests."""
    app.testing = False
    yield
    app.testing = True


def test_unknown_addresses_answer_in_the_form_of_their_surface(front: Desk) -> None:
    page = front.open("GET", "/nowhere")
    assert (page.status_code, "There is nothing here" in page.text) == (404, True)
    for path in ("/api/v1/nowhere", "/internal/nowhere", "/fhir/nowhere"):
        problem = front.open("GET", path)
        assert (problem.status_code, problem.mimetype) == (404, "application/problem+json")
        assert json.loads(problem.text)["code"] == "NOT_FOUND"


def test_a_wrong_method_is_refused(front: Desk) -> None:
    form = front.forms("/patients")["/patients"]
    assert front.open("POST", "/episodes", data=form.values).status_code == 405


def test_an_old_form_keeps_what_was_typed(front: Desk) -> None:
    form = front.forms("/patients/new")["/patients/new"]
    form.values |= {"csrf_token": "old", "family": "Aung"}
    with front.app.app_context():
        page = front.client.post(form.action, data=form.values, headers={"Sec-Fetch-Site": "same-origin"})
        htmx = front.client.post(form.action, data=form.values, headers={"HX-Request": "true"})
    assert page.status_code == htmx.status_code == 400
    assert "Not saved yet" in page.text
    assert 'name="family" value="Aung"' in page.text
    assert "token" in json.loads(htmx.headers["HX-Trigger"])


def test_a_fault_has_a_number_and_says_nothing_else(
    front: Desk, god: Actor, monkeypatch: pytest.MonkeyPatch, not_testing: None
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Aung is in room 3")

    monkeypatch.setattr(patient_pages, "get_patient_chart", fail)
    address = f"/patients/{make.a_patient(god).locator}"
    page, htmx = front.open("GET", address), front.open("GET", address, htmx=True)
    assert page.status_code == htmx.status_code == 500
    assert page.headers["X-Request-Id"] in page.text
    assert "Aung" not in page.text
    assert htmx.text == ""


@pytest.mark.parametrize(
    ("error", "status", "heading"),
    [
        (OperationalError("SELECT", {}, Exception("away")), 503, "The records cannot be reached right now"),
        (RuntimeError("Aung is in room 3"), 500, "Something went wrong on our side"),
    ],
)
@pytest.mark.parametrize("address", ["/episodes", "/nowhere", "/sign-in"])
def test_a_page_goes_out_when_the_session_cannot_be_read(
    front: Desk, monkeypatch: pytest.MonkeyPatch, not_testing: None, address: str, error: Exception, status: int,
    heading: str,
) -> None:  # fmt: skip
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(sessions, "session_actor", fail)
    page = front.open("GET", address)
    assert page.status_code == status
    assert f"<h1>{heading}</h1>" in page.text
    assert page.headers["Content-Security-Policy"] == POLICY
    assert page.headers["X-Request-Id"] in page.text
    assert page.headers.get("Retry-After") == ("2" if status == 503 else None)
    assert "Aung" not in page.text


def test_a_page_goes_out_when_the_database_is_away(tmp_path: Path) -> None:
    nowhere = "postgresql+psycopg://care_app@127.0.0.1:1/care"
    away = create_app(
        CAREAPP_VAR=tmp_path, database_url=nowhere, database_owner_url=nowhere, database_relay_url=nowhere
    )
    client = away.test_client()
    with client.session_transaction() as cookie:
        cookie["tenant"], cookie["sid"] = 1, "any"
    page = client.get("/episodes")
    assert (page.status_code, page.headers["Content-Security-Policy"]) == (503, POLICY)
    check(parsed(page.text))


def test_signed_out_leads_to_sign_in(app: APIFlask, front: Desk) -> None:
    stranger = Desk(app, app.test_client())
    answer = stranger.open("GET", "/calendar?week=2026-W47")
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/calendar%3Fweek%3D2026-W47")
