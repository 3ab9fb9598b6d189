"""Fixtures of the API's tests: clients with a real token, a watch over statements, and a digest of every table."""

import json as plain_json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import event
from werkzeug.test import TestResponse

from careapp import localdb
from careapp.access import Actor, Role
from careapp.db import db
from careapp.surface.tokens import own_token
from tests.conftest import TestTenant
from tests.database import TestDatabase

NOT_OURS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
AUTHENTICATION = "FROM tenants LEFT OUTER JOIN users"  # the last statement of it


class Api:
    """A client that speaks as somebody: paths are relative to `base`, bodies are sent as JSON."""

    def __init__(self, app: APIFlask, headers: dict[str, str], base: str = "/api/v1") -> None:
        self._app, self._headers, self._base = app, headers, base

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """One request; header names are written with underscores, as in If_Match."""
        data = None if body is None else plain_json.dumps(body).encode()
        return self.raw(method, path, data, **({"Content_Type": "application/json"} if data else {}), **headers)

    def raw(self, method: str, path: str, data: bytes | None, **headers: str) -> TestResponse:
        """One request with these very bytes, in an application context of its own: in the test's, it would share `g`."""
        sent = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        address = path if path.startswith(("/api", "/internal")) else self._base + path
        client = self._app.test_client(use_cookies=False)
        return Context().run(client.open, address, method=method, data=data, headers=sent, buffered=True)

    def get(self, path: str, **headers: str) -> TestResponse:
        """GET."""
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """POST."""
        return self.send("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """PATCH."""
        return self.send("PATCH", path, body, **headers)


@pytest.fixture
def api(app: APIFlask, actor_of: Callable[..., Actor]) -> Callable[..., Api]:
    """api("front_desk", tenant=…) speaks for somebody with that role; api(None) sends no token."""

    def make(role: Role | str | None = "clinician", *, tenant: TestTenant | None = None, sub: str | None = None) -> Api:
        if role is None:
            return Api(app, {})
        who = actor_of(role, **({"tenant": tenant} if tenant else {}))
        if sub:
            who = Actor(who.tenant_id, who.tenant_key, sub, who.permissions, who.roles)
        return Api(app, {"Authorization": f"Bearer {own_token(who, app.config['SETTINGS'])}"})

    return make


@pytest.fixture
def statements(app: APIFlask) -> Callable[[], Any]:
    """`with statements() as seen:` collects the statements of one request, without what only opens and ends it."""

    @contextmanager
    def watch() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            if not statement.startswith(NOT_OURS):
                seen.append(" ".join(statement.split()))
            if AUTHENTICATION in seen[-1]:
                seen.clear()

        event.listen(db.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(db.engine, "before_cursor_execute", note)

    return watch


@pytest.fixture
def everything_stored(database: TestDatabase) -> Callable[[], dict[str, Any]]:
    """A count and a checksum of every table of every tenant, by name; what is audited does not count."""

    def digest() -> dict[str, Any]:
        with psycopg.connect(localdb.libpq_url(database.superuser)) as connection:
            names = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'care' AND tablename <> 'audit_event'"
            ).fetchall()
            return {
                name: connection.execute(f"SELECT count(*), sum(hashtext(t::text)) FROM care.{name} t").fetchone()
                for (name,) in names
            }

    return digest


def is_problem(answer: TestResponse, status: int | None = None, code: str | None = None) -> dict[str, Any]:
    """The problem document of a refusal, after looking at its form."""
    assert answer.content_type == "application/problem+json", (answer.status, answer.data[:300])
    document: dict[str, Any] = plain_json.loads(answer.data)
    assert {"type", "title", "status", "detail", "code", "errors"} <= set(document)
    assert document["status"] == answer.status_code
    assert status is None or answer.status_code == status, document
    assert code is None or document["code"] == code, document
    return document
