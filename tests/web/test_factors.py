"""Pages of second factors: enrolling, the second stage of signing in, being led to enrol, an administrator's help."""

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyotp
import pytest
import segno
from apiflask import APIFlask

from careapp import clock
from careapp.access import Actor, Role
from tests.identity.authenticator import LOCAL, Authenticator
from tests.identity.enrolled import CODE, somebody, with_app, with_passkey
from tests.identity.people import PASSWORD, peer
from tests.looking import audits, execute, one, rows
from tests.web.checks import forms_of, parsed
from tests.web.conftest import Desk

SECRET = re.compile(r'class="password">([A-Z2-7 ]+)<')
FACTORS, APP = "/account/factors", "/account/factors/app"


@pytest.fixture
def person(app: APIFlask, admin: Actor) -> tuple[Actor, str]:
    """Somebody without a second factor, and his e-mail address."""
    return somebody(admin, Role.CLINICIAN)


@pytest.fixture
def browser(app: APIFlask) -> Callable[[], Desk]:
    """browser() is one nobody has signed in with."""

    def open_one() -> Desk:
        client = app.test_client()
        client.environ_base |= {"REMOTE_ADDR": peer()}
        return Desk(app, client)

    return open_one


def form(desk: Desk, page: str, action: str) -> Any:
    [found] = [one for one in forms_of(parsed(desk.get(page).text)) if one.action == action]
    return found


def password(desk: Desk, email: str, to: str = "") -> Any:
    """Give the right password; the answer."""
    sent = form(desk, f"/sign-in?next={to}", "/sign-in")
    return desk.send(sent, email=email, password=PASSWORD)


def options(desk: Desk, address: str, token: str) -> str:
    answer = desk.open("POST", address, headers={"X-CSRFToken": token})
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    return str(answer.text)


def is_signed_in(desk: Desk) -> bool:
    return desk.open("GET", "/preferences").status_code == 200


@pytest.fixture
def stopped() -> Iterator[int]:
    """The clock stands still, at this second: the code before the present one ends with the present one's time."""
    with clock.at(now := clock.now()):
        yield int(now.timestamp())


def test_an_app_is_set_up_and_signs_in(person: tuple[Actor, str], browser: Callable[[], Desk], stopped: int) -> None:
    _actor, email = person
    desk = browser()
    assert password(desk, email).location == "/"
    assert desk.send(form(desk, FACTORS, APP)).location == APP
    shown = desk.get(APP)
    uri = re.search(r'href="(otpauth:[^"]+)"', shown.text)
    secret = SECRET.search(shown.text)
    assert uri
    assert secret
    app = pyotp.parse_uri(html.unescape(uri[1]))
    assert isinstance(app, pyotp.TOTP)
    assert app.secret == secret[1].replace(" ", "")
    assert segno.make(html.unescape(uri[1]), error="m", micro=False).svg_data_uri(scale=4, light="#fff") in (
        html.unescape(shown.text)
    ), "the same as a picture"
    wrong = desk.send(form(desk, APP, f"{APP}/confirm"), code="12 34")
    assert wrong.status_code == 422
    assert "not the code" in wrong.text
    assert secret[1] in wrong.text, "the same key again, not another one"
    done = desk.send(form(desk, APP, f"{APP}/confirm"), code=app.at(stopped - 30))
    assert done.status_code == 200
    codes = CODE.findall(done.text)
    assert len(codes) == 10
    assert is_signed_in(desk)
    assert codes[0] not in desk.get(FACTORS).text, "shown once"

    other = browser()
    led = password(other, email, "/calendar")
    assert led.location == "/sign-in/second?next=/calendar"
    assert not is_signed_in(other)
    again = other.send(form(other, led.location, "/sign-in/second"), code="000000000")
    assert again.status_code == 422
    assert "not accepted" in again.text
    assert not is_signed_in(other)
    done = other.send(form(other, led.location, "/sign-in/second"), code=app.at(stopped))
    assert done.location == "/calendar"
    assert is_signed_in(other)
    third = browser()
    led = password(third, email)
    assert third.send(form(third, led.location, "/sign-in/second"), code=codes[4]).location == "/"


