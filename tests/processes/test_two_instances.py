"""Two instances as separate processes: one keeps the providers, the other asks it over HTTP before it books."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiflask import APIFlask

from bench.servers import end_group
from careapp.access import Actor
from careapp.surface.tokens import own_token
from tests import factories as make
from tests.database import TestDatabase
from tests.instance import Instance, shared_settings

PATIENCE_SECONDS = 60  # for what must happen at some time; nothing is measured with it
TOKEN = "two-instances-token-of-this-test-only"


@pytest.fixture
def environment(app: APIFlask, database: TestDatabase, tmp_path: Path) -> dict[str, str]:
    """What both instances share: the database and the secrets."""
    return shared_settings(app, database, tmp_path)


@pytest.fixture
def instances(environment: dict[str, str], god: Actor, tmp_path: Path) -> Iterator[tuple[Instance, Instance]]:
    """The one that keeps providers, and the one that asks it."""
    with ExitStack() as ending:
        key = f"{god.tenant_key}:key1:{TOKEN}"
        keeps = Instance({**environment, "INTERNAL_KEYS": key, "INTERNAL_REQUIRE_SIGNED": "1"}, tmp_path / "keeps.log")
        ending.callback(end_group, keeps.process)
        asks = Instance(
            {**environment, "PROVIDER_SERVICE_URL": f"http://127.0.0.1:{keeps.port}",
             "PROVIDER_SERVICE_KEYS": key},
            tmp_path / "asks.log",
        )  # fmt: skip
        ending.callback(end_group, asks.process)
        yield keeps, asks
        keeps.signal(signal.SIGCONT)


def test_a_booking_asks_and_a_frozen_service_refuses_it(
    app: APIFlask, god: Actor, instances: tuple[Instance, Instance]
) -> None:
    keeps, asks = instances
    token = own_token(god, app.config["SETTINGS"])
    speaking = {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=f"http://127.0.0.1:{asks.port}/api/v1", headers=speaking, timeout=PATIENCE_SECONDS
    ) as client:

        def book() -> Any:
            episode, slot = make.an_episode(god), make.a_slot(god)
            return client.post(f"/episodes/{episode.locator}/appointments", json={"slotLocator": slot.locator})

        booked_at_last(book)
        keeps.signal(signal.SIGSTOP)
        frozen = book()
        assert (frozen.status_code, frozen.json()["code"]) == (503, "UPSTREAM_UNAVAILABLE")
        assert client.get("/episodes").status_code == 200, "what needs no provider goes on"
        keeps.signal(signal.SIGCONT)
        booked_at_last(book)


def booked_at_last(book: Callable[[], httpx.Response]) -> None:
    """It is booked, if not at once: in use the other side has seconds to answer, in which a machine may stall."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while (answer := book()).status_code != 201:
        assert answer.json()["code"] == "UPSTREAM_UNAVAILABLE", answer.text
        assert time.monotonic() < ends, "it never answers in time"
