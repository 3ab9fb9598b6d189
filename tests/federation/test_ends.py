"""Signing out: here while the provider goes on, at the provider, and by the provider's order behind the browser."""

import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.test import TestResponse

from careapp import commands
from careapp.access import Actor, Role
from careapp.db import db
from careapp.identity import sessions
from careapp.surface.oidc.provider import Provider
from tests.federation.conftest import Browser
from tests.federation.provider import HostileProvider, other_key
from tests.identity.people import PASSWORD, a_user
from tests.looking import one, rows

ORDER = "/sign-in/oidc/backchannel-logout"


def order(browser: Browser, token: str, **headers: str) -> TestResponse:
    """The provider's own request: no cookie, no CSRF token."""
    with browser.app.app_context():
        answer = browser.app.test_client(use_cookies=False).post(ORDER, data={"logout_token": token}, headers=headers)
        db.session.remove()
    return answer


def test_signing_out_here_leads_on_to_the_provider(browser: Browser, idp: HostileProvider) -> None:
    browser.sign_in()
    out = browser.post("/sign-out")
    assert (out.status_code, out.headers["Location"]) == (303, "/signed-out")
    assert not browser.signed_in
    page = browser.get("/signed-out")
    there = page.headers["Refresh"].removeprefix("0; url=")
    assert there.startswith(f"{idp.url}/logout?")
    asked = parse_qs(urlsplit(there).query)
    assert asked == {"client_id": ["careapp"], "post_logout_redirect_uri": ["http://localhost/sign-in"]}
    assert "id_token" not in there


def test_a_local_session_ends_without_the_provider(browser: Browser, god: Actor) -> None:
    user = a_user(god, Role.CLINICIAN)
    signed = browser.post("/sign-in", email=user.email, password=PASSWORD, next="")
    assert signed.status_code == 303
    assert browser.post("/sign-out").headers["Location"] == "/sign-in"


def test_signing_out_works_while_the_provider_is_down(
    browser: Browser, use: Callable[..., Provider], idp: HostileProvider
) -> None:
    browser.sign_in()
    use("http://127.0.0.1:9")
    assert browser.post("/sign-out").status_code == 303
    assert not browser.signed_in
    assert browser.get("/signed-out").headers["Location"] == "/sign-in"


def test_an_outage_is_said_and_passwords_still_work(browser: Browser, god: Actor, use: Callable[..., Provider]) -> None:
    use("http://127.0.0.1:9")
    user = a_user(god, Role.CLINICIAN)
    assert "does not answer" not in browser.get("/sign-in").text
    assert browser.get("/sign-in/oidc").status_code == 503
    page = browser.get("/sign-in?next=/today").text
    assert "Clinic ID does not answer at the moment." in page
    assert 'href="/sign-in/oidc?next=/today"' in page
    assert browser.post("/sign-in", email=user.email, password=PASSWORD, next="").status_code == 303
    assert browser.signed_in


def test_an_outage_after_the_first_reading_is_bridged(browser: Browser, idp: HostileProvider) -> None:
    browser.sign_in()
    browser.post("/sign-out")
    idp.special = {"/.well-known/openid-configuration": _down, "/keys": _down}
    assert browser.sign_in().status_code == 303


def _down(_: HostileProvider, form: dict[str, str]) -> Any:
    return 503, {}, b""


def test_an_order_ends_that_session_at_once_and_no_other(
    browser: Browser, new_browser: Callable[[], Browser], idp: HostileProvider, god: Actor
) -> None:
    second = new_browser()
    browser.sign_in()
    second.sign_in(sid="another")
    answer = order(browser, idp.logout_token(sub=idp.person["sub"], sid="at-provider"))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert "Set-Cookie" not in answer.headers
    assert not browser.signed_in
    assert second.signed_in
    row = rows(god, "SELECT actor, subject, detail FROM audit_event WHERE action = 'user.end_sessions'")
    assert [(one.actor, one.detail["sessions_ended"]) for one in row] == [("identity-provider", 1)]


def test_an_order_for_a_person_ends_all_he_has_through_the_provider(
    browser: Browser, new_browser: Callable[[], Browser], idp: HostileProvider, god: Actor
) -> None:
    second, local = new_browser(), new_browser()
    browser.sign_in()
    second.sign_in(sid=None)
    user = one(god, "SELECT id FROM users WHERE tenant_id = :t", t=god.tenant_id)
    with commands.system_transaction(god.tenant_id):
        sid = sessions.start(god.tenant_id, user)
    with local.client.session_transaction() as cookie:
        cookie["tenant"], cookie["sid"] = god.tenant_id, sid
    assert order(browser, idp.logout_token(sub=idp.person["sub"])).status_code == 200
    assert (browser.signed_in, second.signed_in, local.signed_in) == (False, False, True)


