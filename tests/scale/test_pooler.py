"""Web processes behind a real PgBouncer in transaction mode: all share two server connections, and nothing breaks."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from apiflask import APIFlask

from bench.servers import end_group
from careapp.access import Actor
from careapp.localdb.addresses import libpq_url
from careapp.operations.connections import OF_A_SESSION
from careapp.scheduling import queries
from careapp.surface.tokens import own_token
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.database import TestDatabase
from tests.instance import Instance, shared_settings
from tests.looking import one
from tests.scale.pooler import PATIENCE_SECONDS, PROGRAM, SHARED, Pooler

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="NOT TESTED: transaction pooling; there is no `pgbouncer` here")

CLIENTS = 8  # of each tenant
ROUNDS = 12  # more than the five after which the driver would prepare a statement
LOCATOR = re.compile(r"[A-Z]{3}-\d{4}-\d{6,}")


@pytest.fixture(scope="module")
def pooler(database: TestDatabase) -> Iterator[Pooler]:
    """A PgBouncer before the database."""
    with closing(Pooler(database)) as made:
        yield made


@pytest.fixture(scope="module")
def settings(app: APIFlask, database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What web processes have in common, still without a pooler."""
    return shared_settings(app, database, tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Where the two web processes write what they have to say."""
    return [tmp_path_factory.mktemp("logs") / f"web-{number}.log" for number in range(2)]


@pytest.fixture(scope="module")
def pooled(settings: dict[str, str], pooler: Pooler, logs: list[Path]) -> Iterator[list[str]]:
    """The addresses of two web processes behind the pooler."""
    own = {"DATABASE_URL": pooler.app, "DATABASE_HEALTH_URL": pooler.health, "DATABASE_POOLER": "transaction"}
    with ExitStack() as ending:
        addresses = []
        for log in logs:
            instance = Instance({**settings, **own}, log)
            ending.callback(end_group, instance.process)
            addresses.append(f"http://127.0.0.1:{instance.port}")
        yield addresses


@pytest.fixture
def speaking(app: APIFlask, pooled: list[str]) -> Iterator[Callable[[Actor, int], httpx.Client]]:
    """speaking(actor, number) is a client of the API, at the one process or the other by its number."""
    with ExitStack() as ending:

        def client(actor: Actor, number: int) -> httpx.Client:
            token = own_token(actor, app.config["SETTINGS"])
            base = f"{pooled[number % 2]}/api/v1"
            headers = {"Authorization": f"Bearer {token}"}
            return ending.enter_context(httpx.Client(base_url=base, headers=headers, timeout=PATIENCE_SECONDS))

        yield client


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """What each returned; all begin at the same moment."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        start.wait(PATIENCE_SECONDS)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_two_tenants_share_two_server_connections_and_see_only_their_own(
    new_tenant: Callable[..., TestTenant], speaking: Callable[[Actor, int], httpx.Client], pooler: Pooler
) -> None:
    gods = [everything(new_tenant()) for _ in range(2)]
    own: list[set[str]] = []
    for god in gods:
        providers = [make.a_provider(god).locator for _ in range(3)]
        episodes = [make.an_episode(god) for _ in range(3)]
        own.append({*providers, *(e.locator for e in episodes), *(e.party_locator for e in episodes)})
    before = pooler.transactions()

    def looking(which: int, number: int) -> Callable[[], list[tuple[int, set[str]]]]:
        client = speaking(gods[which], number)

        def look() -> list[tuple[int, set[str]]]:
            answers = [client.get(path) for _ in range(ROUNDS) for path in ("/providers", "/episodes", "/patients")]
            return [(answer.status_code, set(LOCATOR.findall(answer.text))) for answer in answers]

        return look

    whose = [which for which in (0, 1) for _ in range(CLIENTS)]
    seen = at_once([looking(which, number) for number, which in enumerate(whose)])
    for which, answers in zip(whose, seen, strict=True):
        assert {status for status, _ in answers} == {200}
        assert set().union(*(found for _, found in answers)) == own[which]
        assert all(found <= own[which] for _, found in answers)
    pools = {row["database"]: row for row in pooler.show("POOLS")}
    in_use = sum(int(pools["care"][name]) for name in ("sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login"))
    assert in_use <= SHARED
    assert pooler.transactions() - before >= 2 * CLIENTS * ROUNDS * 3, "each request asks through the pooler"


