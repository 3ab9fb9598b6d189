"""Kafka for the tests of the relay: a real broker, started by the first test of a session that needs one."""

import os
from collections.abc import Iterator

import pytest

from tools.kafka.broker import Broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker of our own, which a test may stop, kill or freeze as long as it leaves it running."""
    foreign = os.environ.get("CAREAPP_TEST_KAFKA")
    if foreign:
        pytest.skip(f"NOT TESTED: CAREAPP_TEST_KAFKA={foreign} names a broker that a test may not stop, kill or freeze")
    with Broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def kafka_address(request: pytest.FixtureRequest) -> str:
    """Where a real Kafka answers (host:port): the one CAREAPP_TEST_KAFKA names, otherwise our own."""
    address: str = os.environ.get("CAREAPP_TEST_KAFKA") or request.getfixturevalue("broker").bootstrap
    return address
