"""Filing: appointments of episodes long over lie in their years' partitions, are read as before, and move no more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import text

from careapp import clock, commands, partitions
from careapp.access import Actor
from careapp.db import db
from careapp.episodes import service as episodes
from careapp.episodes.views import EpisodeView
from careapp.erasure.erase import erase_patient
from careapp.errors import Conflict, NotFound
from careapp.jobs import upkeep
from careapp.localdb import libpq_url
from careapp.operations import key_rotation, tenant_rows
from careapp.overviews.patients import list_past_appointments
from careapp.patients.queries import get_patient
from careapp.scheduling import appointments, filing, queries
from careapp.scheduling.views import AppointmentView
from tests import factories as make
from tests.conftest import TestTenant
from tests.database import TestDatabase

LONG_AGO, DECADES = timedelta(days=500), timedelta(days=365 * 20)
PARTS = "SELECT id, tableoid::regclass::text FROM care.appointments WHERE tenant_id = %s ORDER BY id"


@pytest.fixture
def run_job(app: APIFlask, years_go: None) -> Callable[[], None]:
    """Runs the job that files."""
    return lambda: upkeep.file_appointments(app.config["DATABASE_RELAY_URL"])


@contextmanager
def all_tenants(database: TestDatabase) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(libpq_url(database.whole)) as connection:
        yield connection


def a_visit(actor: Actor, status: str = "ATTENDED", *, ends: bool = True) -> tuple[EpisodeView, AppointmentView]:
    """An episode with one visit, ended unless told otherwise."""
    episode = make.an_episode(actor)
    visit = make.an_appointment(actor, episode, status=status, notes="Walks without pain", reason="Knee")
    if ends:
        episodes.close(actor, episode.locator, summary="Recovered")
    return episode, visit


def grow_old(actor: Actor, episode: EpisodeView, *, by: timedelta = LONG_AGO, closed: timedelta = LONG_AGO) -> datetime:
    """Let an episode and its visit have been so long ago; returns when the visit then began."""
    about = {"episode": episode.locator, "by": by, "closed": closed}
    with commands.system_transaction(actor.tenant_id):
        began = db.session.execute(
            text(
                "UPDATE appointments SET starts_at = starts_at - :by, ends_at = ends_at - :by,"
                " busy_until = busy_until - :by WHERE episode_id = (SELECT id FROM episodes WHERE locator = :episode)"
                " RETURNING starts_at"
            ),
            about,
        ).scalar_one()
        db.session.execute(
            text("UPDATE episodes SET closed_at = closed_at - :closed WHERE locator = :episode RETURNING id"), about
        )
    return began.astimezone(UTC)  # type: ignore[no-any-return]


def lies_in(database: TestDatabase, tenant: TestTenant) -> list[str]:
    """The partition of each of the tenant's appointments, in the order in which they were booked."""
    with all_tenants(database) as connection:
        return [part.removeprefix("care.") for _, part in connection.execute(PARTS, [tenant.id])]


def test_the_job_files_what_is_long_over_and_leaves_all_else(
    god: Actor, tenant: TestTenant, database: TestDatabase, run_job: Callable[[], None]
) -> None:
    closed, _ = a_visit(god)
    missed, _ = a_visit(god, "NO_SHOW")
    still_open, _ = a_visit(god, ends=False)
    ended_lately, _ = a_visit(god)
    began = grow_old(god, closed)
    earlier = grow_old(god, missed, by=LONG_AGO * 3)
    grow_old(god, still_open)
    grow_old(god, ended_lately, closed=filing.AFTER - timedelta(days=1))
    a_visit(god)
    run_job()
    kept = "appointments_present"
    assert lies_in(database, tenant) == [
        f"appointments_{began.year}", f"appointments_{earlier.year}", kept, kept, kept
    ]  # fmt: skip
    run_job()
    assert lies_in(database, tenant)[0] == f"appointments_{began.year}"


def test_a_backlog_is_filed_part_by_part_and_what_cannot_be_filed_holds_up_nothing(
    god: Actor, tenant: TestTenant, database: TestDatabase, run_job: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filing, "READ_AT_ONCE", 3)
    monkeypatch.setattr(filing, "EPISODES_AT_A_TIME", 2)
    for _ in range(8):
        episode, visit = a_visit(god)
        grow_old(god, episode)
    with commands.system_transaction(god.tenant_id):  # a fault: nobody is expected in an ended episode
        db.session.execute(
            text("UPDATE appointments SET status = 'BOOKED' WHERE locator = :one"), {"one": visit.locator}
        )
    run_job()
    parts = lies_in(database, tenant)
    assert (parts.count("appointments_present"), len(parts), parts[-1]) == (1, 8, "appointments_present")


