"""Pages of staff: finding, adding, changing, and shutting out, with and without JavaScript."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.identity import users
from careapp.identity.sign_in import sign_in
from careapp.overviews import staff
from tests import factories as make
from tests.identity.people import PASSWORD, a_user, address
from tests.looking import audits, id_of, one
from tests.web.conftest import Desk

SHOWN_PASSWORD = re.compile(r'class="password">([^<]+)<')


@pytest.fixture
def office(desk: Callable[..., Desk]) -> Desk:
    """An administrator's browser."""
    return desk(Role.ADMIN, name="Su Myat Office")


def sent(desk: Desk, url: str, *, htmx: bool = False, **fields: Any) -> Any:
    """Post fields, lists among them, with the page's token."""
    token = desk.forms(url.removesuffix("/password"))["/sign-out"].values["csrf_token"]
    return desk.open("POST", url, htmx=htmx, data={"csrf_token": token, **fields})


def fields_of(user: users.UserView, **changes: Any) -> dict[str, Any]:
    """What the form of a user sends when nothing is changed, and changes to it."""
    return {
        "version": user.version, "name": user.name, "roles": [role.value for role in user.roles], "provider": "",
        **changes,
    }  # fmt: skip


def test_the_list_shows_all_and_counts_its_statements(office: Desk, god: Actor, statements: Callable[[], Any]) -> None:
    clinic = make.a_clinic(god, name="Hill Clinic")
    for number in range(60):
        a_user(god, Role.FRONT_DESK, name=f"Member {number:02}", clinic_ids=[id_of(god, "clinics", clinic.locator)])
    with statements() as seen:
        page = office.get("/admin/users")
    assert len(seen) == 1, seen  # after the list, which reads of sessions itself: the zone
    assert page.text.count("Hill Clinic") == 50
    further = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert further
    assert office.get(further[1].replace("&amp;", "&")).text.count("Hill Clinic") == 10


def test_typing_finds_by_name_and_address(office: Desk, god: Actor) -> None:
    a_user(god, Role.CLINICIAN, name="Daw Khin Test", email=f"khin.{address()}")
    a_user(god, Role.CLINICIAN, name="U Tun Test")
    form = office.forms("/admin/users")["/admin/users"]
    for typed, found in (("daw kh", True), ("KHIN.", True), ("U Tun", False), ("100%", False)):
        answer = office.send(form, q=typed, htmx=True)
        assert answer.status_code == 200
        assert ("Daw Khin Test" in answer.text) is found, typed
        assert "<h1" not in answer.text
    assert "<h1" in office.send(form, q="daw").text, "without JavaScript the whole page"


def test_somebody_is_added_with_a_password_shown_once(office: Desk, god: Actor) -> None:
    clinic, mail = make.a_clinic(god), address()
    form = office.forms("/admin/users/new")["/admin/users/new"]
    data = {
        **form.values,
        "email": mail,
        "name": "Ma New",
        "roles": ["front_desk", "auditor"],
        "clinics": [clinic.locator],
    }
    answer = office.open("POST", "/admin/users/new", data=data)
    assert answer.status_code == 200
    password = SHOWN_PASSWORD.search(answer.text)
    assert password
    assert sign_in(mail, password[1], address="192.0.2.9")
    assert one(god, "SELECT needs_new_password FROM users WHERE email = :mail", mail=mail) is True, (
        "it is the first only"
    )
    again = office.open("POST", "/admin/users/new", data=data)
    assert again.status_code == 303
    assert SHOWN_PASSWORD.search(office.get(again.headers["Location"]).text) is None
    user_id = int(again.headers["Location"].rsplit("/", 1)[1])
    assert one(god, "SELECT roles FROM users WHERE id = :id", id=user_id) == ["auditor", "front_desk"]
    assert one(god, "SELECT count(*) FROM user_clinics WHERE user_id = :id", id=user_id) == 1


def test_what_is_wrong_with_a_new_member_is_said_and_kept(office: Desk, god: Actor) -> None:
    taken = a_user(god).email
    form = office.forms("/admin/users/new")["/admin/users/new"]
    answer = office.open(
        "POST", "/admin/users/new", data={**form.values, "email": taken, "name": "Kept Name", "roles": "admin"}
    )
    assert answer.status_code == 422
    assert "Somebody signs in with this address already." in answer.text
    assert 'value="Kept Name"' in answer.text
    nothing = {name: text for name, text in form.values.items() if name not in ("roles", "clinics")}
    assert "Choose at least one role." in office.open(
        "POST", "/admin/users/new", data={**nothing, "email": address(), "name": "A"}
    ).text  # fmt: skip


@pytest.mark.parametrize("htmx", [False, True])
def test_a_change_of_roles_ends_sessions_and_is_audited(office: Desk, god: Actor, htmx: bool) -> None:
    user = a_user(god, Role.FRONT_DESK, name="Ko Change")
    sign_in(user.email, PASSWORD, address="192.0.2.1")
    answer = sent(office, f"/admin/users/{user.id}", htmx=htmx, **fields_of(user, roles=["clinician"]))
    assert answer.status_code == (200 if htmx else 303)
    assert one(god, "SELECT count(*) FROM user_session WHERE user_id = :id AND ended_at IS NULL", id=user.id) == 0
    [row] = [row for row in audits(god) if row.action == "user.change"]
    assert row.detail == {"before": {"roles": ["front_desk"]}, "after": {"roles": ["clinician"]}, "sessions_ended": 1}
    if htmx:
        assert "Saved." in answer.text
        assert ">Ko Change</h1>" in answer.text


