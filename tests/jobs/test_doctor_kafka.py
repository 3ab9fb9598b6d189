"""`flask doctor` and Kafka: topics that are missing, or not as they are to be, at a real broker."""

import uuid
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from careapp.cli.doctor import outside
from careapp.cli.doctor.report import Installation, examine
from careapp.config import Settings


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch, kafka_address: str) -> list[str]:
    """Two topics of this test alone: the broker is shared."""
    names = [f"care.doctor.{uuid.uuid4().hex[:8]}" for _ in range(2)]
    monkeypatch.setattr(outside.topics, "ALL", tuple(names))
    return names


def told(kafka_address: str, var: Path, **given: object) -> str:
    given |= {"CAREAPP_ENV": "development", "CAREAPP_VAR": var, "kafka_bootstrap_servers": kafka_address}
    settings = Settings(**given, _env_file=None)
    found = examine(Installation(settings, {}), frozenset({"kafka"}))
    return " ".join(f"{one.state}: {one.text}" for one in found)


def test_topics(kafka_address: str, topics: list[str], tmp_path: Path) -> None:
    first, second = topics
    assert f"wrong: Kafka has no topic {first}." in told(kafka_address, tmp_path)
    with KafkaAdminClient(bootstrap_servers=kafka_address) as admin:
        admin.create_topics({
            first: {"num_partitions": 6, "replication_factor": 1},
            second: {"num_partitions": 2, "replication_factor": 1,
                     "configs": {"cleanup.policy": "compact", "retention.ms": "3600000"}},
        })  # fmt: skip
    said = told(kafka_address, tmp_path, kafka_replication_factor=3)
    assert f"Topic {second} has 2 partitions, KAFKA_PARTITIONS says 6" in said
    assert f"wrong: Topic {second} is compacted" in said
    assert f"Topic {second} keeps events for 0.0 days" in said
    assert f"Topic {first} has 1 copies, KAFKA_REPLICATION_FACTOR says 3" in said
    assert f"Topic {first} has 6 partitions" not in said
    with KafkaAdminClient(bootstrap_servers=kafka_address) as admin:
        admin.delete_topics([second])
    outside.topics.ALL = (first,)
    assert told(kafka_address, tmp_path).startswith("well: ")
