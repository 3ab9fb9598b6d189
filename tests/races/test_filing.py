"""Filing in a crowd: of two jobs each visit is filed by one, and who erases a patient meanwhile misses nothing."""

from functools import partial

import pytest
from apiflask import APIFlask

from careapp import partitions
from careapp.access import Actor
from careapp.erasure.erase import erase_patient
from careapp.patients.queries import get_patient
from careapp.scheduling import filing
from tests.looking import one
from tests.races.crowd import Crowd
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
    outcomes = crowd([
        *[partial(filing.file, god.tenant_id, years)] * 2,
        *(
            partial(
                erase_patient, god, patient.locator, category="RETENTION_OVER", reason="Twenty years are over",
                version=patient.version,
            )
            for patient in erased
        ),
    ])  # fmt: skip
    assert {type(outcome).__name__ for outcome in outcomes[2:]} == {"ErasureView"}
    filed = sum(outcomes[:2]) + filing.file(god.tenant_id, years)
    assert (filed, one(god, FILED), one(god, NOTES)) == (8, 8, len(others))
    assert crowd.deadlocks == 0