def test_a_stale_form_shows_what_is_stored_and_keeps_what_was_typed(office: Desk, god: Actor) -> None:
    user = a_user(god, Role.FRONT_DESK, name="Before")
    first = users.change_user(god, user.id, version=user.version, name="By Another", roles=[Role.AUDITOR])
    answer = sent(office, f"/admin/users/{user.id}", **fields_of(user, name="Typed By Me"))
    assert answer.status_code == 409
    assert "By Another" in answer.text
    assert 'value="Typed By Me"' in answer.text
    assert f'name="version" value="{first.version}"' in answer.text, "a second press, after a look, is taken"
    assert one(god, "SELECT name FROM users WHERE id = :id", id=user.id) == "By Another"


def test_an_invalid_form_keeps_the_version_it_was_based_on(office: Desk, god: Actor) -> None:
    user = a_user(god, Role.FRONT_DESK)
    newer = users.change_user(god, user.id, version=user.version, name="Newer", roles=[Role.AUDITOR])
    answer = sent(office, f"/admin/users/{user.id}", **fields_of(user, roles=[]))
    assert answer.status_code == 422
    assert f'name="version" value="{user.version}"' in answer.text
    assert newer.version > user.version


def test_what_a_user_has_and_no_list_offers_stays(office: Desk, god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    clinics = [make.a_clinic(god, name=name).locator for name in ("North", "South")]
    _, provider = make.a_provider(god, name="Dr Aung"), make.a_provider(god, name="Dr Zaw").locator
    ids = {"clinic_ids": [id_of(god, "clinics", clinics[1])], "provider_id": id_of(god, "providers", provider)}
    user = a_user(god, Role.CLINICIAN, **ids)
    monkeypatch.setattr(staff, "MOST_CHOICES", 1)  # as of hundreds of clinics and providers
    assert office.fill(f"/admin/users/{user.id}", f"/admin/users/{user.id}", name="Another Name").status_code == 303
    assert one(god, "SELECT name FROM users WHERE id = :id", id=user.id) == "Another Name"
    assert one(god, "SELECT provider_id FROM users WHERE id = :id", id=user.id) == ids["provider_id"]
    assert one(god, "SELECT clinic_id FROM user_clinics WHERE user_id = :id", id=user.id) == ids["clinic_ids"][0]


def test_out_and_in_again(office: Desk, god: Actor) -> None:
    user = a_user(god, Role.FRONT_DESK, name="Ko Out")
    base = f"/admin/users/{user.id}"
    assert office.fill(base, f"{base}/disable").status_code == 303
    assert "Disabled" in office.get("/admin/users").text
    answer = office.fill(base, f"{base}/enable", htmx=True)
    assert "Enabled, with the same password and roles as before." in answer.text
    assert office.fill(base, f"{base}/end-sessions", htmx=True).status_code == 200
    assert [row.action for row in audits(god)][-3:] == ["user.disable", "user.enable", "user.end_sessions"]


@pytest.mark.parametrize("htmx", [False, True])
def test_a_made_password_is_shown_once_and_a_chosen_one_never(office: Desk, god: Actor, htmx: bool) -> None:
    user = a_user(god)
    base = f"/admin/users/{user.id}"
    answer = office.fill(base, f"{base}/password", htmx=htmx)
    made = SHOWN_PASSWORD.search(answer.text)
    assert made
    assert sign_in(user.email, made[1], address="192.0.2.2")
    assert one(god, "SELECT needs_new_password FROM users WHERE id = :id", id=user.id) is True
    chosen = office.fill(base, f"{base}/password", htmx=htmx, password="five quiet herons by the lake")
    assert chosen.status_code == (200 if htmx else 303)
    assert "herons" not in chosen.text
    weak = office.fill(base, f"{base}/password", htmx=htmx, password="short")
    assert weak.status_code == 422
    assert "Use at least 15 characters" in weak.text


def test_nobody_removes_himself(office: Desk, god: Actor) -> None:
    me = one(god, "SELECT id FROM users WHERE name = 'Su Myat Office'")
    page = office.get(f"/admin/users/{me}").text
    assert f"/admin/users/{me}/disable" not in page
    assert sent(office, f"/admin/users/{me}", version=1, name="Su Myat Office", roles="auditor").status_code == 409
    token = office.forms("/admin/users")["/sign-out"].values["csrf_token"]
    refused = office.open("POST", f"/admin/users/{me}/disable", data={"csrf_token": token})
    assert refused.status_code == 409
    assert "Ask another administrator" in refused.text


def test_administration_leads_to_what_one_may(desk: Callable[..., Desk]) -> None:
    for role, goal in ((Role.ADMIN, "/admin/users"), (Role.AUDITOR, "/admin/audit")):
        answer = desk(role).open("GET", "/admin")
        assert (answer.status_code, answer.headers["Location"]) == (303, goal)
    assert desk(Role.FRONT_DESK).open("GET", "/admin").status_code == 403
    admin, auditor = desk(Role.ADMIN).get("/admin/users").text, desk(Role.AUDITOR).get("/admin/audit").text
    assert 'href="/admin/outbox"' in admin
    assert 'href="/admin/audit"' not in admin
    assert 'href="/admin/users"' not in auditor
