"""What is sent after the session has ended: nothing typed is lost, and one is led back to where one was."""

from urllib.parse import quote

import pytest

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
