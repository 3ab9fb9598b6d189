"""One's own account: where one is signed in, ending that, and a new password of one's own."""

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from careapp import clock
from careapp.access import Actor, Role
from careapp.identity import users
from careapp.identity.devices import device_of
from tests.conftest import TestTenant
from tests.identity.people import PASSWORD, a_user, peer
from tests.looking import one, rows
from tests.web.checks import forms_of, parsed
from tests.web.conftest import Desk

NEW = "eleven quiet boats at dawn"
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
)


@pytest.fixture
def user(app: APIFlask, admin: Actor) -> users.UserView:
    return a_user(admin, Role.CLINICIAN)


@pytest.fixture
def signed_in(app: APIFlask, user: users.UserView) -> Callable[..., Desk]:
    """signed_in() is a browser in which the user has just signed in through the form."""
    place = peer()

    def sign_in(email: str = user.email, password: str = PASSWORD, agent: str = AGENT, status: int = 303) -> Desk:
        client: FlaskClient = app.test_client()
        client.environ_base |= {"HTTP_USER_AGENT": agent, "REMOTE_ADDR": place}
        desk = Desk(app, client)
        [form] = [one for one in forms_of(parsed(desk.get("/sign-in").text)) if one.action == "/sign-in"]
        answer = desk.send(form, email=email, password=password)
        assert answer.status_code == status
        return desk

    return sign_in


def is_signed_in(desk: Desk) -> bool:
    return desk.open("GET", "/account").status_code == 200


def cookie_of(desk: Desk) -> str:
    kept = desk.client.get_cookie("session")
    assert kept
    return kept.value


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        (AGENT, "Chrome on Windows"),
        (AGENT + " Edg/156.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) Version/20.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Linux; Android 17; SM-S931B) Chrome/156.0 SamsungBrowser/30", "Samsung Internet on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15) Version/20 Safari/605", "Safari on macOS"),
        ("curl/8.9", None),
        ("<script>alert(1)</script>", None),
        ("x" * 10_000 + "Firefox/1", None),
        ("", None),
        (None, None),
    ],
)
def test_a_device_is_a_few_words(agent: str | None, told: str | None) -> None:
    assert device_of(agent) == told


def test_the_list_says_where_one_is_signed_in(signed_in: Callable[..., Desk], user: users.UserView) -> None:
    here, there = signed_in(), signed_in(agent="Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Firefox/150.0")
    signed_in(agent="curl/8.9").get("/account")
    page = here.get("/account").text
    assert page.count("This session") == 1
    assert all(word in page for word in ("Chrome on Windows", "Firefox on Linux", "Unknown device", "2001:db8:"))
    presses = re.findall(r"Sign out<span class=\"visually-hidden\"> ([^<]*), \w{3} \d+ \w{3} \d{4}, \d\d:\d\d<", page)
    assert len(presses) >= 2, "each says since when, as two may be of one kind of device"
    assert all(word in page for word in (user.email, "Clinician", "Asia/Yangon"))
    ends = [action for action in here.forms("/account") if action.endswith("/end")]
    assert len(ends) == 2, "the session of this page has no button of its own"
    assert "Chrome on Windows" in there.get("/account").text


def test_one_session_is_ended_and_the_others_stay(
    signed_in: Callable[..., Desk], god: Actor, user: users.UserView
) -> None:
    here, there, third = signed_in(), signed_in(agent="curl/8.9"), signed_in()
    page = here.get("/account").text
    number = one(god, "SELECT id FROM user_session WHERE user_id = :user AND device IS NULL", user=user.id)
    form = here.forms("/account")[f"/account/sessions/{number}/end"]
    assert f"/account/sessions/{number}/end" in page
    assert here.send(form).status_code == 303
    assert [is_signed_in(desk) for desk in (here, there, third)] == [True, False, True]
    assert here.send(form).status_code == 303, "the same form again: its first answer"
    assert here.send(form, submission=str(uuid4())).status_code == 404, "it is over"
    audited = rows(god, "SELECT actor, subject FROM audit_event WHERE action = 'user.end_session' AND outcome = 'done'")
    assert audited == [(f"user:{user.id}", f"user:{user.id}")]


def test_all_others_are_ended_at_once(signed_in: Callable[..., Desk]) -> None:
    here, there, third = signed_in(), signed_in(), signed_in()
    assert here.send(here.forms("/account")["/account/sessions/end-others"]).status_code == 303
    assert [is_signed_in(desk) for desk in (here, there, third)] == [True, False, False]
    assert "/account/sessions/end-others" not in here.forms("/account"), "nothing is left to end"


