"""Upkeep: what is old goes, what is wrong is reported, and nothing else is touched."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import text
from structlog.testing import capture_logs

from careapp import tenancy
from careapp.access import Actor
from careapp.db import db
from careapp.jobs import upkeep as jobs
from careapp.localdb import libpq_url
from careapp.operations import maintenance
from careapp.outbox import upkeep
from careapp.outbox.relay import Relay
from careapp.outbox.senders import LogSender
from careapp.partitions import make_ahead
from tests import factories as make
from tests.conftest import TestTenant
from tests.database import TestDatabase
from tests.jobs.relays import relay_role
from tests.jobs.speaking import saying, speak


@pytest.fixture
def relay_url(app: APIFlask) -> str:
    url: str = app.config["DATABASE_RELAY_URL"]
    return url


def set_times(app: APIFlask, tenant: TestTenant, column: str, ages: dict[str, str | None]) -> None:
    """Make the events of keys look that old."""
    with relay_role(app) as connection:
        for key, age in ages.items():
            connection.execute(
                f"UPDATE outbox SET {column} = now() - %s::interval WHERE tenant_id = %s AND key = %s",
                [age, tenant.id, key],
            )


def keys_left(app: APIFlask, tenant: TestTenant) -> list[str]:
    with relay_role(app) as connection:
        rows = connection.execute("SELECT key FROM outbox WHERE tenant_id = %s ORDER BY key", [tenant.id]).fetchall()
    return [key for (key,) in rows]


def test_published_events_go_after_seven_days_and_the_sequence_goes_on(
    app: APIFlask, tenant: TestTenant, speaker: Actor, relay_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ROWS_AT_A_TIME", 2)
    speak(speaker, [saying(key) for key in ("old", "old", "old", "older", "older", "recent", "unsent")])
    set_times(app, tenant, "published_at", {"old": "7 days 1 minute", "older": "90 days", "recent": "6 days 23 hours"})
    set_times(app, tenant, "created_at", {"unsent": "90 days"})
    assert upkeep.delete_marked(relay_url) == 5
    assert keys_left(app, tenant) == ["recent", "unsent"]
    speak(speaker, [saying("old")])
    with relay_role(app) as connection:
        row = connection.execute(
            "SELECT sequence FROM outbox WHERE tenant_id = %s AND key = 'old'", [tenant.id]
        ).fetchone()
    assert row == (4,)


def test_what_the_relay_has_sent_is_kept_for_seven_days(
    app: APIFlask, database: TestDatabase, tenant: TestTenant, speaker: Actor, relay_url: str
) -> None:
    speak(speaker, [saying(key) for key in ("old", "old", "recent")])
    with closing(Relay(relay_url, LogSender())) as relay:
        assert relay.run_pass() == 3
    assert keys_left(app, tenant) == []
    kept = "SELECT key, sequence, envelope ->> 'subject', published_at >= created_at FROM outbox_sent"
    mine = " WHERE tenant_id = %s ORDER BY key, sequence"
    with relay_role(app) as connection:
        rows = connection.execute(kept + mine, [tenant.id]).fetchall()
    assert rows == [("old", 1, "old", True), ("old", 2, "old", True), ("recent", 1, "recent", True)]
    with psycopg.connect(libpq_url(database.whole), autocommit=True) as everybody:
        aged = "UPDATE care.outbox_sent SET published_at = now() - interval '8 days 1 minute' WHERE tenant_id = %s"
        everybody.execute(f"{aged} AND key = 'old'", [tenant.id])  # on a day without a partition of its own
    assert upkeep.delete_strays(relay_url) == 2
    with relay_role(app) as connection:
        assert [row[0] for row in connection.execute(kept + mine, [tenant.id]).fetchall()] == ["recent"]


DAY = "SELECT to_char(now() AT TIME ZONE 'UTC' - %s * interval '1 day', 'YYYY-MM-DD')"


@pytest.fixture
def days(database: TestDatabase, tenant: TestTenant) -> Iterator[list[str]]:
    """The partitions of six, eight and nine days ago, each with one event; what is left of them goes."""
    made = []
    with (
        psycopg.connect(libpq_url(database.owner), autocommit=True) as owner,
        psycopg.connect(libpq_url(database.whole), autocommit=True) as everybody,
    ):
        for ago in (6, 8, 9):  # none of them changes sides if a day begins meanwhile
            [(day,)] = owner.execute(DAY, [ago]).fetchall()
            made.append(f"outbox_sent_{day.replace('-', '_')}")
            owner.execute(
                f"CREATE TABLE {made[-1]} PARTITION OF outbox_sent FOR VALUES FROM ('{day} 00:00Z') TO ('{day} 24:00Z')"
            )
            owner.execute("SELECT protect_partition('outbox_sent', %s)", [made[-1]])
            everybody.execute(
                "INSERT INTO care.outbox_sent (tenant_id, published_at, id, event_id, topic, key, sequence, envelope,"
                f" created_at) VALUES (%s, '{day} 12:00Z', 1, gen_random_uuid(), 't', 'k', 1, '{{}}', now())",
                [tenant.id],
            )
        yield made
        for name in made:
            owner.execute(f"DROP TABLE IF EXISTS {name}")


def test_days_that_ended_more_than_seven_days_ago_go_at_once(
    app: APIFlask, tenant: TestTenant, speaker: Actor, relay_url: str, days: list[str]
) -> None:
    sixth, *older = days
    assert upkeep.drop_days(relay_url) == sorted(older)
    assert upkeep.drop_days(relay_url) == []
    speak(speaker, [saying("now")])
    with closing(Relay(relay_url, LogSender())) as relay:
        assert relay.run_pass() == 1
    with relay_role(app) as connection:
        mine = "SELECT tableoid::regclass::text, published_at FROM outbox_sent WHERE tenant_id = %s ORDER BY 2"
        (place, _), (here, now) = connection.execute(mine, [tenant.id]).fetchall()
    assert (place, here) == (sixth, f"outbox_sent_{now.astimezone(UTC):%Y_%m_%d}")


def test_after_days_without_jobs_a_relay_lays_the_day_itself(
    app: APIFlask, database: TestDatabase, tenant: TestTenant, speaker: Actor, relay_url: str
) -> None:
    """Else what it sends first goes to the partition for the rest, and the day cannot be laid any more."""
    with psycopg.connect(libpq_url(database.owner), autocommit=True) as owner:
        [(today,)] = owner.execute(DAY, [0]).fetchall()
        missing = f"outbox_sent_{today.replace('-', '_')}"
        owner.execute(f"DROP TABLE {missing}")
    speak(speaker, [saying("now")])
    with closing(Relay(relay_url, LogSender())) as relay:
        assert relay.run_pass() == 1
    with relay_role(app) as connection:
        place = "SELECT tableoid::regclass::text, published_at FROM outbox_sent WHERE tenant_id = %s"
        [(place, now)] = connection.execute(place, [tenant.id]).fetchall()
    assert place == f"outbox_sent_{now.astimezone(UTC):%Y_%m_%d}"
    assert missing not in make_ahead(relay_url)


def test_two_who_lay_partitions_do_not_meet(database: TestDatabase, relay_url: str) -> None:
    with psycopg.connect(libpq_url(database.owner), autocommit=True) as owner:
        [(day,)] = owner.execute(DAY, [-2]).fetchall()
        missing = f"outbox_sent_{day.replace('-', '_')}"
        for _ in range(5):
            owner.execute(f"DROP TABLE {missing}")
            with ThreadPoolExecutor(4) as pool:
                made = [part for parts in pool.map(make_ahead, [relay_url] * 4) for part in parts]
            made += make_ahead(relay_url)  # where all of them stood still for longer than they wait
            assert made.count(missing) == 1


def test_old_days_stay_while_a_relay_sends_and_go_an_hour_later(
    app: APIFlask, tenant: TestTenant, relay_url: str, days: list[str]
) -> None:
    with relay_role(app) as sending, sending.transaction(), capture_logs() as logs:
        sending.execute("DELETE FROM outbox_sent WHERE false")  # the lock of a relay's visit
        jobs.delete_published_events(relay_url)
    assert [entry["event"] for entry in logs] == ["old days of sent events are in use, and stay until the next hour"]
    with relay_role(app) as connection:
        rows = connection.execute("SELECT count(*) FROM outbox_sent WHERE tenant_id = %s", [tenant.id]).fetchall()
    assert rows == [(len(days),)]
    with capture_logs() as logs:
        jobs.delete_published_events(relay_url)
    assert sorted(entry["partition"] for entry in logs) == sorted(days[1:])


def test_events_of_no_day_are_found_without_a_look_at_the_days(relay_url: str) -> None:
    with psycopg.connect(libpq_url(relay_url)) as relay:
        plan = relay.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {upkeep._DELETE_STRAYS}", [upkeep.KEPT_DAYS]).fetchall()
    told = "\n".join(line for (line,) in plan)
    assert "Scan on outbox_sent_other" in told
    assert "Scan on outbox_sent_2" not in told


def test_old_events_marked_in_place_are_found_without_reading_all(
    database: TestDatabase, tenant: TestTenant, relay_url: str
) -> None:
    """The job runs each hour, and most of the time finds little among the events of a week."""
    with psycopg.connect(libpq_url(database.whole), autocommit=True) as everybody:
        everybody.execute(
            "INSERT INTO care.outbox (tenant_id, event_id, topic, key, sequence, shard, envelope, published_at)"
            " SELECT %s, gen_random_uuid(), 'care.episode.opened', 'EPI-' || n, 1, n %% 16, '{}', now()"
            " FROM generate_series(1, 20000) AS n", [tenant.id],
        )  # fmt: skip
        everybody.execute("ANALYZE care.outbox")
        with psycopg.connect(libpq_url(relay_url)) as relay:
            plan = relay.execute(f"EXPLAIN {upkeep._DELETE}", [upkeep.KEPT_DAYS, upkeep.ROWS_AT_A_TIME]).fetchall()
        everybody.execute("DELETE FROM care.outbox WHERE tenant_id = %s", [tenant.id])
    told = "\n".join(line for (line,) in plan)
    assert "outbox_published" in told
    assert "Seq Scan" not in told


def test_figures_name_what_is_late_and_what_is_parked(
    app: APIFlask, tenant: TestTenant, speaker: Actor, relay_url: str
) -> None:
    relay = Relay(relay_url, LogSender())
    speak(speaker, [saying("quiet")])
    relay.run_pass()
    speak(speaker, [saying("late"), saying("parked")])
    set_times(app, tenant, "created_at", {"late": "2 hours", "parked": "9 hours"})
    set_times(app, tenant, "parked_at", {"parked": "1 hour"})
    with capture_logs() as logs:
        jobs.report_outbox(relay_url, relay)
    [entry] = logs
    assert (entry["log_level"], entry["pending"], entry["parked"], entry["published"]) == ("warning", 2, 1, 1)
    assert 7200 <= entry["oldest_seconds"] < 9 * 3600
    relay.close()


def test_answers_go_after_a_day(app: APIFlask, tenant: TestTenant) -> None:
    with tenancy.bound(tenant.id):
        db.session.execute(
            text(
                "INSERT INTO idempotency_key (tenant_id, principal, route, key, request_hash, created_at)"
                " SELECT :tenant, 'p', 'r', key, 'h', now() - age FROM (VALUES ('young', interval '23 hours'),"
                " ('old', interval '25 hours')) AS v(key, age)"
            ),
            {"tenant": tenant.id},
        )
        db.session.commit()
    assert maintenance.delete_old_answers() == 1
    with tenancy.bound(tenant.id):
        assert db.session.execute(text("SELECT key FROM idempotency_key")).scalars().all() == ["young"]
        db.session.rollback()


def test_a_wrong_count_is_reported_and_left_alone(app: APIFlask, tenant: TestTenant, speaker: Actor) -> None:
    right, wrong = make.a_slot(speaker, capacity=2), make.a_slot(speaker, capacity=2)
    make.an_appointment(speaker, slot=right, status="ATTENDED")
    make.an_appointment(speaker, slot=right, status="CANCELLED")
    make.an_appointment(speaker, slot=wrong)
    with psycopg.connect(libpq_url(app.config["DATABASE_OWNER_URL"])) as owner:
        owner.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant.id)])
        owner.execute("UPDATE provider_slots SET booked = 2 WHERE locator = %s", [wrong.locator])
    for _ in range(2):
        with capture_logs() as logs:
            jobs.check_booked_counts()
        [found] = [entry["slots"] for entry in logs if entry["tenant"] == tenant.key]
        assert found == [f"{wrong.locator} booked 2, counted 1"]
