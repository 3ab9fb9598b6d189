"""Whom a slot can be booked for: patients found by name, birth date or locator, each with his open episodes."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import func

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.episodes.models import EPISODES
from careapp.episodes.queries import get_episode
from careapp.episodes.service import episode_rows
from careapp.episodes.states import OPEN
from careapp.patients.models import PATIENTS
from careapp.patients.queries import get_patient, search_patients
from careapp.patients.views import PatientView
from careapp.scheduling.appointments import appointment_rows
from careapp.scheduling.models import APPOINTMENTS, SLOTS
from careapp.scheduling.states import CANCELLED
from careapp.views import View

MOST_CANDIDATES = 10


class OpenEpisode(View):
    """An open episode as a choice."""

    locator: str
    care_type: str
    stage: str
    reason: str | None
    opened_at: datetime


class Candidate(View):
    """A patient with the episodes a booking could go into, newest first."""

    patient: PatientView
    episodes: Sequence[OpenEpisode]


@query(Permission.PATIENT_VIEW)
def find_candidates(
    actor: Actor, *, name: str | None = None, birth_date: date | None = None, locator: str | None = None
) -> list[Candidate]:
    """The newest patients that match. Raises Invalid when nothing is given to search by."""
    found = search_patients(actor, name=name, birth_date=birth_date, locator=locator, limit=MOST_CANDIDATES)
    return _with_episodes(actor, list(found.items))


class Booking(View):
    """Somebody who has a place in a slot."""

    locator: str
    episode_locator: str
    party_locator: str
    patient_name: str
    birth_date: date | None
    type: str | None
    status: str


@query(Permission.APPOINTMENT_VIEW)
def list_bookings(actor: Actor, slot_locator: str) -> list[Booking]:
    """Who has a place in a slot, in the order they were booked; nobody for an unknown slot or one out of scope."""
    statement = appointment_rows(actor).add_columns(
        func.trim(func.concat(func.array_to_string(PATIENTS.given, " "), " ", PATIENTS.family)).label("patient_name"),
        PATIENTS.birth_date,
    )
    rows = db.session.execute(
        statement.where(SLOTS.locator == slot_locator, APPOINTMENTS.status != CANCELLED).order_by(APPOINTMENTS.id)
    ).all()
    record_read("slot.bookings", slot_locator, patients=tuple(sorted({row.party_locator for row in rows})))
    return [Booking.of(row) for row in rows]


@query(Permission.PATIENT_VIEW)
def get_candidate(actor: Actor, *, episode: str | None = None, party: str | None = None) -> Candidate:
    """The patient of an episode, or the one with this locator; raises NotFound."""
    party = party or get_episode(actor, str(episode)).party_locator
    return _with_episodes(actor, [get_patient(actor, party)])[0]


def _with_episodes(actor: Actor, patients: Sequence[PatientView]) -> list[Candidate]:
    """Each patient with his open episodes, read in one statement."""
    locators = [patient.locator for patient in patients]
    statement = episode_rows(actor).where(EPISODES.status == OPEN, PATIENTS.locator.in_(locators))
    rows = db.session.execute(statement.order_by(EPISODES.opened_at.desc(), EPISODES.id.desc())).all()
    record_read("episode.list", patients=tuple(locators))
    return [
        Candidate(patient=one, episodes=[OpenEpisode.of(row) for row in rows if row.party_locator == one.locator])
        for one in patients
    ]
