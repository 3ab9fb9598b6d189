"""Dangerous acts ask who is there once more: when, in which form, and what becomes of what was typed."""

import time
from collections.abc import Callable

import pytest
from apiflask import APIFlask

from careapp import clock
from careapp.access import Actor, Role
from careapp.identity import recovery, users
from careapp.identity.actors import actor_of_email
from tests.identity.authenticator import LOCAL, Authenticator
from tests.identity.enrolled import with_app, with_passkey
from tests.identity.people import PASSWORD, a_user, peer
from tests.looking import audits, execute, newest, one, rows
from tests.rules.pages import page_address
from tests.rules.pages import rules as rules_of
from tests.web.conftest import Desk

WRONG = "the wrong words entirely"
DANGEROUS = {
    "admin_users.add", "admin_users.change", "admin_users.password", "admin_users.disable", "admin_users.enable",
    "admin_users.end_sessions", "admin_users.end_session", "admin_settings.change", "admin_outbox.withhold",
    "admin_audit.export", "admin_audit.export_fhir", "admin_erasure.erase", "admin_erasure.lift",
    "admin_emergencies.review",
    "admin_clients.add", "admin_clients.rotate", "admin_clients.disable", "admin_clients.enable",
}  # fmt: skip
EXPORTS = {name for name in DANGEROUS if name.startswith("admin_audit.")}
PAPERS = {"prescription_print.paper_pdf"}  # a file, yet of one patient who stands there and is given it


@pytest.fixture
def boss(desk: Callable[..., Desk], god: Actor) -> Desk:
    """An administrator who signed in an hour ago and has been at work since."""
    made = desk(Role.ADMIN)
    an_hour_later(god)
    return made


@pytest.fixture
def user(god: Actor) -> users.UserView:
    return a_user(god, Role.FRONT_DESK, name="Ko Aung")


def an_hour_later(god: Actor) -> None:
    execute(
        god, "UPDATE user_session SET created_at = now() - interval '1 hour', confirmed_at = now() - interval '1 hour'"
    )


def confirm(desk: Desk, address: str, password: str = PASSWORD) -> str:
    """Answer the page that asks, and say where it leads then."""
    form = desk.forms(address)["/confirm"]
    answer = desk.send(form, password=password)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_the_dangerous_acts_are_known(app: APIFlask) -> None:
    marked = {name for name, view in app.view_functions.items() if getattr(view, "recently_confirmed", False)}
    in_test_factors = {name for name in marked if name.startswith("factors.")} | {"admin_users.remove_factors"}
    assert marked - in_test_factors == DANGEROUS


def test_whatever_answers_a_file_asks_for_a_proof(app: APIFlask, desk: Callable[..., Desk], god: Actor) -> None:
    """Nobody has to think of a new export: it is found by what it answers."""
    files = set()
    for browser in [desk(role) for role in Role]:
        for rule in rules_of(app, "GET"):
            if "Content-Disposition" in browser.open("GET", page_address(rule, god)).headers:
                files.add(rule.endpoint)
    marked = {name for name in files if getattr(app.view_functions[name], "recently_confirmed", False)}
    assert files - marked == PAPERS
    assert marked == EXPORTS


def test_no_dangerous_act_is_done_without_a_proof(app: APIFlask, desk: Callable[..., Desk], god: Actor) -> None:
    tried = set()
    for role in (Role.ADMIN, Role.AUDITOR):
        browser = desk(role)
        token = browser.forms("/account/password")["/account/password"].values["csrf_token"]
        an_hour_later(god)
        for method in ("GET", "POST"):
            for rule in rules_of(app, method):
                if rule.endpoint not in DANGEROUS or (rule.endpoint in EXPORTS) != (role == Role.AUDITOR):
                    continue
                address, last = page_address(rule, god), newest(god)["audits"]
                answer = browser.open(method, address, data={"csrf_token": token} if method == "POST" else None)
                assert answer.status_code == 303, rule.rule
                assert answer.headers["Location"].startswith("/confirm?next="), rule.rule
                assert [row for row in audits(god, after=last) if row.outcome == "done"] == [], rule.rule
                tried.add(rule.endpoint)
    assert tried == DANGEROUS