def test_a_passkey_is_made_and_signs_in_both_ways(person: tuple[Actor, str], browser: Callable[[], Desk]) -> None:
    _actor, email = person
    desk, device = browser(), Authenticator(LOCAL)
    password(desk, email)
    new = form(desk, FACTORS, f"{FACTORS}/passkeys")
    made = device.made(options(desk, f"{FACTORS}/passkeys/options", new.values["csrf_token"]))
    assert len(CODE.findall(desk.send(new, passkey=made, name="My phone").text)) == 10
    assert "My phone" in desk.get(FACTORS).text
    assert desk.send(new, passkey=made, name="Again").status_code == 422

    second = browser()
    led = password(second, email, "/calendar").location
    proof = form(second, led, "/sign-in/second/passkey")
    answer = device.signed(options(second, "/sign-in/second/options", proof.values["csrf_token"]))
    assert second.send(proof, passkey=answer).location == "/calendar"
    assert is_signed_in(second)

    alone = browser()
    proof = form(alone, "/sign-in?next=/calendar", "/sign-in/passkey")
    answer = device.signed(options(alone, "/sign-in/passkey/options", proof.values["csrf_token"]))
    thief = browser()
    stolen = form(thief, "/sign-in", "/sign-in/passkey")
    refused = thief.send(stolen, passkey=answer)
    assert refused.status_code == 422, "another browser was given no such challenge"
    assert "not accepted" in refused.text
    assert alone.send(proof, passkey=answer).location == "/calendar"
    assert is_signed_in(alone)
    assert alone.send(form(browser(), "/sign-in", "/sign-in/passkey"), passkey=answer).status_code in (400, 422)


def test_signing_in_begins_a_new_session_each_stage(person: tuple[Actor, str], browser: Callable[[], Desk]) -> None:
    actor, email = person
    app = with_app(actor)
    desk = browser()
    with desk.client.session_transaction() as cookie:
        cookie["half"], cookie["half_tenant"], cookie["planted"] = "fixed", actor.tenant_id, "x"
    led = password(desk, email)
    with desk.client.session_transaction() as cookie:
        half = cookie["half"]
        assert half != "fixed"
        assert "planted" not in cookie
        assert "sid" not in cookie
    desk.send(form(desk, led.location, "/sign-in/second"), code=app.at(int(time.time())))
    with desk.client.session_transaction() as cookie:
        assert "half" not in cookie
        assert cookie["sid"] != half


def test_a_half_session_opens_no_page(person: tuple[Actor, str], browser: Callable[[], Desk]) -> None:
    actor, email = person
    with_app(actor)
    desk = browser()
    password(desk, email)
    with desk.client.session_transaction() as cookie:
        half = cookie["half"]
    for page in ("/", "/account", FACTORS, "/patients"):
        assert desk.open("GET", page).location.startswith("/sign-in"), page
    with desk.client.session_transaction() as cookie:
        cookie["tenant"], cookie["sid"] = actor.tenant_id, half
    assert not is_signed_in(desk)


def test_the_second_stage_without_the_first_leads_back(browser: Callable[[], Desk]) -> None:
    desk = browser()
    assert desk.open("GET", "/sign-in/second").location == "/sign-in"
    token = form(desk, "/sign-in", "/sign-in").values["csrf_token"]
    for address, sent in (("/sign-in/second", {"code": "123456"}), ("/sign-in/second/passkey", {"passkey": "{}"})):
        answer = desk.open("POST", address, data={"csrf_token": token, **sent})
        assert answer.status_code == 422, address
        assert "took too long" in answer.text
        token = form(desk, "/sign-in", "/sign-in").values["csrf_token"]
    assert desk.open("POST", "/sign-in/second/options", headers={"X-CSRFToken": token}).status_code in (303, 401)


def test_before_the_password_is_right_nothing_tells_of_a_second_factor(
    person: tuple[Actor, str], admin: Actor, browser: Callable[[], Desk]
) -> None:
    actor, email = person
    with_app(actor)
    _plain, without = somebody(admin)
    texts = []
    for address in (email, without, "nobody@nowhere.example"):
        desk = browser()
        answer = desk.send(form(desk, "/sign-in", "/sign-in"), email=address, password="not the right one at all")
        text = re.sub(r'value="[^"]*"|content="[^"]*"', "", answer.text)
        texts.append((answer.status_code, text))
    assert texts[0] == texts[1] == texts[2]


