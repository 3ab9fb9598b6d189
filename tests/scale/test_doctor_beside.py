"""`flask doctor` beside a real PgBouncer and a real replica: silent where they work, each fault made and named."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from careapp.cli.doctor.command import MODULES
from careapp.cli.doctor.report import CHECKS, WELL, Finding, Installation, examine
from careapp.config import Settings, new_encryption_key
from careapp.localdb.addresses import libpq_url
from tests.database import TestDatabase
from tests.scale.pooler import PROGRAM, Pooler
from tests.scale.standby import Standby, await_

OWN_SERVER = pytest.mark.skipif(
    "CAREAPP_TEST_SUPERUSER_URL" in os.environ, reason="NOT TESTED: a replica, which needs a PostgreSQL of our own"
)
POOLED = pytest.mark.skipif(PROGRAM is None, reason="NOT TESTED: transaction pooling; there is no `pgbouncer` here")
THROUGH_THE_POOLER = ("clock", "time zones", "database", "roles", "extensions", "schema", "keys")


@pytest.fixture
def at(database: TestDatabase, tmp_path: Path) -> Installation:
    """An installation on the tests' database."""
    return installed(database, tmp_path)


def installed(database: TestDatabase, var: Path) -> Installation:
    settings = Settings(
        CAREAPP_ENV="production", CAREAPP_VAR=var, secret_key="s" * 8 + "ecret-of-the-tests-0123456789",
        database_url=database.app, encryption_keys=new_encryption_key("k1"), trusted_hosts="care.example",
        trusted_proxies=1, _env_file=None,
    )  # fmt: skip
    addresses = {"app": database.app, "owner": None, "relay": database.relay}
    return Installation(settings, addresses, directory=var)


def changed(at: Installation, settings: dict[str, Any] | None = None, **addresses: str | None) -> Installation:
    """The same with other settings and addresses."""
    given = at.settings.model_copy(update=settings or {})
    return replace(at, settings=given, addresses=at.addresses | addresses)


def found(at: Installation, *names: str) -> list[Finding]:
    assert set(names) <= set(CHECKS), f"entered by importing {MODULES}"
    return list(examine(at, frozenset(names)))


def told(at: Installation, *names: str) -> str:
    """What checks say, as one text; empty where all is well."""
    return " ".join(f"{one.state}: {one.text}" for one in found(at, *names) if one.state != WELL)


@pytest.fixture
def pooled(at: Installation, database: TestDatabase) -> Iterator[Installation]:
    """The same behind a pooler, as docs/operations/scaling.md sets it up."""
    with closing(Pooler(database)) as pooler:
        yield changed(at, {"database_pooler": "transaction"}, app=pooler.app, health=pooler.health)


@POOLED
def test_a_pooler_that_works_gets_no_word_and_is_looked_through(pooled: Installation) -> None:
    assert told(pooled, "pooler", *THROUGH_THE_POOLER) == ""
    assert "not checked: A pooler stands between" in told(pooled, "connections")


@POOLED
def test_a_pooler_nobody_was_told_of(pooled: Installation) -> None:
    unsaid = changed(pooled, {"database_pooler": "none"})
    assert told(unsaid, "pooler").startswith("wrong: DATABASE_URL leads to a pooler, and DATABASE_POOLER is none")


@POOLED
def test_a_pooler_without_a_way_for_the_question_alone(pooled: Installation) -> None:
    assert "unwise: DATABASE_HEALTH_URL is not set" in told(changed(pooled, health=None), "pooler")


@POOLED
@pytest.mark.parametrize(("mode", "said"), [
    ("session", "unwise: Each client keeps a session of the database to itself"),
    ("statement", "wrong: The pooler is in statement mode"),
])  # fmt: skip
def test_a_pooler_in_another_mode(at: Installation, database: TestDatabase, mode: str, said: str) -> None:
    with closing(Pooler(database, pool_mode=mode)) as pooler:
        set_ = changed(at, {"database_pooler": "transaction"}, app=pooler.app, health=pooler.health)
        assert told(set_, "pooler").startswith(said)


@POOLED
def test_a_pooler_that_hands_out_its_sessions_in_turn_is_well(at: Installation, database: TestDatabase) -> None:
    with closing(Pooler(database, server_round_robin="1")) as pooler:
        address = libpq_url(pooler.app)
        with psycopg.connect(address) as one, psycopg.connect(address) as other:  # both at once: both sessions open
            assert (
                one.execute("SELECT pg_backend_pid()").fetchone() != other.execute("SELECT pg_backend_pid()").fetchone()
            )
        in_turn = changed(at, {"database_pooler": "transaction"}, app=pooler.app, health=pooler.health)
        assert told(in_turn, "pooler") == ""


def test_a_pooler_that_is_said_and_is_not_there(at: Installation) -> None:
    said = changed(at, {"database_pooler": "transaction"}, health=at.addresses["app"])
    assert "unwise: Each client keeps a session of the database to itself" in told(said, "pooler")


@pytest.fixture(scope="module")
def primary() -> Iterator[TestDatabase]:
    """A database on a server of its own: how near a copy is depends on all that its primary writes."""
    with TestDatabase.apart("tests-replica") as made:
        yield made


@pytest.fixture(scope="module")
def standby(primary: TestDatabase) -> Iterator[Standby]:
    """A replica of it, set up as docs/operations/scaling.md says."""
    with closing(Standby(primary)) as made:
        made.set("hot_standby_feedback", "on")
        yield made


@pytest.fixture
def copied(primary: TestDatabase, standby: Standby, tmp_path: Path) -> Iterator[Installation]:
    """An installation with a replica, which follows again at the end."""
    yield changed(installed(primary, tmp_path), replica=standby.app)
    standby.follow()


@OWN_SERVER
def test_a_replica_that_follows_gets_no_word_and_how_late_it_is_is_told(copied: Installation) -> None:
    assert told(copied, "replica", "database", "transport") == ""
    assert "The replica had what the primary had after" in found(copied, "replica")[0].text


@OWN_SERVER
def test_a_replica_that_is_behind(copied: Installation, primary: TestDatabase, standby: Standby) -> None:
    standby.hold()
    with psycopg.connect(libpq_url(primary.whole), autocommit=True) as connection:
        connection.execute("SELECT pg_logical_emit_message(true, 'test', 'something to replay')")
    short = changed(copied, {"replica_longest_lag_seconds": 0.2})
    assert told(short, "replica").startswith("wrong: The replica is ")
    assert "was not there in 0.2 seconds" in told(short, "replica")


@OWN_SERVER
def test_a_replica_whose_long_reads_are_cancelled(copied: Installation, standby: Standby) -> None:
    standby.set("hot_standby_feedback", "off")
    assert "unwise: hot_standby_feedback is off" in told(copied, "replica")
    standby.set("hot_standby_feedback", "on")


@OWN_SERVER
def test_a_replica_that_is_cut_off(copied: Installation, standby: Standby) -> None:
    way = standby.ask("SELECT current_setting('primary_conninfo')")
    standby.set("primary_conninfo", "")
    await_(lambda: not standby.ask("SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)"), "it receives nothing")
    assert "unwise: The replica receives nothing" in told(copied, "replica")
    standby.set("primary_conninfo", way)
    await_(lambda: bool(standby.ask("SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)")), "it receives again")


@OWN_SERVER
def test_a_replica_of_another_server(copied: Installation, database: TestDatabase) -> None:
    mixed = changed(copied, app=database.app)
    assert "wrong: The replica is a copy of another server" in told(mixed, "replica")
