"""Fixtures of the API's tests: clients with a real token, a watch over statements, and a digest of every table."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import event

from careapp.access import Actor, Role
from careapp.db import db
from tests.api.client import Api, all_stored, speaking_for
from tests.database import TestDatabase

NOT_OURS = ("INSERT INTO rate_limits", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
AUTHENTICATION = "FROM tenants LEFT OUTER JOIN users"  # the last statement of it


@pytest.fixture
def api(app: APIFlask, actor_of: Callable[..., Actor]) -> Callable[..., Api]:
    """api("front_desk", tenant=…) speaks for somebody with that role, a clinician by default; api(None) for nobody."""

    def make(role: Role | str | None = "clinician", **fields: Any) -> Api:
        return Api(app, {}) if role is None else speaking_for(app, actor_of(role, **fields))

    return make


@pytest.fixture
def statements(app: APIFlask) -> Callable[[], Any]:
    """`with statements() as seen:` collects the statements of one request, without what only opens and ends it."""

    @contextmanager
    def watch() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            plain = " ".join(statement.split())
            if AUTHENTICATION in plain:
                seen.clear()
            elif not plain.startswith(NOT_OURS):
                seen.append(plain)

        event.listen(db.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(db.engine, "before_cursor_execute", note)

    return watch


@pytest.fixture
def everything_stored(database: TestDatabase) -> Callable[[], dict[str, Any]]:
    """everything_stored() is a checksum of every table: equal before and after, nothing was written."""
    return lambda: all_stored(database)