def proved_an_hour_ago(actor: Actor) -> None:
    """Let it be long ago that anybody proved who he is."""
    execute(actor, "UPDATE user_session SET confirmed_at = now() - interval '1 hour'")


def require(actor: Actor, of: str) -> None:
    """Set whom the clinic asks for a second factor."""
    execute(actor, "UPDATE tenant_settings SET second_factor = :of WHERE tenant_id = :t", of=of, t=actor.tenant_id)


def test_who_must_and_has_none_can_only_enrol(person: tuple[Actor, str], browser: Callable[[], Desk]) -> None:
    actor, email = person
    require(actor, "everybody")
    desk = browser()
    password(desk, email)
    for page in ("/", "/patients", "/account", "/preferences", "/account/password", "/palette"):
        answer = desk.open("GET", page)
        assert (answer.status_code, answer.location) == (303, FACTORS), page
    fragment = desk.open("GET", "/patients", htmx=True)
    assert (fragment.status_code, fragment.headers["HX-Redirect"]) == (403, FACTORS)
    token = form(desk, FACTORS, APP).values["csrf_token"]
    answer = desk.open("POST", "/preferences", data={"csrf_token": token, "theme": "dark"})
    assert answer.location == FACTORS
    assert one(actor, "SELECT theme FROM users WHERE id = :id", id=actor.user_id) == "system"
    assert "asks for more than a password" in desk.get(FACTORS).text
    desk.send(form(desk, FACTORS, APP))
    secret = SECRET.search(desk.get(APP).text)
    assert secret
    code = pyotp.TOTP(secret[1].replace(" ", "")).at(int(time.time()))
    assert desk.send(form(desk, APP, f"{APP}/confirm"), code=code).status_code == 200
    assert is_signed_in(desk)
    answer = desk.send(form(desk, FACTORS, f"{APP}/remove"))
    assert answer.status_code == 409
    assert "Add another" in answer.text


def test_a_confirmation_is_open_while_enrolling(person: tuple[Actor, str], browser: Callable[[], Desk]) -> None:
    actor, email = person
    require(actor, "everybody")
    desk = browser()
    password(desk, email)
    proved_an_hour_ago(actor)
    led = desk.send(form(desk, FACTORS, APP))
    assert led.location.startswith("/confirm")
    assert desk.get(led.location)


@pytest.mark.parametrize(("of", "role", "led"), [
    ("nobody", Role.ADMIN, False), ("administrators", Role.ADMIN, True), ("administrators", Role.CLINICIAN, False),
    ("everybody", Role.AUDITOR, True),
])  # fmt: skip
def test_who_is_led_to_enrol(admin: Actor, browser: Callable[[], Desk], of: str, role: Role, led: bool) -> None:
    actor, email = somebody(admin, role)
    require(actor, of)
    desk = browser()
    password(desk, email)
    assert is_signed_in(desk) is not led


def test_a_session_not_begun_by_a_password_is_not_led_to_enrol(admin: Actor, desk: Callable[..., Desk]) -> None:
    require(admin, "everybody")
    assert is_signed_in(desk(Role.CLINICIAN)), "such as one an identity provider vouches for"


def test_who_comes_from_an_identity_provider_has_no_way_round_it(
    person: tuple[Actor, str], browser: Callable[[], Desk]
) -> None:
    actor, email = person
    desk = browser()
    password(desk, email)
    token = form(desk, FACTORS, APP).values["csrf_token"]
    execute(
        actor, "INSERT INTO federated_identities (tenant_id, user_id, issuer, subject)"
        " VALUES (:t, :u, 'https://id.example', 's')",
        t=actor.tenant_id, u=actor.user_id,
    )  # fmt: skip
    execute(actor, "UPDATE user_session SET federated_id = (SELECT max(id) FROM federated_identities)")
    assert desk.open("GET", FACTORS).status_code == 403
    for page in (APP, f"{FACTORS}/passkeys/options", f"{FACTORS}/codes"):
        assert desk.open("POST", page, data={"csrf_token": token}).status_code == 403, page
    assert FACTORS not in desk.get("/account").text