def test_just_after_sign_in_nothing_is_asked(desk: Callable[..., Desk], user: users.UserView) -> None:
    boss = desk(Role.ADMIN)
    address = f"/admin/users/{user.id}"
    assert boss.send(boss.forms(address)[f"{address}/disable"]).headers["Location"] == address


def test_a_session_of_the_version_before_was_confirmed_at_sign_in(
    desk: Callable[..., Desk], god: Actor, user: users.UserView
) -> None:
    boss, address = desk(Role.ADMIN), f"/admin/users/{user.id}"
    form = boss.forms(address)[f"{address}/disable"]
    execute(god, "UPDATE user_session SET confirmed_at = NULL, created_at = now() - interval '4 minutes'")
    assert boss.send(form).headers["Location"] == address
    execute(god, "UPDATE user_session SET confirmed_at = NULL, created_at = now() - interval '6 minutes'")
    assert boss.send(form).headers["Location"].startswith("/confirm?next=")


def test_what_was_typed_comes_back_after_the_proof(boss: Desk, god: Actor, user: users.UserView) -> None:
    address = f"/admin/users/{user.id}"
    asked = boss.send(boss.forms(address)[address], name="Ko Aung Min")
    assert asked.status_code == 303
    to = confirm(boss, asked.headers["Location"])
    assert to.startswith("/drafts/")
    assert "Ko Aung Min" in boss.get(to).text
    done = boss.send(boss.forms(to)[address])
    assert (done.status_code, done.headers["Location"]) == (303, address)
    assert one(god, "SELECT name FROM users WHERE id = :id", id=user.id) == "Ko Aung Min"
    assert boss.open("GET", to).status_code == 404, "the draft has done its work"


def test_a_password_is_not_kept_for_later(boss: Desk, god: Actor, user: users.UserView) -> None:
    address = f"/admin/users/{user.id}"
    form = boss.forms(address)[f"{address}/password"]
    asked = boss.open(
        "POST", form.action, data={**form.values, "password": "eleven quiet boats at dawn"},
        headers={"Referer": f"http://localhost{address}"},
    )  # fmt: skip
    assert asked.headers["Location"] == f"/confirm?next={address}"
    assert one(god, "SELECT count(*) FROM form_drafts") == 0
    assert confirm(boss, asked.headers["Location"]) == address


def test_htmx_asks_in_the_corner_and_leaves_the_page(boss: Desk, user: users.UserView) -> None:
    address = f"/admin/users/{user.id}"
    form = boss.forms(address)[f"{address}/password"]
    typed = {**form.values, "password": "eleven quiet boats at dawn"}
    asked = boss.open("POST", form.action, htmx=True, data=typed)
    assert (asked.status_code, asked.headers["HX-Retarget"]) == (403, "#alerts")
    assert 'hx-post="/confirm"' in asked.text
    token = {"csrf_token": form.values["csrf_token"]}
    wrong = boss.open("POST", "/confirm", htmx=True, data=token | {"password": WRONG})
    assert wrong.status_code == 422
    assert "This is not your password." in wrong.text
    right = boss.open("POST", "/confirm", htmx=True, data=token | {"password": PASSWORD})
    assert right.status_code == 200
    assert "Now press the button once more." in right.text
    assert boss.open("POST", form.action, htmx=True, data=typed).status_code == 200, "the page's token is good still"


def test_a_page_that_htmx_gets_is_led_away(desk: Callable[..., Desk], god: Actor) -> None:
    auditor = desk(Role.AUDITOR)
    an_hour_later(god)
    answer = auditor.open(
        "GET", "/admin/audit.csv", htmx=True, headers={"HX-Current-URL": "http://localhost/admin/audit?outcome=refused"}
    )
    assert answer.status_code == 403
    assert answer.headers["HX-Redirect"] == "/confirm?next=/admin/audit%3Foutcome%3Drefused"