def test_what_is_filed_is_read_as_before(god: Actor, run_job: Callable[[], None]) -> None:
    episode, visit = a_visit(god)
    grow_old(god, episode)
    before = queries.get_appointment(god, visit.locator)
    run_job()
    assert queries.get_appointment(god, visit.locator) == before
    assert before.notes == "Walks without pain"
    assert queries.list_appointments(god, episode.locator).items == (before,)
    past = list_past_appointments(god, episode.party_locator)
    assert [row.locator for row in past.page.items] == [visit.locator]


def test_what_is_filed_moves_no_more(god: Actor, run_job: Callable[[], None]) -> None:
    episode, visit = a_visit(god)
    grow_old(god, episode)
    run_job()
    for move in (
        lambda: appointments.act(god, visit.locator, action="cancel", reason="Too late"),
        lambda: appointments.act(god, visit.locator, action="undo-nothing"),
    ):
        with pytest.raises(Conflict) as refused:
            move()
        assert refused.value.code == "EPISODE_NOT_OPEN"
    with pytest.raises(NotFound):
        appointments.act(god, "APT-2020-999999", action="cancel")


def test_erasing_a_patient_blanks_what_is_filed(god: Actor, run_job: Callable[[], None]) -> None:
    episode, visit = a_visit(god)
    grow_old(god, episode, by=DECADES, closed=DECADES)
    run_job()
    patient = get_patient(god, episode.party_locator)
    assert queries.get_appointment(god, visit.locator).notes == "Walks without pain"
    erase_patient(
        god, patient.locator, category="RETENTION_OVER", reason="Twenty years are over", version=patient.version
    )
    found = queries.get_appointment(god, visit.locator)
    assert (found.notes, found.reason) == (None, None)


def test_a_year_that_is_empty_is_dropped_and_one_that_is_not_stays(
    god: Actor, tenant: TestTenant, database: TestDatabase, app: APIFlask, run_job: Callable[[], None]
) -> None:
    episode, _ = a_visit(god)
    began = grow_old(god, episode)
    run_job()
    with all_tenants(database) as connection:
        connection.execute("SELECT care.make_appointment_year(1999)")
    run_job()
    assert lies_in(database, tenant) == [f"appointments_{began.year}"]
    with all_tenants(database) as connection:
        assert connection.execute("SELECT to_regclass('care.appointments_1999')").fetchone() == (None,)


def test_what_the_planner_knows_of_all_follows_what_it_knows_of_a_partition(
    app: APIFlask, god: Actor, database: TestDatabase
) -> None:
    a_visit(god)
    relay_url = app.config["DATABASE_RELAY_URL"]
    known = "SELECT count(*) > 0 FROM pg_statistic WHERE starelid = 'care.appointments'::regclass"
    with psycopg.connect(libpq_url(database.whole), autocommit=True) as connection:
        connection.execute("DELETE FROM pg_statistic WHERE starelid = 'care.appointments'::regclass")
        connection.execute("SELECT pg_stat_reset_single_table_counters('care.appointments'::regclass)")
        connection.execute("ANALYZE care.appointments_present")
        assert partitions.know_appointments(relay_url)
        assert connection.execute(known).fetchone() == (True,)
    assert not partitions.know_appointments(relay_url)


def test_nobody_active_can_be_filed(god: Actor, database: TestDatabase, run_job: Callable[[], None]) -> None:
    episode, visit = a_visit(god)
    began = grow_old(god, episode)
    run_job()
    with pytest.raises(Exception, match="appointments_over"), commands.system_transaction(god.tenant_id):
        db.session.execute(
            text("UPDATE appointments SET status = 'BOOKED' WHERE locator = :locator"), {"locator": visit.locator}
        )
    assert began.year < clock.now().year


def test_keys_of_what_is_filed_are_counted_with_all_others(
    god: Actor, database: TestDatabase, run_job: Callable[[], None]
) -> None:
    episode, _ = a_visit(god)
    grow_old(god, episode)
    run_job()
    counted = key_rotation.count_by_key(database.owner, god.tenant_id)
    assert sum(counted["appointments.notes"].values()) == 1


def test_a_tenants_tables_name_appointments_once() -> None:
    assert [table.name for table in tenant_rows.tables() if table.name.startswith("appointments")] == ["appointments"]
