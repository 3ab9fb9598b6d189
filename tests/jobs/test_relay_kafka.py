"""The relay over a real Kafka: whatever is killed, stopped or frozen, nothing is lost, invented or out of order."""

import threading
from collections.abc import Callable, Iterator
from typing import LiteralString

import pytest
from apiflask import APIFlask

from careapp.access import Actor
from careapp.outbox import crash_points
from tests.conftest import TestTenant
from tests.jobs.history import Reader, judge
from tests.jobs.relays import RelayProcess, relay_role, unsent, wait_until
from tests.jobs.speaking import Ledger, write
from tools.kafka.broker import Broker

NewRelay = Callable[..., RelayProcess]


class Writing:
    """Writers at work, burst after burst, while a test disturbs the rest."""

    def __init__(self, app: APIFlask, actor: Actor) -> None:
        self._ledger = Ledger()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, args=(app, actor))
        self._thread.start()

    def finish(self) -> Ledger:
        """End the writing and give the ledger of all of it."""
        self._over.set()
        self._thread.join()
        return self._ledger

    def _write(self, app: APIFlask, actor: Actor) -> None:
        while not self._over.is_set():
            self._ledger += write(app, actor, events=60, writers=3)
            self._over.wait(0.1)


@pytest.fixture
def writing(app: APIFlask, speaker: Actor, reader: Reader) -> Iterator[Writing]:
    """Writers that have begun; they end with the test at the latest."""
    begun = Writing(app, speaker)
    yield begun
    begun.finish()


def all_sent(app: APIFlask, tenant: TestTenant) -> None:
    """Wait until the outbox of the tenant is empty."""
    wait_until(lambda: unsent(app, tenant.id) == 0)


def test_five_thousand_events_of_eight_writers_by_two_relays(
    app: APIFlask, tenant: TestTenant, speaker: Actor, reader: Reader, new_relay: NewRelay
) -> None:
    new_relay()
    new_relay()
    ledger = write(app, speaker, events=5000, writers=8, keys=200)
    all_sent(app, tenant)
    published = reader.read(tenant)
    assert judge(app, tenant, published, ledger) == 0, "without a crash there is no repeat"
    assert len(published) == 5000


def a_whole_relay_finishes(
    point: str, app: APIFlask, tenant: TestTenant, reader: Reader, new_relay: NewRelay, ledger: Ledger
) -> None:
    """After crashes at `point`: what waits is sent, and what is sent twice is only what was sent before one."""
    assert unsent(app, tenant.id) > 0
    new_relay()
    all_sent(app, tenant)
    repeats = judge(app, tenant, reader.read(tenant), ledger)
    assert (repeats > 0) == (point != "after_lock"), "what was sent before the crash is sent again, and only that"


@pytest.mark.parametrize("point", crash_points.NAMES)
def test_a_relay_killed_at(
    point: str, app: APIFlask, tenant: TestTenant, speaker: Actor, reader: Reader, new_relay: NewRelay
) -> None:
    ledger = Ledger()
    for turn in (1, 2, 5):
        ledger += write(app, speaker, events=80, writers=2)
        new_relay(crash_point=f"{point}:{turn}", relays=1).wait_until_crashed()
    a_whole_relay_finishes(point, app, tenant, reader, new_relay, ledger)


@pytest.mark.parametrize("point", crash_points.NAMES)
def test_relays_side_by_side_killed_while_both_are_at(
    point: str, app: APIFlask, tenant: TestTenant, speaker: Actor, reader: Reader, new_relay: NewRelay
) -> None:
    ledger = Ledger()
    for turn in (1, 2, 3):
        ledger += write(app, speaker, events=200, writers=2, keys=100)  # something waits in each shard
        new_relay(crash_point=f"{point}:{turn}*2").wait_until_crashed()
    a_whole_relay_finishes(point, app, tenant, reader, new_relay, ledger)


def test_relays_killed_and_replaced_under_load(
    app: APIFlask, tenant: TestTenant, writing: Writing, reader: Reader, new_relay: NewRelay
) -> None:
    new_relay()
    for point, turn in [("after_send", 4), ("before_commit", 6), ("before_mark", 3), ("after_send", 9)]:
        new_relay(crash_point=f"{point}:{turn}").wait_until_crashed()
    ledger = writing.finish()
    all_sent(app, tenant)
    judge(app, tenant, reader.read(tenant), ledger)


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_a_broker_that_ends_and_comes_back(
    ending: str,
    app: APIFlask,
    tenant: TestTenant,
    writing: Writing,
    broker: Broker,
    reader: Reader,
    new_relay: NewRelay,
) -> None:
    new_relay()
    new_relay()
    wait_until(lambda: len(reader.read(tenant)) > 200)
    getattr(broker, ending)()
    try:
        wait_until(lambda: unsent(app, tenant.id) > 500)  # writers know nothing of it
    finally:
        broker.start()
    ledger = writing.finish()
    all_sent(app, tenant)
    judge(app, tenant, reader.read(tenant), ledger)


def test_a_frozen_broker_parks_nothing(
    app: APIFlask, tenant: TestTenant, writing: Writing, broker: Broker, reader: Reader, new_relay: NewRelay
) -> None:
    new_relay()
    wait_until(lambda: len(reader.read(tenant)) > 200)
    broker.freeze()
    try:
        wait_until(lambda: count_where(app, tenant, "attempts > 0") > 0)  # a send has run out of time
    finally:
        broker.thaw()
    ledger = writing.finish()
    assert count_where(app, tenant, "parked_at IS NOT NULL") == 0
    all_sent(app, tenant)
    judge(app, tenant, reader.read(tenant), ledger)


def test_a_frozen_relay_leaves_its_work_to_the_other(
    app: APIFlask, tenant: TestTenant, writing: Writing, reader: Reader, new_relay: NewRelay
) -> None:
    frozen = new_relay()
    wait_until(lambda: len(reader.read(tenant)) > 200)
    frozen.freeze()
    new_relay()
    so_far = len(reader.read(tenant))
    wait_until(lambda: len(reader.read(tenant)) > so_far + 500)
    frozen.thaw()
    ledger = writing.finish()
    all_sent(app, tenant)
    judge(app, tenant, reader.read(tenant), ledger)


def test_database_sessions_ended_in_the_middle(
    app: APIFlask, tenant: TestTenant, writing: Writing, reader: Reader, new_relay: NewRelay
) -> None:
    relays = [new_relay(), new_relay()]
    ended = 0
    with relay_role(app) as connection:  # a role may end its own sessions

        def end_some() -> bool:
            nonlocal ended
            ended += connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'careapp relay' AND datname = current_database() AND state <> 'idle'"
            ).rowcount
            return ended >= 6

        wait_until(end_some)
    ledger = writing.finish()
    all_sent(app, tenant)
    judge(app, tenant, reader.read(tenant), ledger)
    assert all(relay.alive for relay in relays)


def count_where(app: APIFlask, tenant: TestTenant, condition: LiteralString) -> int:
    """How many events of the tenant meet a condition."""
    with relay_role(app) as connection:
        row = connection.execute(
            f"SELECT count(*) FROM outbox WHERE tenant_id = %s AND {condition}", [tenant.id]
        ).fetchone()
    assert row is not None
    return int(row[0])
