"""The read that finds out who asks, and the transaction it shares with the command or query that follows."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import event, text

from careapp import commands
from careapp.access import Actor
from careapp.clinics import queries as clinics
from careapp.db import db
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, speaking_for
from tests.conftest import TestTenant, everything


@contextmanager
def commits() -> Iterator[list[str]]:
    """The transactions that were committed meanwhile."""
    seen: list[str] = []
    note = lambda connection: seen.append("commit")  # noqa: E731
    event.listen(db.engine, "commit", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "commit", note)


@pytest.fixture
def client(app: APIFlask, god: Actor) -> Api:
    """Somebody who may do everything, whose share of the request limit is taken already."""
    made = speaking_for(app, god)
    assert made.get("/providers").status_code == 200
    return made


@pytest.mark.parametrize("name", ["api.book", "api.get_episode", "api.list_slots"])
def test_a_request_is_one_transaction(client: Api, god: Actor, name: str) -> None:
    call = CALLS[name](god)
    with commits() as seen:
        assert client.send(call.method, call.path, call.body).status_code in (200, 201)
    assert seen == ["commit"]


def test_a_refused_request_leaves_no_transaction_open(client: Api, god: Actor) -> None:
    call = CALLS["api.book"](god)
    db.session.remove()
    assert client.post(call.path, {"slotLocator": 7}).status_code == 422
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_it_is_handed_on_to_one_command_of_the_same_tenant_only(
    god: Actor, new_tenant: Callable[..., TestTenant]
) -> None:
    other_god = everything(new_tenant())
    here, there = make.a_clinic(god), make.a_clinic(other_god)
    with commands.first_read(other_god.tenant_id):
        db.session.execute(text("SELECT 1"))
    assert [one.locator for one in clinics.list_clinics(god).items] == [here.locator]
    with commands.first_read(other_god.tenant_id):
        db.session.execute(text("SELECT 1"))
    assert [one.locator for one in clinics.list_clinics(other_god).items] == [there.locator]
    assert [one.locator for one in clinics.list_clinics(god).items] == [here.locator]


def test_a_body_is_received_before_the_transaction_opens(app: APIFlask, client: Api, god: Actor) -> None:
    call, held = CALLS["api.book"](god), list[int]()

    class Arriving(io.BytesIO):
        """A body that looks, as it is read, whether anything holds a connection meanwhile."""

        def readinto(self, buffer: Any) -> int:
            held.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]
            return super().readinto(buffer)

    db.session.remove()
    body = b'{"slotLocator": "SLT-2026-000001"}'
    Context().run(
        app.test_client(use_cookies=False).post, f"/api/v1{call.path}", input_stream=Arriving(body),
        headers=client.headers, content_type="application/json", content_length=len(body),
    )  # fmt: skip
    assert held
    assert set(held) == {0}
