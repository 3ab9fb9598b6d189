"""What is sent after the session has ended: nothing typed is lost, and one is led back to where one was."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from careapp import clock
from careapp.access import Actor
from tests.looking import execute
from tests.web.conftest import Desk

REGISTER = "/patients/new"


@pytest.fixture
def left(front: Desk) -> dict[str, str]:
    """A form filled in, whose browser has signed out in another tab since."""
    values = front.forms(REGISTER)[REGISTER].values | {"family": "Aung"}
    assert front.fill("/patients", "/sign-out").status_code == 303
    return values


@pytest.mark.parametrize(
    ("page", "back"),
    [
        ("http://localhost/calendar?week=2026-W47", "/calendar?week=2026-W47"),
        ("http://localhost/no/such/page", "/"),
        ("https://evil.example/calendar", "/"),
        ("http://[", "/"),
        ("", "/"),
    ],
)
def test_a_plain_form_leads_back_to_the_page_it_stood_on(front: Desk, page: str, back: str) -> None:
    form = front.forms(REGISTER)[REGISTER]
    with front.client.session_transaction() as cookie:
        cookie["sid"] = "over by now"
    answer = front.open("POST", REGISTER, data=form.values, headers={"Referer": page})
    assert (answer.status_code, answer.location) == (303, f"/sign-in?next={quote(back, safe='/')}")


def test_the_sign_in_page_says_that_the_session_has_ended(
    god: Actor, front: Desk, statements: Callable[[], Any]
) -> None:
    assert "Your session" not in front.get("/today").text
    mine = front.client.get_cookie("session")
    with clock.at(clock.now() + timedelta(hours=1)):
        form = front.get(front.open("GET", "/today").location)
    assert "Your session has ended: nothing was done for a while" in form.text
    assert "kept" not in form.text
    execute(god, "UPDATE user_session SET ended_at = now(), end_reason = 'new password'")
    assert "Your session has ended: it was ended elsewhere" in front.get("/sign-in").text
    assert mine == front.client.get_cookie("session"), "it is said as often as the page is asked for"
    wrong = front.fill("/sign-in", email="nobody@east.example", password="nine red cranes at Inle")
    assert "it was ended elsewhere" in wrong.text
    stranger = Desk(front.app, front.app.test_client())
    with statements() as sent:
        assert "Your session" not in stranger.get("/sign-in").text
    assert not [one for one in sent if "user_session" in one]


def test_who_signed_out_himself_is_not_told_so(front: Desk) -> None:
    assert front.fill("/patients", "/sign-out").location == "/sign-in"
    assert "Your session" not in front.get("/sign-in").text


def test_the_sign_in_page_says_that_a_form_is_kept(front: Desk) -> None:
    form = front.forms(REGISTER)[REGISTER]
    with clock.at(clock.now() + timedelta(hours=1)):
        late = front.open("POST", REGISTER, data=form.values | {"family": "Aung"})
        assert late.location.startswith("/sign-in?next=/drafts/")
        said = front.get(late.location).text
    assert "nothing was done for a while" in said
    assert "What you sent is kept." in said


def test_a_press_after_signing_out_elsewhere_offers_to_sign_in(front: Desk, left: dict[str, str]) -> None:
    here = {"HX-Current-URL": f"http://localhost{REGISTER}"}
    answer = front.open("POST", REGISTER, htmx=True, data=left, headers=here)
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (401, "#alerts")
    assert f'href="/sign-in?next={REGISTER}"' in answer.text


def test_a_plain_form_after_signing_out_elsewhere_is_kept(front: Desk, left: dict[str, str]) -> None:
    own = {"Sec-Fetch-Site": "same-origin", "Referer": f"http://localhost{REGISTER}"}
    page = front.open("POST", REGISTER, data=left, headers=own)
    assert page.status_code == 400
    assert "You were signed out" in page.text
    assert f'href="/sign-in?next={REGISTER}"' in page.text
    assert 'name="family" value="Aung"' in page.text


def test_signing_out_in_two_tabs_ends_at_the_form(front: Desk, left: dict[str, str]) -> None:
    answer = front.open("POST", "/sign-out", data={"csrf_token": left["csrf_token"]})
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/")
