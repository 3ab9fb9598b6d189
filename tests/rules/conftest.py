"""Fixtures of the rules: browsers with a role, and clients that no right stands in the way of."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from careapp.access import Actor, Role
from careapp.surface.internal_credentials import CREDENTIALS, HEADER
from tests.api.client import Api, speaking_for
from tests.rules.pages import signed_in


@pytest.fixture
def browser(app: APIFlask, god: Actor) -> Callable[[Role], FlaskClient]:
    """browser(Role.ADMIN) is a browser with somebody of that role signed in, in this test's tenant."""
    return lambda role: signed_in(app, role, god)


@pytest.fixture
def somebody_who_may(app: APIFlask, god: Actor, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Api]:
    """somebody_who_may(endpoint) has every right in this test's tenant, or is the portal of it."""
    token = f"portal of {god.tenant_key}"
    monkeypatch.setitem(app.extensions, CREDENTIALS, [(god.tenant_key, sha256(token.encode()).digest())])
    portal = Api(app, {HEADER: token}, base="")
    return lambda name: portal if name.startswith("internal.") else speaking_for(app, god)
