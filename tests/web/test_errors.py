"""What goes wrong, as pages and as notices."""

import json
from collections.abc import Iterator

import pytest
from apiflask import APIFlask

from careapp.access import Actor
from careapp.web import patients as patient_pages
from tests import factories as make
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


def test_signed_out_leads_to_sign_in(app: APIFlask, front: Desk) -> None:
    stranger = Desk(app, app.test_client())
    answer = stranger.open("GET", "/calendar?week=2026-W47")
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/calendar%3Fweek%3D2026-W47")
