"""Nothing typed is lost: drafts kept while typing, and forms that came after the session had run out."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import unquote

import pytest

from careapp import clock, commands
from careapp.access import Actor, Role
from careapp.identity import drafts
from careapp.identity.sessions import start
from tests import factories as make
from tests.looking import execute, one, rows
from tests.web.checks import forms_of, parsed
from tests.web.conftest import Desk

REGISTER = "/patients/new"

FIELDS = {"given": "Ei", "family": "Phyu", "gender": "female"}


def run_out(god: Actor, desk: Desk) -> None:
    """Let the session of this desk be idle for too long."""
    execute(god, "UPDATE user_session SET last_seen_at = now() - interval '16 minutes' WHERE ended_at IS NULL")


def sign_in_again(desk: Desk, god: Actor) -> None:
    """The same user signs in once more with this browser."""
    user_id = one(god, "SELECT user_id FROM user_session ORDER BY id LIMIT 1")
    with desk.app.app_context(), commands.system_transaction(god.tenant_id):
        sid = start(god.tenant_id, user_id)
    with desk.client.session_transaction() as cookie:
        cookie["tenant"], cookie["sid"] = god.tenant_id, sid


def save(desk: Desk, address: str, **fields: str) -> str:
    """What the page script does while somebody types; gives the sentence it shows."""
    token = desk.forms("/preferences")["/preferences"].values["csrf_token"]
    data = {"draft": address, "csrf_token": token, "version": "1", "submission": "x", **fields}
    answer = desk.open("POST", "/drafts", data=data)
    assert answer.status_code == 200
    return answer.text


def test_a_form_sent_after_the_session_ran_out_is_kept_and_can_be_sent(front: Desk, god: Actor) -> None:
    values = front.forms(REGISTER)[REGISTER].values | FIELDS
    run_out(god, front)
    answer = front.open("POST", REGISTER, data=values)
    assert answer.status_code == 303
    back = re.fullmatch(r"/sign-in\?next=(/drafts/[0-9]+)", answer.location)
    assert back, answer.location
    sign_in_again(front, god)
    page = front.get(back[1])
    assert "Not saved yet" in page.text
    assert "Phyu" in page.text
    sent = front.send(front.forms(back[1])[REGISTER])
    assert sent.status_code == 303
    assert one(god, "SELECT family FROM patients WHERE family = 'Phyu'") == "Phyu"
    assert rows(god, "SELECT 1 FROM form_drafts") == [], "a form that was taken leaves no draft"


def test_nobody_else_sees_what_was_held_back(front: Desk, god: Actor, desk: Callable[..., Desk]) -> None:
    values = front.forms(REGISTER)[REGISTER].values | FIELDS
    run_out(god, front)
    front.open("POST", REGISTER, data=values)
    number = one(god, "SELECT id FROM form_drafts")
    assert desk(Role.FRONT_DESK).open("GET", f"/drafts/{number}").status_code == 404


def test_after_signing_out_a_form_is_not_kept_for_anybody(front: Desk, god: Actor) -> None:
    values = front.forms(REGISTER)[REGISTER].values | FIELDS
    execute(god, "UPDATE user_session SET ended_at = now()")
    front.open("POST", REGISTER, data=values)
    assert rows(god, "SELECT 1 FROM form_drafts") == []


def test_what_is_typed_is_saved_in_place_of_what_was(front: Desk, god: Actor) -> None:
    assert save(front, "/patients/new", family="Ph") == "Draft saved."
    assert save(front, "/patients/new", family="Phyu") == "Draft saved."
    [[fields]] = rows(god, "SELECT fields FROM form_drafts")
    assert ["family", "Phyu"] in fields
    assert "csrf_token" not in dict(fields)


def test_a_draft_is_only_its_users(front: Desk, god: Actor, desk: Callable[..., Desk]) -> None:
    save(front, "/patients/new", family="Phyu")
    other = desk(Role.FRONT_DESK)
    save(other, "/patients/new", family="Somebody else")
    assert len(rows(god, "SELECT 1 FROM form_drafts")) == 2


def test_too_much_is_refused_in_words(front: Desk, god: Actor) -> None:
    assert "too long" in save(front, "/patients/new", family="x" * (drafts.LARGEST_DRAFT + 1))
    assert rows(god, "SELECT 1 FROM form_drafts") == []


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example/x", "/\\evil.example", "https://evil.example", "", "/\t/evil.example/x", "/patients/new\0",
        "/today", "/no/such/form",
    ],
)  # fmt: skip
def test_no_draft_for_another_site_or_for_what_is_no_form(front: Desk, god: Actor, address: str) -> None:
    save(front, address, family="Phyu")
    assert rows(god, "SELECT 1 FROM form_drafts") == []


def test_discarding_forgets_it(front: Desk, god: Actor) -> None:
    save(front, "/patients/new", family="Phyu")
    token = front.forms("/preferences")["/preferences"].values["csrf_token"]
    data = {"draft": "/patients/new", "next": "/patients/new", "csrf_token": token}
    answer = front.open("POST", "/drafts/discard", data=data)
    assert (answer.status_code, answer.location) == (303, "/patients/new")
    assert rows(god, "SELECT 1 FROM form_drafts") == []


def test_discarding_an_address_of_nothing_is_no_fault(front: Desk) -> None:
    token = front.forms("/preferences")["/preferences"].values["csrf_token"]
    data = {"draft": "/patients/new\0", "next": "/patients/new", "csrf_token": token}
    assert front.open("POST", "/drafts/discard", data=data).status_code == 303


def test_of_one_user_the_newest_stay(front: Desk, god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MOST_OF_A_USER", 2)
    for number in range(4):
        save(front, f"/patients/new?next=/{number}", family="Phyu")
    kept = [row.address for row in rows(god, "SELECT address FROM form_drafts ORDER BY saved_at")]
    assert kept == ["/patients/new?next=/2", "/patients/new?next=/3"]


def test_old_drafts_are_forgotten(front: Desk, god: Actor) -> None:
    save(front, "/patients/new", family="Phyu")
    with front.app.app_context():
        assert drafts.forget_old(god.tenant_id) == 0
        with clock.at(clock.now() + timedelta(days=drafts.KEPT_DAYS, minutes=1)):
            assert drafts.forget_old(god.tenant_id) == 1


@pytest.mark.parametrize("address", ["/drafts", "/drafts/discard"])
@pytest.mark.parametrize("htmx", [False, True])
def test_a_draft_that_comes_after_the_session_is_no_form_to_come_back_to(
    front: Desk, god: Actor, address: str, htmx: bool
) -> None:
    token = front.forms("/preferences")["/preferences"].values["csrf_token"]
    run_out(god, front)
    data = {"draft": REGISTER, "csrf_token": token, "family": "Phyu"}
    answer = front.open("POST", address, htmx=htmx, data=data)
    assert answer.status_code == (401 if htmx else 303)
    assert not htmx or "You are signed out" in answer.text, "the script shows it"
    assert rows(god, "SELECT 1 FROM form_drafts") == []


def test_discarding_leads_back_to_the_page_also_after_a_move_on_it(god: Actor, doctor: Desk) -> None:
    booked = make.an_appointment(god, status="CONFIRMED")
    page = f"/episodes/{booked.episode_locator}"
    save(doctor, f"{page}/close", summary="So far")
    moved = doctor.fill(page, f"/appointments/{booked.locator}/arrive", htmx=True)
    [discard] = [form for form in forms_of(parsed(moved.text, fragment=True)) if form.action == "/drafts/discard"]
    assert discard.values["next"] == page


def test_what_was_held_back_says_what_it_is_about_and_can_be_discarded(doctor: Desk, god: Actor) -> None:
    episode = make.an_episode(god)
    page, close = f"/episodes/{episode.locator}", f"/episodes/{episode.locator}/close"
    values = doctor.forms(page)[close].values | {"summary": "Recovered"}
    run_out(god, doctor)
    back = doctor.open("POST", close, data=values).location.partition("next=")[2]
    sign_in_again(doctor, god)
    assert f'href="{page}"' in doctor.get(back).text
    answer = doctor.send(doctor.forms(back)["/drafts/discard"])
    assert (answer.status_code, answer.location) == (303, page)
    assert doctor.open("GET", back).status_code == 404


@pytest.mark.parametrize("in_burmese", [False, True])
def test_what_was_held_back_speaks_as_its_form_does(front: Desk, god: Actor, in_burmese: bool) -> None:
    clinic = make.a_clinic(god)
    slot = make.a_slot(god, hours=1, clinic=clinic)
    if in_burmese:
        front.fill("/preferences", language="my")
    token = front.forms("/preferences")["/preferences"].values["csrf_token"]
    given = {
        "choice": "NEW",
        "slot_locator": slot.locator,
        "care_type": "GP",
        "type": "FOLLOW_UP",
        "looked_at": "PTY-1",
    }
    run_out(god, front)
    back = front.open(
        "POST", f"/walk-in?clinic={clinic.locator}", data={"csrf_token": token, "submission": "x", **FIELDS, **given}
    ).location.partition("next=")[2]
    sign_in_again(front, god)
    facts = next(one for one in parsed(front.get(unquote(back)).text).iter("dl"))
    labels, texts = (["".join(one.itertext()) for one in facts.iter(tag)] for tag in ("dt", "dd"))
    shown = dict(zip(labels, texts, strict=True))
    if in_burmese:
        assert not {"Choice", "Patient", "Slot locator", "Care type", "Given"} & set(labels)
        return
    assert shown == {
        "Given names": "Ei", "Family name": "Phyu", "Gender": "Female", "Patient": "New patient",
        "Place": slot.locator, "Care type": "General practice", "Kind of appointment": "Follow up",
    }  # fmt: skip


def test_a_session_of_another_day_keeps_nothing(front: Desk, god: Actor) -> None:
    values = front.forms(REGISTER)[REGISTER].values | FIELDS
    execute(god, "UPDATE user_session SET last_seen_at = now() - interval '13 hours'")
    front.open("POST", REGISTER, data=values)
    assert rows(god, "SELECT 1 FROM form_drafts") == []
