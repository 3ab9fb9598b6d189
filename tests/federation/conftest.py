"""Fixtures: the application with an identity provider that a test may make hostile, and browsers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from careapp.db import db
from careapp.surface.oidc import way
from careapp.surface.oidc.provider import Provider
from tests.conftest import TestTenant, make_app
from tests.database import TestDatabase
from tests.federation.provider import (
    CLIENT,
    ROLES,
    SECRET,
    HostileProvider,
    a_clinician_of,
    hostile_provider,
    use_provider,
)
from tests.identity.test_sign_in import PEERS
from tests.rules.pages import ask, csrf_token

CALLBACK = "/sign-in/oidc/callback"


@pytest.fixture(scope="session")
def app(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """The application as it is where a provider is set; each test gives it one of its own."""
    made = make_app(
        database, tmp_path_factory.mktemp("var"), oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT,
        oidc_client_secret=SECRET, oidc_roles_claim=ROLES, oidc_label="Clinic ID",
    )  # fmt: skip
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture(autouse=True)
def at_leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time for the provider on a machine that stands still: who tests a limit sets it again."""
    for name in ("CONNECT", "READ", "WHOLE"):
        monkeypatch.setattr(way, name, 30.0)


@pytest.fixture
def use(app: APIFlask) -> Iterator[Callable[..., Provider]]:
    """use(issuer, **settings): from here on the application has this provider; afterwards what it had before."""
    before = app.config["SETTINGS"]

    def change(issuer: str, **settings: Any) -> Provider:
        app.config["SETTINGS"] = before
        return use_provider(app, issuer, **settings)

    yield change
    change(before.oidc_issuer)
    app.config["SETTINGS"] = before


@pytest.fixture
def idp(tenant: TestTenant, use: Callable[..., Provider]) -> Iterator[HostileProvider]:
    """The provider of this test, with one person: a clinician of this test's tenant."""
    with hostile_provider() as provider:
        use(provider.url)
        provider.person = a_clinician_of(tenant.key)
        yield provider


@dataclass
class Browser:
    """One browser and the steps of a sign-in through the provider."""

    app: APIFlask
    client: FlaskClient
    idp: HostileProvider

    def get(self, address: str, **options: Any) -> TestResponse:
        """One request; each has an application context of its own, as it has in a server."""
        return ask(self.app, self.client, "GET", address, **options)

    def post(self, address: str, **fields: str) -> TestResponse:
        """Send a form of ours."""
        return ask(
            self.app, self.client, "POST", address, data={"csrf_token": csrf_token(self.app, self.client), **fields}
        )

    def start(self, address: str = "/sign-in/oidc") -> dict[str, str]:
        """Go to the provider; what it is asked."""
        led = self.get(address)
        assert led.status_code == 303, led.text
        assert led.headers["Location"].startswith(f"{self.idp.url}/authorize?")
        return dict(parse_qsl(urlsplit(led.headers["Location"]).query))

    def back(self, sent: dict[str, str], code: str, **more: str) -> TestResponse:
        """Come back with a code."""
        return self.get(CALLBACK, query_string={"state": sent["state"], "code": code, **more})

    def sign_in(self, address: str = "/sign-in/oidc", **claims: Any) -> TestResponse:
        """All steps at once, with what the token says."""
        sent = self.start(address)
        return self.back(sent, self.idp.approve(sent, **claims))

    @property
    def signed_in(self) -> bool:
        """Whether somebody is signed in here."""
        return self.get("/preferences").status_code == 200


@pytest.fixture
def new_browser(app: APIFlask, idp: HostileProvider) -> Callable[[], Browser]:
    """new_browser() is one at a network address of its own."""

    def make() -> Browser:
        client = app.test_client()
        client.environ_base["REMOTE_ADDR"] = next(PEERS)
        return Browser(app, client, idp)

    return make


@pytest.fixture
def browser(new_browser: Callable[[], Browser]) -> Browser:
    """One browser."""
    return new_browser()