def test_an_order_for_a_session_alone_finds_its_tenant(browser: Browser, idp: HostileProvider) -> None:
    session = uuid.uuid4().hex
    browser.sign_in(sid=session)
    assert order(browser, idp.logout_token(sid=session)).status_code == 200
    assert not browser.signed_in


def test_an_order_about_nobody_is_no_error(browser: Browser, idp: HostileProvider) -> None:
    browser.sign_in()
    assert order(browser, idp.logout_token(sub="a stranger", sid="at-provider")).status_code == 200
    assert browser.signed_in


def test_an_order_is_carried_out_once(browser: Browser, idp: HostileProvider) -> None:
    browser.sign_in()
    token = idp.logout_token(sub=idp.person["sub"])
    assert order(browser, token).status_code == 200
    browser.sign_in()
    assert order(browser, token).status_code == 400
    assert browser.signed_in


WRONG: dict[str, dict[str, Any]] = {
    "no events": {"events": None},
    "other events": {"events": {"http://schemas.openid.net/event/something": {}}},
    "events that are none": {"events": ["http://schemas.openid.net/event/backchannel-logout"]},
    "an event that is no object": {"events": {"http://schemas.openid.net/event/backchannel-logout": "yes"}},
    "a nonce": {"nonce": "x"},
    "no jti": {"jti": None},
    "nobody named": {"sub": None, "sid": None},
    "a subject that is a list": {"sub": ["x"]},
    "another audience": {"aud": "somebody-else"},
    "another issuer": {"iss": "https://evil.example"},
    "expired": {"exp": 1},
    "never expires": {"exp": None},
    "no time": {"iat": None},
    "old": {"iat": 1},
    "from the future": {"iat": 32503680000},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_order_that_does_not_hold_is_refused(browser: Browser, idp: HostileProvider, wrong: str) -> None:
    browser.sign_in()
    answer = order(browser, idp.logout_token(**({"sub": idp.person["sub"], "sid": "at-provider"} | WRONG[wrong])))
    assert (answer.status_code, answer.json) == (400, {"error": "invalid_request"})
    assert browser.signed_in


def test_an_order_in_somebody_elses_name_is_refused(browser: Browser, idp: HostileProvider) -> None:
    browser.sign_in()
    good = {"sub": idp.person["sub"], "jti": "1", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}
    for token in (
        idp.sign(idp.claims(**good), key=other_key()),
        idp.sign(idp.claims(**good), kid="unheard"),
        "",
        "x.y.z",
    ):
        assert order(browser, token).status_code == 400
    assert browser.signed_in


def test_an_id_token_is_no_order(browser: Browser, idp: HostileProvider) -> None:
    browser.sign_in()
    assert order(browser, idp.sign(idp.claims(**idp.person, nonce="x"))).status_code == 400
    assert browser.signed_in


def test_orders_do_not_look_at_cookies(browser: Browser, idp: HostileProvider) -> None:
    browser.sign_in()
    answer = browser.get("/healthz")
    assert answer.status_code == 200
    with browser.app.app_context():
        refused = browser.client.post(ORDER, data={"logout_token": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
        db.session.remove()
    assert refused.status_code == 400
    assert browser.signed_in


def test_an_order_while_the_keys_cannot_be_had_is_tried_again(
    browser: Browser, idp: HostileProvider, use: Callable[..., Provider]
) -> None:
    browser.sign_in()
    idp.special["/keys"] = _down
    use(idp.url)
    assert order(browser, idp.logout_token(sub=idp.person["sub"])).status_code == 503
    assert browser.signed_in


def test_confirming_asks_the_provider_anew(browser: Browser, idp: HostileProvider) -> None:
    browser.sign_in()
    sent, before = browser.start("/sign-in/oidc?again=1&next=/today"), sid_of(browser)
    assert (sent["prompt"], sent["max_age"]) == ("login", "0")
    answer = browser.back(sent, idp.approve(sent, auth_time=int(time.time())))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/today")
    assert sid_of(browser) != before
    assert browser.signed_in


def sid_of(browser: Browser) -> str:
    """The session the browser's cookie holds."""
    with browser.client.session_transaction() as cookie:
        return str(cookie["sid"])


@pytest.mark.parametrize("auth_time", [None, 1, "now", True])
def test_a_confirmation_of_long_ago_is_none(browser: Browser, idp: HostileProvider, auth_time: Any) -> None:
    browser.sign_in()
    before = sid_of(browser)
    sent = browser.start("/sign-in/oidc?again=1")
    assert browser.back(sent, idp.approve(sent, auth_time=auth_time)).status_code == 400
    assert sid_of(browser) == before


def test_nobody_confirms_for_another(browser: Browser, idp: HostileProvider) -> None:
    browser.sign_in()
    sent = browser.start("/sign-in/oidc?again=1")
    code = idp.approve(sent, auth_time=int(time.time()), sub="somebody else", email=None)
    answer = browser.back(sent, code)
    assert answer.status_code == 403
    assert "You signed in as somebody else." in answer.text