def test_setting_it_asks_for_a_recent_proof_and_is_audited(admin: Actor, desk: Callable[..., Desk]) -> None:
    office = desk(Role.ADMIN)
    sent = form(office, "/admin/settings", "/admin/settings")
    assert sent.choices["second_factor"] == ["nobody", "administrators", "everybody"]
    assert office.send(sent, second_factor="administrators").status_code == 303
    told = audits(admin)[-1].detail
    assert (told["before"], told["after"]) == ({"second_factor": "nobody"}, {"second_factor": "administrators"})
    sent = form(office, "/admin/settings", "/admin/settings")
    assert office.open("POST", "/admin/settings", data={**sent.values, "second_factor": "cats"}).status_code == 422


def test_an_administrator_helps_who_has_lost_his_phone(
    person: tuple[Actor, str], desk: Callable[..., Desk], browser: Callable[[], Desk]
) -> None:
    actor, email = person
    app = with_app(actor)
    theirs = browser()
    led = password(theirs, email)
    theirs.send(form(theirs, led.location, "/sign-in/second"), code=app.at(int(time.time())))
    assert is_signed_in(theirs)
    office, page = desk(Role.ADMIN), f"/admin/users/{actor.user_id}"
    assert "authenticator app" in office.get(page).text
    proved_an_hour_ago(actor)
    sent = form(office, page, f"{page}/remove-factors")
    assert office.send(sent).location.startswith("/confirm"), "a dangerous act"
    execute(actor, "UPDATE user_session SET confirmed_at = now()")
    assert office.send(sent).status_code == 303
    assert not is_signed_in(theirs)
    assert password(browser(), email).location == "/"


@pytest.mark.parametrize(
    "page",
    [
        FACTORS,
        f"{APP}/confirm",
        f"{APP}/remove",
        f"{FACTORS}/passkeys",
        f"{FACTORS}/codes",
        f"{FACTORS}/passkeys/options",
        f"{FACTORS}/passkeys/1/remove",
        APP,
    ],
)
def test_every_change_asks_for_a_recent_proof(
    person: tuple[Actor, str], browser: Callable[[], Desk], page: str
) -> None:
    actor, email = person
    desk = browser()
    password(desk, email)
    token = form(desk, FACTORS, APP).values["csrf_token"]
    proved_an_hour_ago(actor)
    if page == FACTORS:
        assert desk.get(FACTORS), "looking does not"
        return
    assert desk.open("POST", page, data={"csrf_token": token}).location.startswith("/confirm")


def test_passkeys_are_listed_and_removed(person: tuple[Actor, str], browser: Callable[[], Desk], admin: Actor) -> None:
    actor, email = person
    desk = browser()
    password(desk, email)
    session_id = int(one(actor, "SELECT max(id) FROM user_session"))
    with_passkey(actor, site=LOCAL, session_id=session_id)
    [key] = [one[0] for one in rows(actor, "SELECT id FROM passkeys")]
    assert desk.send(form(desk, FACTORS, f"{FACTORS}/passkeys/{key}/remove")).location == FACTORS
    assert rows(actor, "SELECT 1 FROM passkeys") == []
    colleague, _mail = somebody(admin)
    with_passkey(colleague, site=LOCAL)
    [theirs] = [one[0] for one in rows(actor, "SELECT id FROM passkeys")]
    token = form(desk, FACTORS, APP).values["csrf_token"]
    assert desk.open("POST", f"{FACTORS}/passkeys/{theirs}/remove", data={"csrf_token": token}).status_code == 404


def test_the_options_name_this_site(person: tuple[Actor, str], browser: Callable[[], Desk]) -> None:
    desk = browser()
    token = form(desk, "/sign-in", "/sign-in").values["csrf_token"]
    given = json.loads(options(desk, "/sign-in/passkey/options", token))
    assert (given["rpId"], given["userVerification"], given["allowCredentials"]) == ("localhost", "required", [])