def test_a_file_leads_back_to_the_page_it_was_asked_for_on(desk: Callable[..., Desk], god: Actor) -> None:
    auditor = desk(Role.AUDITOR)
    an_hour_later(god)
    answer = auditor.open(
        "GET", "/admin/audit.csv", headers={"Referer": "http://localhost/admin/audit?outcome=refused"}
    )
    to = confirm(auditor, answer.headers["Location"])
    assert to == "/admin/audit?outcome=refused"
    assert auditor.open("GET", "/admin/audit.csv").mimetype == "text/csv"


def test_the_cookie_is_renewed_by_a_proof(app: APIFlask, boss: Desk) -> None:
    before = boss.client.get_cookie("session").value
    assert confirm(boss, "/confirm?next=/admin/users") == "/admin/users"
    thief = Desk(app, app.test_client())
    thief.client.set_cookie("session", before)
    assert thief.open("GET", "/account").status_code == 303
    boss.get("/account")


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/sign-out", "", "/\\evil.example"])
def test_nobody_is_led_to_another_site(boss: Desk, to: str) -> None:
    form = boss.forms("/confirm")["/confirm"]
    assert boss.send(form, password=PASSWORD, next=to).headers["Location"] == "/"


def test_five_failures_end_the_session_and_the_next_one_waits(boss: Desk, god: Actor) -> None:
    form = boss.forms("/confirm?next=/admin/users")["/confirm"]
    answers = [boss.send(form, password=WRONG) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 303]
    assert answers[-1].headers["Location"].startswith("/sign-in?next=")
    assert "this failed too often" in boss.get("/sign-in").text
    assert one(god, "SELECT end_reason FROM user_session") == "failed to confirm"
    assert [row.outcome for row in rows(god, "SELECT outcome FROM audit_event WHERE action = 'user.confirm'")] == (
        ["refused"] * 5
    )


def test_a_proof_forgets_the_failures_before_it(boss: Desk, god: Actor) -> None:
    for _ in range(2):
        form = boss.forms("/confirm")["/confirm"]
        assert [boss.send(form, password=WRONG).status_code for _ in range(4)] == [422] * 4
        confirm(boss, "/confirm")
    assert one(god, "SELECT confirm_failures FROM user_session") == 0


def test_failures_at_the_sign_in_form_delay_nobody_who_is_signed_in(app: APIFlask, boss: Desk, god: Actor) -> None:
    email = one(god, "SELECT email FROM users")
    stranger = Desk(app, app.test_client())
    stranger.client.environ_base["REMOTE_ADDR"] = peer()
    with clock.at(clock.now()):  # the wait is a second long, in which a machine may stand still
        for _ in range(6):
            answer = stranger.send(stranger.forms("/sign-in")["/sign-in"], email=email, password=WRONG)
    assert answer.status_code == 429
    assert confirm(boss, "/confirm?next=/admin/users") == "/admin/users"


def test_step_up_is_of_one_session(app: APIFlask, boss: Desk, god: Actor, user: users.UserView) -> None:
    """A proof in one browser opens nothing in another of the same person."""
    other, email = Desk(app, app.test_client()), one(god, "SELECT email FROM users WHERE roles = '{admin}'")
    other.client.environ_base["REMOTE_ADDR"] = peer()
    other.send(other.forms("/sign-in")["/sign-in"], email=email, password=PASSWORD)
    an_hour_later(god)
    confirm(other, "/confirm")
    address = f"/admin/users/{user.id}"
    assert boss.send(boss.forms(address)[f"{address}/disable"]).headers["Location"].startswith("/confirm")
    assert other.send(other.forms(address)[f"{address}/disable"]).headers["Location"] == address


