"""Filing in a crowd: of two jobs each visit is filed by one, and who erases a patient meanwhile misses nothing."""

from functools import partial
from threading import Event
from time import sleep
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from careapp import commands, partitions
from careapp.access import Actor
from careapp.db import db
from careapp.erasure.erase import erase_patient
from careapp.operations import key_rotation
from careapp.patients.queries import get_patient
from careapp.scheduling import filing, queries
from tests.database import TestDatabase
from tests.looking import execute, one
from tests.races.crowd import MOMENT, PATIENCE, Crowd
from tests.scheduling.test_filing import DECADES, a_visit, grow_old

pytestmark = pytest.mark.usefixtures("years_go")
NOTES = "SELECT count(notes) FROM appointments"
FILED = "SELECT count(*) FROM appointments WHERE filed_year > 0"


def test_jobs_that_file_at_once_and_erasures_miss_no_visit(app: APIFlask, god: Actor, crowd: Crowd) -> None:
    years, patients = set(), []
    for _ in range(8):
        episode, _ = a_visit(god)
        years.add(grow_old(god, episode, by=DECADES, closed=DECADES).year)
        patients.append(get_patient(god, episode.party_locator))
    for year in years:
        assert partitions.make_year(app.config["DATABASE_RELAY_URL"], year)
    erased, others = patients[:6], patients[6:]
    old = [one.episode_id for one in filing.waiting(god.tenant_id)]
    outcomes = crowd([
        *[partial(filing.file, god.tenant_id, old, years)] * 2,
        *(
            partial(
                erase_patient, god, patient.locator, category="RETENTION_OVER", reason="Twenty years are over",
                version=patient.version,
            )
            for patient in erased
        ),
    ])  # fmt: skip
    assert {type(outcome).__name__ for outcome in outcomes[2:]} == {"ErasureView"}
    filed = sum(outcomes[:2]) + filing.file(god.tenant_id, old, years)
    assert (filed, one(god, FILED), one(god, NOTES)) == (8, 8, len(others))
    assert crowd.deadlocks == 0


def test_a_key_is_rotated_while_rows_are_filed(app: APIFlask, god: Actor, database: TestDatabase, crowd: Crowd) -> None:
    episode, visit = a_visit(god)
    year = grow_old(god, episode).year
    assert partitions.make_year(app.config["DATABASE_RELAY_URL"], year)
    execute(god, "UPDATE appointments SET notes = 'As it was'")
    filed = Event()

    def file() -> None:
        with commands.system_transaction(god.tenant_id):
            db.session.execute(text("UPDATE appointments SET filed_year = :year RETURNING id"), {"year": year}).one()
            filed.set()
            sleep(MOMENT)

    def rotate() -> Any:
        assert filed.wait(PATIENCE)
        return key_rotation.rotate(database.owner, god)

    _, rotated = crowd([file, rotate])
    assert (rotated.unreadable, one(god, FILED)) == ((), 1)
    assert queries.get_appointment(god, visit.locator).notes == "As it was"
    assert one(god, "SELECT notes FROM appointments") != "As it was"
