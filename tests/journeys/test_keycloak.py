"""Staff sign in through a real Keycloak, on its own page, and out again from either side."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from apiflask import APIFlask
from playwright.sync_api import Browser, Page, expect

from careapp.access import Actor
from careapp.db import db
from tests.conftest import TestTenant, make_app
from tests.database import TestDatabase
from tests.journeys import realm
from tests.looking import one
from tools.kafka.jars import BrokerError
from tools.keycloak.server import Keycloak

pytestmark = pytest.mark.xdist_group("keycloak")


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """A Keycloak of our own."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(Keycloak(tmp_path_factory.mktemp("keycloak")))
        except BrokerError as missing:
            pytest.skip(f"NOT TESTED: sign-in through Keycloak: {missing}")
        yield running


@pytest.fixture(scope="module")
def app(keycloak: Keycloak, database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """The application as an installation with this Keycloak sets it up."""
    made = make_app(
        database, tmp_path_factory.mktemp("var"), oidc_issuer=f"{keycloak.url}/realms/{realm.REALM}",
        oidc_client_id=realm.CLIENT, oidc_client_secret=realm.SECRET, oidc_roles_claim="realm_access.roles",
        oidc_label="Keycloak",
    )  # fmt: skip
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture(scope="module")
def url(app: APIFlask, keycloak: Keycloak, serving: Callable[[APIFlask], Any]) -> Iterator[str]:
    """Where the application answers, which Keycloak knows."""
    with serving(app) as address:
        realm.set_up(keycloak, address)
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser that has never been anywhere; what Keycloak's own pages write to the console is not ours."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def sign_in(page: Page, url: str, name: str) -> None:
    """Through the link on our page and Keycloak's form."""
    page.goto(f"{url}/sign-in?next=/preferences")
    page.get_by_role("link", name="Sign in with Keycloak").click()
    at_keycloak(page, name)
    expect(page.locator("form[action='/sign-out']")).to_be_visible()


def at_keycloak(page: Page, name: str) -> None:
    """Fill Keycloak's own form."""
    expect(page.locator("#password")).to_be_visible()
    username = page.locator("#username")
    if username.is_visible() and username.is_editable():
        username.fill(name)
    page.locator("#password").fill(realm.PASSWORD)
    page.locator("#kc-login").click()


def roles_of(god: Actor) -> list[str]:
    """The roles of the tenant's only user."""
    return list(one(god, "SELECT roles FROM users WHERE tenant_id = :t", t=god.tenant_id))


def signed_in(page: Page, url: str) -> bool:
    """Whether the application still knows this browser."""
    answer = page.goto(f"{url}/preferences")
    assert answer
    return "/sign-in" not in answer.url


def test_in_by_keycloaks_page_and_out_again_at_both(
    page: Page, url: str, keycloak: Keycloak, tenant: TestTenant, god: Actor
) -> None:
    person = realm.a_person(keycloak, f"mya{tenant.key}", tenant.key, "clinician")
    sign_in(page, url, f"mya{tenant.key}")
    assert page.url == f"{url}/preferences"
    assert roles_of(god) == ["clinician"]
    assert len(keycloak.admin("GET", f"/{realm.REALM}/users/{person}/sessions").json()) == 1
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile(re.escape(keycloak.url)))
    page.locator("#kc-logout").click()
    page.wait_for_url(f"{url}/sign-in")
    assert keycloak.admin("GET", f"/{realm.REALM}/users/{person}/sessions").json() == []
    assert not signed_in(page, url)


def test_keycloak_ends_our_session_behind_the_browser(
    page: Page, url: str, keycloak: Keycloak, tenant: TestTenant, god: Actor
) -> None:
    person = realm.a_person(keycloak, f"thiri{tenant.key}", tenant.key, "front_desk")
    sign_in(page, url, f"thiri{tenant.key}")
    assert signed_in(page, url)
    keycloak.admin("POST", f"/{realm.REALM}/users/{person}/logout")
    assert not signed_in(page, url)
    reason = one(god, "SELECT end_reason FROM user_session WHERE tenant_id = :t", t=god.tenant_id)
    assert reason == "signed out at the identity provider"


def test_other_roles_hold_from_the_next_sign_in(
    browser: Browser, page: Page, url: str, keycloak: Keycloak, tenant: TestTenant, god: Actor
) -> None:
    person = realm.a_person(keycloak, f"hla{tenant.key}", tenant.key, "clinician")
    sign_in(page, url, f"hla{tenant.key}")
    realm.give_roles(keycloak, person, "front_desk", "auditor")
    other = browser.new_context()
    sign_in(other.new_page(), url, f"hla{tenant.key}")
    other.close()
    assert roles_of(god) == ["auditor", "front_desk"]
    assert not signed_in(page, url), "the session with the former roles has ended"


def test_nobody_without_a_role_here_gets_in(page: Page, url: str, keycloak: Keycloak, tenant: TestTenant) -> None:
    realm.a_person(keycloak, f"zaw{tenant.key}", tenant.key)
    page.goto(f"{url}/sign-in")
    page.get_by_role("link", name="Sign in with Keycloak").click()
    at_keycloak(page, f"zaw{tenant.key}")
    expect(page.get_by_text("you have no role here")).to_be_visible()


def test_confirming_asks_for_the_password_again(
    page: Page, url: str, keycloak: Keycloak, tenant: TestTenant, god: Actor
) -> None:
    name = f"khin{tenant.key}"
    realm.a_person(keycloak, name, tenant.key, "clinician")
    sign_in(page, url, name)
    page.goto(f"{url}/sign-in/oidc?again=1&next=/preferences")
    at_keycloak(page, name)
    page.wait_for_url(f"{url}/preferences")
    assert one(god, "SELECT count(*) FROM user_session WHERE tenant_id = :t", t=god.tenant_id) == 2
