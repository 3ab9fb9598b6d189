"""What is sent after the session has ended: nothing typed is lost, and one is led back to where one was."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from careapp import clock
from careapp.access import Actor
from tests.identity.people import PASSWORD
from tests.looking import execute, one, rows
from tests.web.checks import forms_of, parsed
from tests.web.conftest import Desk

REGISTER = "/patients/new"
OWN = {"Sec-Fetch-Site": "same-origin", "Referer": f"http://localhost{REGISTER}"}


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
    page = front.open("POST", REGISTER, data=left, headers=OWN)
    assert page.status_code == 400
    assert "You were signed out" in page.text
    assert f'href="/sign-in?next={REGISTER}"' in page.text
    assert 'name="family" value="Aung"' in page.text


def ended(god: Actor) -> None:
    """Whoever it is, an administrator has ended his session."""
    execute(god, "UPDATE user_session SET ended_at = now(), end_reason = 'ended by an administrator'")


def test_a_form_of_a_session_that_was_ended_goes_back_to_its_browser(god: Actor, front: Desk) -> None:
    values = front.forms(REGISTER)[REGISTER].values | {"family": "Aung", "phone": "09 555 0101"}
    ended(god)
    held = front.open("POST", REGISTER, data=values, headers=OWN)
    assert held.status_code == 400
    assert f'href="/sign-in?next={REGISTER}"' in held.text
    assert "it was ended elsewhere" in front.get("/sign-in").text
    assert rows(god, "SELECT 1 FROM form_drafts") == []
    assert rows(god, "SELECT 1 FROM patients") == []
    email = one(god, "SELECT email FROM users")
    assert front.fill("/sign-in", email=email, password=PASSWORD).status_code == 303
    form = next(form for form in forms_of(parsed(held.text)) if form.action == REGISTER)
    once_more = front.open("POST", REGISTER, data=form.values, headers=OWN)
    assert "You signed in again after this form was opened" in once_more.text
    form = next(form for form in forms_of(parsed(once_more.text)) if form.action == REGISTER)
    assert front.send(form).status_code == 303
    assert one(god, "SELECT family FROM patients") == "Aung"


@pytest.mark.parametrize(
    ("address", "typed", "headers"),
    [
        (REGISTER, {"family": "Aung"}, {}),
        (REGISTER, {}, OWN),
        ("/account/password", {"new_password": "nine red cranes at Inle", "old_password": "x"}, OWN),
        ("/drafts", {"draft": REGISTER, "family": "Aung"}, OWN),
    ],
    ids=["no word of the browser's", "nothing typed", "a password", "a draft"],
)
def test_no_other_form_of_a_session_that_was_ended_comes_back(
    god: Actor, front: Desk, address: str, typed: dict[str, str], headers: dict[str, str]
) -> None:
    token = front.forms(REGISTER)[REGISTER].values["csrf_token"]
    ended(god)
    answer = front.open("POST", address, data={"csrf_token": token, **typed}, headers=headers)
    assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/sign-in")


def test_signing_out_in_two_tabs_ends_at_the_form(front: Desk, left: dict[str, str]) -> None:
    answer = front.open("POST", "/sign-out", data={"csrf_token": left["csrf_token"]})
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/")