def owner_of(boss: Desk, god: Actor) -> Actor:
    """Who sits at this desk, as he acts himself."""
    actor = actor_of_email(one(god, "SELECT email FROM users WHERE roles = '{admin}'"))
    assert actor
    return actor


def test_who_has_an_app_confirms_with_its_code_and_each_code_once(boss: Desk, god: Actor) -> None:
    app = with_app(owner_of(boss, god), session_id=one(god, "SELECT id FROM user_session"))
    form = boss.forms("/confirm?next=/admin/users")["/confirm/code"]
    code = app.at(int(time.time()))
    assert boss.send(form, code=code).headers["Location"] == "/admin/users"
    assert [row.detail["way"] for row in audits(god) if row.action == "user.confirm"] == ["totp"]
    form = boss.forms("/confirm?next=/admin/users")["/confirm/code"]
    again = boss.send(form, code=code)
    assert again.status_code == 422
    assert "That was not accepted." in again.text
    assert 'value="/admin/users"' in again.text, "where he wanted to go is kept"


def test_a_password_is_no_proof_of_who_has_a_second_factor(boss: Desk, god: Actor, user: users.UserView) -> None:
    form = boss.forms("/confirm")["/confirm"]
    with_app(owner_of(boss, god), session_id=one(god, "SELECT id FROM user_session"))
    answer = boss.send(form, password=PASSWORD)
    assert answer.status_code == 422
    assert "a password alone is not enough" in answer.text
    address = f"/admin/users/{user.id}"
    asked = boss.send(boss.forms(address)[f"{address}/disable"])
    assert asked.headers["Location"].startswith("/confirm?next=")
    corner = boss.open("POST", f"{address}/disable", htmx=True, data={"csrf_token": form.values["csrf_token"]})
    assert corner.status_code == 403
    assert "password" not in corner.text, "the corner has no room for a factor: it leads to the page"
    assert "/confirm?next=" in corner.text


def test_a_recovery_code_confirms_once(boss: Desk, god: Actor) -> None:
    owner = owner_of(boss, god)
    with_app(owner, session_id=one(god, "SELECT id FROM user_session"))
    code = recovery.make(owner)[0]
    assert boss.send(boss.forms("/confirm")["/confirm/code"], code=code).status_code == 303
    assert boss.send(boss.forms("/confirm")["/confirm/code"], code=code).status_code == 422


def test_a_passkey_confirms_in_its_own_session_only(
    app: APIFlask, boss: Desk, god: Actor, desk: Callable[..., Desk]
) -> None:
    device = with_passkey(
        owner_of(boss, god), Authenticator(LOCAL), site=LOCAL, session_id=one(god, "SELECT id FROM user_session")
    )
    form = boss.forms("/confirm?next=/admin/users")["/confirm/passkey"]
    token = {"X-CSRFToken": form.values["csrf_token"]}
    answer = device.signed(boss.open("POST", "/confirm/options", headers=token).text)
    assert boss.send(form, passkey=answer).headers["Location"] == "/admin/users"
    form = boss.forms("/confirm?next=/admin/users")["/confirm/passkey"]
    assert boss.send(form, passkey=answer).status_code == 422, "a challenge is good once"
    other = desk(Role.CLINICIAN)
    theirs = other.forms("/confirm")["/confirm"].values["csrf_token"]
    stolen = device.signed(other.open("POST", "/confirm/options", headers={"X-CSRFToken": theirs}).text)
    refused = boss.send(form, passkey=stolen)
    assert refused.status_code == 422
    assert "That was not accepted." in refused.text


def test_wrong_codes_count_like_wrong_passwords(boss: Desk, god: Actor) -> None:
    with_app(owner_of(boss, god), session_id=one(god, "SELECT id FROM user_session"))
    form = boss.forms("/confirm?next=/admin/users")["/confirm/code"]
    answers = [boss.send(form, code="000000000") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 303]
    assert one(god, "SELECT end_reason FROM user_session") == "failed to confirm"
