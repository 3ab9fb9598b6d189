"""Fixtures of the relay's tests: a database of their own, and what reaches Kafka."""

import gc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask

from careapp.access import Actor
from careapp.outbox.kafka_sender import KafkaSender
from tests.conftest import TestTenant, app, database, everything
from tests.jobs.history import Reader
from tests.jobs.relays import RelayProcess, relay_role

# The fixtures again, so a database and an application of their own: a relay sends other tests' events, too.
__all__ = ["app", "database"]


@pytest.fixture
def speaker(app: APIFlask, tenant: TestTenant) -> Iterator[Actor]:
    """Somebody of this test's tenant who may publish and run the desk. What it or one before leaves unsent goes."""
    with relay_role(app) as connection:
        connection.execute("DELETE FROM outbox WHERE published_at IS NULL")
    yield everything(tenant)
    with relay_role(app) as connection:
        connection.execute("DELETE FROM outbox WHERE tenant_id = %s AND published_at IS NULL", [tenant.id])


@pytest.fixture(params=["kafka-python", "confluent"])
def client(request: pytest.FixtureRequest) -> str:
    """The Kafka client of this test: each of the two has to keep every promise."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def topics_made(kafka_address: str) -> None:
    """All topics exist, made the way a relay makes them."""
    with closing(KafkaSender(kafka_address, partitions=6, replication_factor=1)) as sender:
        sender.connect()


@pytest.fixture
def reader(topics_made: None, kafka_address: str) -> Iterator[Reader]:
    """Reads back what reaches the topics from now on."""
    with closing(Reader(kafka_address)) as made:
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In these tests, and only in them, a forgotten socket is no error: see below."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(r"ignore:Exception ignored in. <s(sl|ocket)\.\w*[Ss]ocket"))


@pytest.fixture(autouse=True)
def _forgotten_sockets() -> Iterator[None]:
    """A client of kafka-python that is closed while it connects forgets the new socket; it shall go here, not later."""
    yield
    gc.collect()


@pytest.fixture
def new_relay(
    app: APIFlask, topics_made: None, kafka_address: str, client: str, tmp_path: Path
) -> Iterator[Callable[..., RelayProcess]]:
    """new_relay(crash_point="after_send:2") starts a process of relays; those left at the end are killed."""
    started: list[RelayProcess] = []

    def start(**chosen: Any) -> RelayProcess:
        log = tmp_path / f"relay-{len(started)}.log"
        started.append(RelayProcess(app.config["DATABASE_RELAY_URL"], kafka_address, client, log, **chosen))
        return started[-1]

    yield start
    for relay in started:
        relay.kill()
