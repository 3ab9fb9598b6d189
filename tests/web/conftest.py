"""Fixtures for pages: somebody signed in at a desk, whose every page is checked; and counted statements."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from careapp import commands
from careapp.access import Actor, Role
from careapp.clinics.views import ClinicView
from careapp.db import db
from careapp.identity import sessions
from careapp.providers.views import ProviderView
from tests import factories as make
from tests.conftest import TestTenant
from tests.identity.people import a_user
from tests.web.checks import Form, check, forms_of, parsed

HTMX = {"HX-Request": "true"}


class Desk:
    """A browser with somebody signed in. Each request has an application context of its own, as on a server."""

    def __init__(self, app: APIFlask, client: FlaskClient) -> None:
        self.app, self.client = app, client

    def open(
        self, method: str, url: str, *, htmx: bool = False, headers: dict[str, str] | None = None, **options: Any
    ) -> TestResponse:
        """One request; what comes back as HTML is checked."""
        headers = (headers or {}) | (HTMX if htmx else {})
        with self.app.app_context():
            answer = self.client.open(url, method=method, headers=headers, **options)
            db.session.remove()
        if answer.mimetype == "text/html" and answer.status_code not in (204, 303) and answer.text:
            assert answer.headers["Cache-Control"] == "no-store"
            if not htmx:
                check(parsed(answer.text))
            elif "HX-Retarget" not in answer.headers:
                check(parsed(answer.text.split("</title>")[-1], fragment=True), page=False)
        return answer

    def get(self, url: str, *, htmx: bool = False) -> TestResponse:
        """A page, which must be there."""
        answer = self.open("GET", url, htmx=htmx)
        assert answer.status_code == 200, (url, answer.status_code)
        return answer

    def forms(self, url: str) -> dict[str, Form]:
        """The forms of a page by where they go."""
        return {form.action: form for form in forms_of(parsed(self.get(url).text))}

    def send(self, form: Form, *, htmx: bool = False, **typed: str) -> TestResponse:
        """Send a form with what was typed into it."""
        assert set(typed) <= set(form.values) | set(form.choices), (form, typed)
        return self.open("POST", form.action, htmx=htmx, data={**form.values, **typed})

    def fill(self, url: str, action: str | None = None, *, htmx: bool = False, **typed: str) -> TestResponse:
        """Open a page and send its form that goes to `action` (the page's own address, if none is named)."""
        return self.send(self.forms(url)[action or url], htmx=htmx, **typed)


@pytest.fixture
def desk(app: APIFlask, tenant: TestTenant, god: Actor) -> Callable[..., Desk]:
    """desk(Role.FRONT_DESK, **fields of the user) is a browser with such a user signed in."""

    def make(role: Role, *, admin: Actor = god, **fields: Any) -> Desk:
        return signed_in(app, admin, role, **fields)

    return make


def signed_in(app: APIFlask, admin: Actor, role: Role, **fields: Any) -> Desk:
    """A browser of an application with a new user signed in."""
    user = a_user(admin, role, **fields)
    with commands.system_transaction(admin.tenant_id):
        sid = sessions.start(admin.tenant_id, user.id)
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["tenant"], cookie["sid"] = admin.tenant_id, sid
    return Desk(app, client)


@pytest.fixture
def front(desk: Callable[..., Desk]) -> Desk:
    """The front desk's browser."""
    return desk(Role.FRONT_DESK)


@pytest.fixture
def doctor(desk: Callable[..., Desk]) -> Desk:
    """A clinician's browser."""
    return desk(Role.CLINICIAN)


@pytest.fixture
def clinic(god: Actor) -> ClinicView:
    """A clinic of this test's tenant."""
    return make.a_clinic(god)


@pytest.fixture
def provider(god: Actor, clinic: ClinicView) -> ProviderView:
    """Somebody who works there and can be booked."""
    return make.a_provider(god, name="Dr Hla Hla", clinic_locators=[clinic.locator])


@pytest.fixture
def statements(app: APIFlask) -> Callable[[], Any]:
    """`with statements() as seen`: the SQL of a request after it was known whose it is."""

    @contextmanager
    def watch() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
            if "rate_limits" not in statement:  # one request in many takes a share
                seen.append(statement)

        event.listen(db.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
            last = max((number for number, one in enumerate(seen) if "user_session" in one), default=-1)
            del seen[: last + 1]

    return watch
