"""Whom a slot can be booked for: patients found by name, birth date or locator, each with his open episodes; who is
booked in it; and for whom a time is looked for.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Self

from sqlalchemy import Row, Select, select, true

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db, table_of
from careapp.disclosure import reading
from careapp.episodes.models import EPISODES
from careapp.episodes.service import episode_rows
from careapp.episodes.states import OPEN
from careapp.episodes.views import HIDDEN
from careapp.errors import found
from careapp.overviews.episode_items import LastChange, last_of, newest_change
from careapp.overviews.slot_cells import SlotCell
from careapp.overviews.zones import with_place
from careapp.patients.models import FIRST_PHONE, FULL_NAME, PATIENTS
from careapp.patients.queries import get_patient, search_patients
from careapp.patients.views import PatientView
from careapp.providers.models import PROVIDERS
from careapp.scheduling.appointments import appointment_rows
from careapp.scheduling.changes import MOVABLE, undoable
from careapp.scheduling.models import APPOINTMENTS, IS_ACTIVE, SLOTS, Appointment
from careapp.scheduling.states import APPOINTMENT, CANCELLED
from careapp.scheduling.views import AppointmentView
from careapp.views import View

MOST_CANDIDATES = 10


class OpenEpisode(View):
    """An open episode as a choice."""

    locator: str
    care_type: str
    stage: str
    reason: str | None
    opened_at: datetime

    @classmethod
    def seen_by(cls, actor: Actor, row: Row[Any]) -> Self:
        """The choice for this actor: what a restricted one is about is left out."""
        return cls.of(row, **({} if reading.sees(actor, row) else HIDDEN))


class Candidate(View):
    """A patient with the episodes a booking could go into, newest first."""

    patient: PatientView
    episodes: Sequence[OpenEpisode]


@query(Permission.PATIENT_VIEW)
def find_candidates(
    actor: Actor, *, name: str | None = None, birth_date: date | None = None, locator: str | None = None,
    phone: str | None = None,
) -> list[Candidate]:  # fmt: skip
    """The newest patients that match. Raises Invalid when nothing is given to search by."""
    page = search_patients(actor, name=name, birth_date=birth_date, locator=locator, phone=phone, limit=MOST_CANDIDATES)
    return _with_episodes(actor, list(page.items))


class Booking(View):
    """Somebody who has a place in a slot, or had it a moment ago, with the number to call him by.

    `can_move` and `can_undo` say what may be done besides moves; there are none once the episode has ended.
    """

    locator: str
    episode_locator: str
    episode_open: bool
    party_locator: str
    patient_name: str
    birth_date: date | None
    phone: str | None
    type: str | None
    status: str
    version: int
    last_change: LastChange | None
    can_move: bool
    can_undo: bool


class Moving(AppointmentView):
    """An appointment that is to be moved, with the names behind its locators and the zone of its times."""

    patient_name: str
    provider_name: str
    clinic_name: str | None
    zone: str

    @property
    def movable(self) -> bool:
        """Whether its state lets it go to another time."""
        return self.status in MOVABLE


class Sought(View):
    """For whom a time is looked for: a patient, and the appointment of his that is to be moved, if it is that."""

    patient_name: str
    party_locator: str
    confidentiality: str
    moving: Moving | None = None


@query(Permission.APPOINTMENT_VIEW)
def get_sought(
    actor: Actor, *, episode: str | None = None, party: str | None = None, moving: str | None = None
) -> Sought:
    """For whom a time is looked for, by the locator of one of these; raises NotFound."""
    if moving is not None:
        row = found(db.session.execute(_movings(actor).where(APPOINTMENTS.locator == moving)).one_or_none())
        sought = Sought.of(row, moving=Moving.seen_by(actor, row))
    else:
        of_episode = episode_rows(actor).where(EPISODES.locator == episode).add_columns(FULL_NAME)
        of_patient = select(FULL_NAME, PATIENTS.locator.label("party_locator"), PATIENTS.confidentiality).where(
            PATIENTS.tenant_id == actor.tenant_id, PATIENTS.locator == party
        )
        sought = Sought.of(found(db.session.execute(of_episode if episode else of_patient).one_or_none()))
    record_read("patient.read", sought.party_locator, patients=(sought.party_locator,))
    return sought


def _movings(actor: Actor) -> Select[Any]:
    rows = appointment_rows(actor).add_columns(FULL_NAME, PROVIDERS.name.label("provider_name"))
    return with_place(rows, APPOINTMENTS, actor.tenant_id)


@query(Permission.APPOINTMENT_VIEW)
def list_bookings(actor: Actor, slot_locator: str) -> list[Booking]:
    """Who has a place in a slot, in the order they were booked; nobody for an unknown slot or one out of scope.

    Who was called off stays as long as the actor may take that back.
    """
    change = newest_change(APPOINTMENT.entity, table_of(Appointment).c)
    statement = appointment_rows(actor).outerjoin(change, true())
    named = (FULL_NAME, PATIENTS.birth_date, FIRST_PHONE, (EPISODES.status == OPEN).label("episode_open"))
    rows = db.session.execute(
        statement.add_columns(*named, *change.c).where(SLOTS.locator == slot_locator).order_by(APPOINTMENTS.id)
    ).all()
    booked = [one for one in _bookings(actor, rows) if one.status != CANCELLED or one.can_undo]
    record_read("slot.bookings", slot_locator, patients=tuple(sorted({one.party_locator for one in booked})))
    return booked


def _bookings(actor: Actor, rows: Sequence[Row[Any]]) -> list[Booking]:
    may_move = actor.may(Permission.APPOINTMENT_MOVE)

    def told(row: Row[Any]) -> dict[str, Any]:
        last, free = last_of(row), may_move and row.episode_open
        return {
            "last_change": last,
            "can_move": free and row.status in MOVABLE, "can_undo": free and undoable(actor, last),
        }  # fmt: skip

    return Booking.of_each(rows, told)


class SameDay(View):
    """An appointment a patient has with a provider on some day already."""

    locator: str
    party_locator: str
    provider_name: str
    starts_at: datetime
    zone: str


@query(Permission.APPOINTMENT_VIEW)
def list_same_day(actor: Actor, slot: SlotCell, parties: Sequence[str]) -> list[SameDay]:
    """What these patients have with the slot's provider on the slot's day, on its clock, by time: one statement."""
    day = clock.local(slot.starts_at, slot.zone).date()
    begin, end = clock.span_of(day, slot.zone)
    statement = _movings(actor).where(
        PATIENTS.locator.in_(parties), PROVIDERS.locator == slot.provider_locator,
        IS_ACTIVE, APPOINTMENTS.starts_at >= begin, APPOINTMENTS.starts_at < end,
    )  # fmt: skip
    rows = db.session.execute(statement.order_by(APPOINTMENTS.starts_at, APPOINTMENTS.id)).all()
    record_read("appointment.same_day", slot.locator, patients=tuple(sorted({row.party_locator for row in rows})))
    return SameDay.of_each(rows)


@query(Permission.PATIENT_VIEW)
def get_candidate(actor: Actor, *, episode: str | None = None, party: str | None = None) -> Candidate:
    """The patient of an episode, or the one with this locator; raises NotFound."""
    if party is None:
        of_episode = episode_rows(actor).where(EPISODES.locator == episode)
        party = str(found(db.session.execute(of_episode).one_or_none()).party_locator)
    return _with_episodes(actor, [get_patient(actor, party)])[0]


@query(Permission.APPOINTMENT_VIEW)
def page_after(actor: Actor, episode: str) -> str:
    """Where to go on after something was done about an episode: its page, or the patient's, where it is not his who
    did it to read. Raises NotFound."""
    row = found(db.session.execute(episode_rows(actor).where(EPISODES.locator == episode)).one_or_none())
    return f"/episodes/{episode}" if reading.sees(actor, row) else f"/patients/{row.party_locator}"


def _with_episodes(actor: Actor, patients: Sequence[PatientView]) -> list[Candidate]:
    """Each patient with his open episodes, read in one statement."""
    locators = [patient.locator for patient in patients]
    statement = episode_rows(actor).where(EPISODES.status == OPEN, PATIENTS.locator.in_(locators))
    rows = db.session.execute(statement.order_by(EPISODES.opened_at.desc(), EPISODES.id.desc())).all()
    reading.look(actor, rows)
    record_read("episode.list", patients=tuple(locators))
    return [
        Candidate(
            patient=one, episodes=[OpenEpisode.seen_by(actor, row) for row in rows if row.party_locator == one.locator]
        )
        for one in patients
    ]
