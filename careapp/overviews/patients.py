"""The patient page: who it is, what is known, and what has been opened, booked and ordered, read together."""

from collections.abc import Callable, Sequence
from typing import Any

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.disclosure import reading
from careapp.episodes.models import EPISODES
from careapp.episodes.service import episode_rows
from careapp.episodes.states import OPEN
from careapp.episodes.views import EpisodeView
from careapp.overviews.episode_items import AppointmentRow, PrescriptionRow
from careapp.overviews.patient_orders import (
    Attendance,
    EarlierReferral,
    read_attendance,
    read_past,
    read_prescribed,
    read_referred,
    read_upcoming,
)
from careapp.overviews.zones import read_tenant_zone
from careapp.paging import read_page
from careapp.patients.models import PATIENTS
from careapp.patients.queries import get_patient_details, list_facts, require_open_record
from careapp.patients.states import ALLERGY, CONDITION
from careapp.patients.views import FactView, PatientDetails
from careapp.prescriptions.recognition import Unrecognised, unrecognised
from careapp.views import Page, View

ON_THE_PAGE, MOST_OPEN, AT_ONCE = 5, 20, 25  # of each list: on the patient page, open ones there, and on its own page


class PatientChart(View):
    """A patient and all about him. Days that belong to no appointment are those of the tenant's zone.

    `allergies` and `conditions` still hold, `ended` do not. What is clinical, or may not be known to the actor at all,
    is None; of a restricted patient to whom it may not be told, `patient.withheld` says so. `unrecognised` are
    allergies that prescriptions cannot be checked against, by their ids, for who may put them right.
    """

    patient: PatientDetails
    allergies: Sequence[FactView]
    none_known: Sequence[FactView]
    conditions: Sequence[FactView] | None
    ended: Sequence[FactView] | None
    open_episodes: Sequence[EpisodeView]
    episodes: Page[EpisodeView]
    upcoming: Sequence[AppointmentRow]
    past: Page[AppointmentRow]
    attendance: Attendance
    prescriptions: Page[PrescriptionRow] | None
    referrals: Page[EarlierReferral] | None
    zone: str
    unrecognised: dict[int, Unrecognised]


@query(Permission.PATIENT_VIEW)
def get_patient_chart(actor: Actor, locator: str) -> PatientChart:
    """One patient with the beginning of each of his lists; raises NotFound."""
    patient = get_patient_details(actor, locator)
    withheld = patient.withheld
    facts = [] if withheld else list_facts(actor, locator)
    holding = [fact for fact in facts if fact.abated_at is None]
    clinical = actor.may(Permission.CLINICAL_READ) and not withheld
    allergies = [fact for fact in holding if fact.kind == ALLERGY and not fact.none_known]
    record_read("patient.page", locator, patients=(locator,))
    return PatientChart(
        patient=patient,
        allergies=allergies,
        none_known=[fact for fact in holding if fact.none_known],
        conditions=[fact for fact in holding if fact.kind == CONDITION] if clinical else None,
        ended=[fact for fact in facts if fact.abated_at] if clinical else None,
        open_episodes=_episodes(actor, locator, True, limit=MOST_OPEN).items,
        episodes=_episodes(actor, locator, False, limit=ON_THE_PAGE),
        upcoming=read_upcoming(actor, locator),
        past=read_past(actor, locator, limit=ON_THE_PAGE),
        attendance=read_attendance(actor, locator),
        prescriptions=None if withheld else _if(actor, Permission.PRESCRIPTION_VIEW, read_prescribed, locator),
        referrals=None if withheld else _if(actor, Permission.REFERRAL_VIEW, read_referred, locator),
        zone=read_tenant_zone(actor),
        unrecognised=unrecognised(allergies) if actor.may(Permission.CLINICAL_WRITE) else {},
    )


class PatientList(View):
    """One list about a patient at length."""

    patient: PatientDetails
    page: Page[Any]
    zone: str


@query(Permission.PATIENT_VIEW)
def list_finished_episodes(actor: Actor, locator: str, *, cursor: str | None = None) -> PatientList:
    """A patient's episodes that are closed or cancelled, newest first; raises NotFound."""
    page = _episodes(actor, locator, False, limit=AT_ONCE, cursor=cursor)
    return _at_length(actor, locator, "episode.list", page)


@query(Permission.APPOINTMENT_VIEW)
def list_past_appointments(actor: Actor, locator: str, *, cursor: str | None = None) -> PatientList:
    """A patient's appointments that are over, newest first; raises NotFound."""
    return _at_length(actor, locator, "appointment.list", read_past(actor, locator, limit=AT_ONCE, cursor=cursor))


@query(Permission.PRESCRIPTION_VIEW)
def list_all_prescriptions(actor: Actor, locator: str, *, cursor: str | None = None) -> PatientList:
    """A patient's prescriptions, newest first; raises NotFound and Restricted."""
    require_open_record(actor, locator)
    page = read_prescribed(actor, locator, limit=AT_ONCE, cursor=cursor)
    return _at_length(actor, locator, "prescription.list", page)


@query(Permission.REFERRAL_VIEW)
def list_all_referrals(actor: Actor, locator: str, *, cursor: str | None = None) -> PatientList:
    """A patient's referrals, newest first; raises NotFound and Restricted."""
    require_open_record(actor, locator)
    return _at_length(actor, locator, "referral.list", read_referred(actor, locator, limit=AT_ONCE, cursor=cursor))


def _at_length(actor: Actor, locator: str, action: str, page: Page[Any]) -> PatientList:
    record_read(action, locator, patients=(locator,))
    return PatientList(patient=get_patient_details(actor, locator), page=page, zone=read_tenant_zone(actor))


def _if(actor: Actor, permission: Permission, read: Callable[..., Page[Any]], locator: str) -> Page[Any] | None:
    return read(actor, locator, limit=ON_THE_PAGE) if actor.may(permission) else None


def _episodes(
    actor: Actor, locator: str, still_open: bool, *, limit: int, cursor: str | None = None
) -> Page[EpisodeView]:
    """A patient's episodes that are open, or those that are not, newest first."""
    status = EPISODES.status == OPEN if still_open else EPISODES.status != OPEN
    statement = episode_rows(actor).where(PATIENTS.locator == locator, status)
    return read_page(
        statement, (EPISODES.opened_at, EPISODES.id),
        reading.each(EpisodeView.seen_by, actor), of=("episodes of a patient", locator, still_open),
        limit=limit, cursor=cursor, newest_first=True,
    )  # fmt: skip
