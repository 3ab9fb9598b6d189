"""Second factors in a browser: a passkey of a virtual authenticator; an app by keyboard alone, without JavaScript."""

from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from apiflask import APIFlask
from playwright.sync_api import Page, expect

from careapp.access import Actor, Role
from tests.conftest import TestTenant, everything
from tests.identity.enrolled import code_before, somebody
from tests.identity.people import PASSWORD
from tests.journeys.people import sign_in

DEVICE = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
def person(app: APIFlask, new_tenant: Callable[..., TestTenant]) -> tuple[Actor, str]:
    """A clinician, and his e-mail address."""
    return somebody(everything(new_tenant()), Role.CLINICIAN)


@pytest.fixture
def site_url(live_url: str) -> str:
    """The application by a name: no passkey is bound to a bare number."""
    return live_url.replace("127.0.0.1", "localhost")


def with_device(page: Page) -> tuple[Any, str]:
    """Give the browser an authenticator; the session that drives it, and its id."""
    driver = page.context.new_cdp_session(page)
    driver.send("WebAuthn.enable")
    return driver, driver.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})["authenticatorId"]


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_passkey_from_its_making_to_both_ways_of_signing_in(
    new_page: Callable[..., Page], site_url: str, person: tuple[Actor, str], axe: Callable[..., list[Any]]
) -> None:
    page, (_actor, email) = new_page(), person
    driver, device = with_device(page)
    sign_in(page, site_url, email)
    page.goto(f"{site_url}/account/factors")
    assert axe(page) == []
    page.get_by_label("Name of the passkey").fill("My phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", name="Your recovery codes, shown only now")).to_be_visible()
    assert axe(page) == []
    assert len(driver.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]) == 1
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("li strong", has_text="My phone")).to_be_visible()

    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("form[action='/sign-out']")).to_be_visible()

    sign_out(page)
    page.goto(f"{site_url}/sign-in?next=/calendar")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{site_url}/calendar")

    page.goto(f"{site_url}/confirm?next=/account")
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{site_url}/account")

    sign_out(page)
    driver.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("The device gave no passkey")).to_be_visible()


def test_an_app_by_keyboard_and_without_a_script(no_js_page: Page, site_url: str, person: tuple[Actor, str]) -> None:
    page, (_actor, email) = no_js_page, person
    sign_in(page, site_url, email)
    page.goto(f"{site_url}/account/factors")
    expect(page.get_by_text("Passkeys need JavaScript").first).to_be_visible()
    expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()
    press(page, "Set up an app")
    app = pyotp.TOTP(page.locator("output.password").inner_text().replace(" ", ""))
    reach(page, "code")
    page.keyboard.type(code_before(app))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your recovery codes, shown only now")).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"{site_url}/sign-in")
    reach(page, "email")
    page.keyboard.type(email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    reach(page, "code")
    page.keyboard.type(app.now())
    page.keyboard.press("Enter")
    expect(page.locator("form[action='/sign-out']")).to_be_visible()


def reach(page: Page, name: str) -> None:
    """Walk by Tab to the field of that name."""
    for _ in range(60):
        if page.locator(f"[name={name}]:focus").count():
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {name}")


def press(page: Page, button: str) -> None:
    """Walk by Tab to a button, and press it."""
    wanted = page.get_by_role("button", name=button)
    for _ in range(60):
        if wanted.evaluate("(one) => one === document.activeElement"):
            page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {button}")
