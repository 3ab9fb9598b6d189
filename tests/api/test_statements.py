"""How many statements a request takes, not counting what opens and ends it and who asks: design §9."""

from collections.abc import Callable
from typing import Any

import pytest

from careapp.access import Actor
from careapp.db import db
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api
from tests.api.test_lists import LISTS, seven_of
from tests.sending import Sent

Client = Callable[..., Api]
Watch = Callable[[], Any]
BOOKING, LIST = 3, 4  # the budget; a booking without notes takes one less, as they are encrypted for their row
WITH_A_KEY = 2  # more: the key with how long to wait for it, and the answer kept under it


def within(seen: list[str], most: int) -> None:
    """Fail with the statements where there are too many."""
    numbered = "\n".join(f"{number}. {statement[:400]}" for number, statement in enumerate(seen, 1))
    assert 0 < len(seen) <= most, f"{len(seen)} statements, at most {most} are allowed:\n{numbered}"


def test_a_booking(api: Client, god: Actor, statements: Watch) -> None:
    call, client = CALLS["api.book"](god), api()
    with statements() as seen:
        assert client.post(call.path, call.body).status_code == 201
    within(seen, BOOKING)


def test_a_booking_waits_three_times(api: Client, god: Actor, sent: Sent) -> None:
    """Who asks and the transaction's beginning; slot and appointment; audit, event and commit."""
    client, calls = api(), [CALLS["api.book"](god) for _ in range(2)]
    db.session.remove()
    db.engine.dispose()  # so that both have one connection, on which all is prepared by the first
    for call in calls:
        sent.clear()
        assert client.post(call.path, {**call.body, "notes": None}).status_code == 201
    assert [len(together) for together in sent] == [3, 1, 2]


def test_a_booking_with_a_key(api: Client, god: Actor, statements: Watch) -> None:
    call, client = CALLS["api.book"](god), api()
    with statements() as seen:
        assert client.post(call.path, call.body, Idempotency_Key="once").status_code == 201
    within(seen, BOOKING + WITH_A_KEY)


@pytest.mark.parametrize("name", LISTS)
def test_a_list(api: Client, god: Actor, statements: Watch, name: str) -> None:
    path, client = seven_of(god, name)[0], api()
    with statements() as seen:
        assert len(client.get(f"{path}?limit=5").json["items"]) == 5
    within(seen, LIST)


def test_a_search(api: Client, god: Actor, statements: Watch) -> None:
    make.a_patient(god)
    client = api()
    with statements() as seen:
        assert client.post("/patients/search", {"name": "Hla Daw"}).json["items"]
    within(seen, LIST)


@pytest.mark.parametrize("name", sorted(name for name in CALLS if name.startswith("api.get_")))
def test_one_thing(api: Client, god: Actor, statements: Watch, name: str) -> None:
    call, client = CALLS[name](god), api()
    with statements() as seen:
        assert client.get(call.path).status_code == 200
    within(seen, LIST)