def test_nobody_sees_or_ends_somebody_elses_session(
    signed_in: Callable[..., Desk], admin: Actor, god: Actor, new_tenant: Callable[..., TestTenant],
    actor_of: Callable[..., Actor],
) -> None:  # fmt: skip
    other = a_user(admin, Role.FRONT_DESK)
    foreign = a_user(actor_of(Role.ADMIN, tenant=new_tenant()))
    mine, his, theirs = signed_in(), signed_in(other.email, agent="curl/8.9"), signed_in(foreign.email)
    number = one(god, "SELECT id FROM user_session WHERE user_id = :user", user=other.id)
    assert "Unknown device" not in mine.get("/account").text
    for stranger in (mine, theirs):
        token = stranger.forms("/account/password")["/account/password"].values["csrf_token"]
        answer = stranger.open("POST", f"/account/sessions/{number}/end", data={"csrf_token": token})
        assert answer.status_code == 404
    assert is_signed_in(his)


def test_a_new_password_ends_every_other_session_and_renews_this_one(
    app: APIFlask, signed_in: Callable[..., Desk], user: users.UserView, god: Actor
) -> None:
    here, there = signed_in(), signed_in()
    before = cookie_of(here)
    form = here.forms("/account/password")["/account/password"]
    answer = here.send(form, old_password=PASSWORD, new_password=NEW)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    assert [is_signed_in(desk) for desk in (here, there)] == [True, False]
    thief = app.test_client()
    thief.set_cookie("session", before)
    assert not is_signed_in(Desk(app, thief)), "a copy of the cookie from before is worth nothing"
    signed_in(password=PASSWORD, status=422)
    assert is_signed_in(signed_in(password=NEW))
    [(outcome, detail)] = rows(
        god, "SELECT outcome, detail FROM audit_event WHERE action = 'user.change_password' AND actor = :who",
        who=f"user:{user.id}",
    )  # fmt: skip
    assert (outcome, detail) == ("done", {"sessions_ended": 1})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("the wrong words entirely", NEW, "This is not your password."),
        (PASSWORD, "short", "Use at least 15 characters"),
        (PASSWORD, PASSWORD, "This is the password you have."),
        (PASSWORD, "passwordpassword123", "Many people use this password"),
        ("", "", "Fill this in."),
    ],
)
def test_a_refused_password_changes_nothing(
    signed_in: Callable[..., Desk], god: Actor, user: users.UserView, old: str, new: str, said: str
) -> None:
    here, there = signed_in(), signed_in()
    kept = one(god, "SELECT password_hash FROM users WHERE id = :id", id=user.id)
    form = here.forms("/account/password")["/account/password"]
    answer = here.send(form, old_password=old, new_password=new)
    assert answer.status_code == 422
    assert said in answer.text
    assert not (new and new in answer.text), "a password is never sent back"
    assert one(god, "SELECT password_hash FROM users WHERE id = :id", id=user.id) == kept
    assert is_signed_in(there)


def test_guessing_the_old_password_ends_the_session(signed_in: Callable[..., Desk], god: Actor) -> None:
    with clock.at(clock.now()):  # the wait is a second long, which a busy machine may spend between two requests
        here, there = signed_in(), signed_in()
        form = here.forms("/account/password")["/account/password"]
        answers = [here.send(form, old_password="the wrong words entirely", new_password=NEW) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 303]
        assert answers[-1].headers["Location"].startswith("/sign-in")
        assert "this failed too often" in here.get("/sign-in").text
        assert [is_signed_in(desk) for desk in (here, there)] == [False, True]
        again = signed_in()
        form = again.forms("/account/password")["/account/password"]
        waits = again.send(form, old_password=PASSWORD, new_password=NEW)
        assert (waits.status_code, waits.headers["Retry-After"]) == (429, "1"), "the next session waits as well"
    outcomes = rows(god, "SELECT outcome, detail ->> 'session_ended' FROM audit_event WHERE action = 'user.confirm'")
    assert sorted(outcomes) == [("refused", "false")] * 4 + [("refused", "true")]


def test_administrators_see_and_end_sessions_of_their_staff(
    app: APIFlask, signed_in: Callable[..., Desk], admin: Actor, user: users.UserView, god: Actor
) -> None:
    his, other = signed_in(), signed_in(agent="curl/8.9")
    boss = signed_in(a_user(admin, Role.ADMIN).email)
    address = f"/admin/users/{user.id}"
    assert "Chrome on Windows" in boss.get(address).text
    number = one(god, "SELECT id FROM user_session WHERE user_id = :user AND device IS NOT NULL", user=user.id)
    form = boss.forms(address)[f"{address}/sessions/{number}/end"]
    assert "Signed out there." in boss.send(form, htmx=True).text
    assert [is_signed_in(desk) for desk in (his, other)] == [False, True]
    assert boss.send(form).status_code == 303, "the same form again: its first answer"
    assert boss.send(form, submission=str(uuid4())).status_code == 404
