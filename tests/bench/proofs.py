"""Proving who one is, asked for by a visitor: every second factor, from making it to removing it, and an identity
provider.
"""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit

import pyotp
from flask.testing import FlaskClient

from careapp.access import Role
from careapp.surface.oidc.provider import PROVIDER
from tests import factories as make
from tests.bench.visitor import Visitor
from tests.federation.provider import HostileProvider, a_clinician_of, hostile_provider, use_provider
from tests.identity.authenticator import LOCAL, Authenticator
from tests.identity.enrolled import CODE
from tests.identity.people import PASSWORD
from tests.looking import one

FACTORS = "/account/factors"
URI = re.compile(r'href="(otpauth:[^"]+)"')


def prove(visitor: Visitor) -> None:
    """A person with an app, recovery codes and a passkey, who signs in by each; and one of an identity provider."""
    me = make.a_person(visitor.actor, Role.CLINICIAN)
    email = str(one(visitor.actor, "SELECT email FROM users WHERE id = :id", id=me.user_id))
    known = {"email": email, "password": PASSWORD}
    first = visitor.app.test_client()
    visitor.post(first, "/sign-in", known)
    codes, device = _an_app(visitor, first), Authenticator(LOCAL)
    made = device.made(visitor.post(first, f"{FACTORS}/passkeys/options", {}).text)
    visitor.post(first, f"{FACTORS}/passkeys", {"passkey": made, "name": "Phone"})
    visitor.post(first, "/confirm/code", {"code": codes[0]})
    _by_passkey(visitor, first, device, "/confirm/options", "/confirm/passkey")
    by_code, by_key, alone = (visitor.app.test_client() for _ in range(3))
    for browser in (by_code, by_key):
        visitor.post(browser, "/sign-in", known)
        visitor.read(browser, "/sign-in/second")
    visitor.post(by_code, "/sign-in/second", {"code": codes[1]})
    _by_passkey(visitor, by_key, device, "/sign-in/second/options", "/sign-in/second/passkey")
    _by_passkey(visitor, alone, device, "/sign-in/passkey/options", "/sign-in/passkey")
    visitor.post(alone, f"{FACTORS}/codes", {})
    number = one(visitor.actor, "SELECT id FROM passkeys WHERE user_id = :id", id=me.user_id)
    visitor.post(alone, f"{FACTORS}/passkeys/{number}/remove", {})
    visitor.post(alone, f"{FACTORS}/app/remove", {})
    _at_a_provider(visitor)


def _an_app(visitor: Visitor, browser: FlaskClient) -> list[str]:
    """Take an authenticator app into use; the recovery codes."""
    visitor.post(browser, f"{FACTORS}/app", {})
    found = URI.search(visitor.read(browser, f"{FACTORS}/app").text)
    assert found
    app = pyotp.parse_uri(html.unescape(found[1]))
    assert isinstance(app, pyotp.TOTP)
    return CODE.findall(visitor.post(browser, f"{FACTORS}/app/confirm", {"code": app.now()}).text)


def _by_passkey(visitor: Visitor, browser: FlaskClient, device: Authenticator, asks: str, takes: str) -> None:
    visitor.post(browser, takes, {"passkey": device.signed(visitor.post(browser, asks, {}).text)})


def _at_a_provider(visitor: Visitor) -> None:
    """Sign in there, and be signed out by its order."""
    browser = visitor.app.test_client()
    with _provided(visitor) as idp:
        led = visitor.read(browser, "/sign-in/oidc")
        sent = dict(parse_qsl(urlsplit(led.headers["Location"]).query))
        back = urlencode({"state": sent["state"], "code": idp.approve(sent)})
        assert visitor.read(browser, f"/sign-in/oidc/callback?{back}").status_code == 303
        order = {"logout_token": idp.logout_token(sub=idp.person["sub"], sid=idp.person["sid"])}
        visitor.ask(visitor.app.test_client(), "POST", "/sign-in/oidc/backchannel-logout", data=order)


@contextmanager
def _provided(visitor: Visitor) -> Iterator[HostileProvider]:
    """An identity provider with one person of the visitor's tenant."""
    app = visitor.app
    before = app.config["SETTINGS"], app.extensions.get(PROVIDER)
    with hostile_provider() as idp:
        use_provider(app, idp.url)
        idp.person = a_clinician_of(visitor.actor.tenant_key)
        yield idp
    app.config["SETTINGS"], app.extensions[PROVIDER] = before
    app.jinja_env.globals["oidc_provider"] = before[1]