def test_bookings_race_as_they_do_without_a_pooler(god: Actor, speaking: Callable[[Actor, int], httpx.Client]) -> None:
    slot = make.a_slot(god, capacity=2)
    episodes = [make.an_episode(god).locator for _ in range(2 * CLIENTS)]

    def booking(number: int, episode: str) -> Callable[[], httpx.Response]:
        client = speaking(god, number)
        return lambda: client.post(f"/episodes/{episode}/appointments", json={"slotLocator": slot.locator})

    answers = at_once([booking(number, episode) for number, episode in enumerate(episodes)])
    assert Counter(answer.status_code for answer in answers) == {201: 2, 409: 2 * CLIENTS - 2}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"SLOT_UNAVAILABLE"}
    assert queries.get_slot(god, slot.locator).booked == 2
    assert one(god, "SELECT count(*) FROM audit_event WHERE action = 'appointment.book' AND outcome = 'done'") == 2


def test_one_idempotency_key_has_one_effect(god: Actor, speaking: Callable[[Actor, int], httpx.Client]) -> None:
    patient = make.a_patient(god)
    body = {"partyLocator": patient.locator, "careType": "GP"}

    def opening(number: int) -> Callable[[], httpx.Response]:
        client = speaking(god, number)
        return lambda: client.post("/episodes", json=body, headers={"Idempotency-Key": "one"})

    answers = at_once([opening(number) for number in range(CLIENTS)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert one(god, "SELECT count(*) FROM episodes") == 1


def test_moves_wait_for_each_other_by_locks_of_the_transaction(
    god: Actor, speaking: Callable[[Actor, int], httpx.Client], database: TestDatabase
) -> None:
    provider, clients = make.a_provider(god), [speaking(god, number) for number in range(2)]
    moved = [make.an_appointment(god, slot=make.a_slot(god, provider, hours=hours)).locator for hours in (1, 2)]
    for turn in range(ROUNDS):
        slot = make.a_slot(god, provider, hours=3 + turn).locator

        def moving(number: int, slot: str = slot) -> Callable[[], httpx.Response]:
            address = f"/appointments/{moved[number]}"
            seen = {"If-Match": clients[number].get(address).headers["ETag"]}
            return lambda: clients[number].patch(f"{address}/reschedule", json={"slotLocator": slot}, headers=seen)

        assert sorted(answer.status_code for answer in at_once([moving(0), moving(1)])) == [200, 409]
    with psycopg.connect(libpq_url(database.whole)) as connection:
        left = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert left == (0,)


def test_a_queue_at_the_pooler_is_not_taken_for_a_database_that_hangs(
    god: Actor, speaking: Callable[[Actor, int], httpx.Client], pooler: Pooler, pooled: list[str], logs: list[Path]
) -> None:
    client = speaking(god, 0)
    assert client.get("/providers").status_code == 200
    with ExitStack() as holding:
        for _ in range(SHARED):
            held = holding.enter_context(psycopg.connect(libpq_url(pooler.app)))
            held.execute("SELECT 1")  # its transaction keeps a server connection
        assert client.get("/providers").status_code == 503, "the pooler gives up after its query_wait_timeout"
        assert httpx.get(f"{pooled[0]}/readyz", timeout=PATIENCE_SECONDS).status_code == 200
    assert client.get("/providers").status_code == 200
    assert "does not answer" not in logs[0].read_text()


def test_without_the_setting_a_pooler_refuses_the_first_connection(pooler: Pooler) -> None:
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter: options"):
        psycopg.connect(libpq_url(pooler.app), **OF_A_SESSION)
