"""What has been booked and ordered for a patient, across his episodes: appointments, prescriptions, referrals."""

from datetime import datetime, timedelta

from sqlalchemy import func, select

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import at_most, db, table_of
from careapp.disclosure import reading
from careapp.disclosure.scope import in_scope
from careapp.episodes.queries import get_episode
from careapp.overviews.episode_items import AppointmentRow, PrescriptionRow, named_appointments
from careapp.paging import read_page
from careapp.patients.models import PATIENTS, Patient
from careapp.prescriptions.models import PRESCRIPTIONS
from careapp.prescriptions.service import prescription_rows
from careapp.providers.models import PROVIDERS
from careapp.referrals.models import REFERRALS
from careapp.referrals.service import referral_rows
from careapp.referrals.views import ReferralView
from careapp.scheduling.changes import MOVABLE
from careapp.scheduling.models import APPOINTMENTS, IS_ACTIVE, IS_PRESENT, Appointment
from careapp.scheduling.states import ACTIVE, ATTENDED, NO_SHOW
from careapp.views import Page, View

MOST_UPCOMING, MOST_EARLIER = 20, 8
YEAR = timedelta(days=365)


class EarlierReferral(ReferralView):
    """A referral with when it was made, and by when what comes next is due; nothing is, once it is over."""

    referred_at: datetime
    due_at: datetime | None


class Attendance(View):
    """How many appointments of the last twelve months a patient came to, and how many he missed."""

    attended: int
    missed: int


def read_upcoming(actor: Actor, locator: str) -> list[AppointmentRow]:
    """A patient's open appointments in the actor's scope, the soonest first; also one that is over and not marked."""
    statement = named_appointments(actor).where(PATIENTS.locator == locator, IS_ACTIVE)
    rows = db.session.execute(
        statement.order_by(APPOINTMENTS.starts_at, APPOINTMENTS.id).limit(at_most(MOST_UPCOMING))
    ).all()
    may_move = actor.may(Permission.APPOINTMENT_MOVE)
    return [AppointmentRow.seen_by(actor, row, can_reschedule=may_move and row.status in MOVABLE) for row in rows]


def read_past(actor: Actor, locator: str, *, limit: int, cursor: str | None = None) -> Page[AppointmentRow]:
    """A patient's appointments in the actor's scope that are over or were called off, newest first."""
    statement = named_appointments(actor).where(PATIENTS.locator == locator, APPOINTMENTS.status.not_in(ACTIVE))
    keys = (APPOINTMENTS.starts_at, APPOINTMENTS.id)
    return read_page(
        statement, keys, reading.each(AppointmentRow.seen_by, actor), of=("past appointments", locator),
        limit=limit, cursor=cursor, newest_first=True,
    )  # fmt: skip


def read_attendance(actor: Actor, locator: str) -> Attendance:
    """What became of a patient's appointments in the actor's scope in the last twelve months."""
    of_patient = (PATIENTS.tenant_id == APPOINTMENTS.tenant_id) & (PATIENTS.id == APPOINTMENTS.patient_id)
    statement = (
        select(
            func.count().filter(APPOINTMENTS.status == ATTENDED).label("attended"),
            func.count().filter(APPOINTMENTS.status == NO_SHOW).label("missed"),
        )
        .select_from(table_of(Appointment).join(table_of(Patient), of_patient))
        .where(PATIENTS.tenant_id == actor.tenant_id, PATIENTS.locator == locator)
        .where(IS_PRESENT, APPOINTMENTS.starts_at > clock.now() - YEAR, in_scope(actor, APPOINTMENTS.clinic_id))
    )
    attended, missed = db.session.execute(statement).one()
    return Attendance(attended=attended, missed=missed)


def read_prescribed(actor: Actor, locator: str, *, limit: int, cursor: str | None = None) -> Page[PrescriptionRow]:
    """A patient's prescriptions, newest first, as far as the actor may know them."""
    statement = prescription_rows(actor).add_columns(PROVIDERS.name.label("provider_name"))
    return read_page(
        statement.where(PATIENTS.locator == locator), (PRESCRIPTIONS.issued_at, PRESCRIPTIONS.id),
        reading.each(PrescriptionRow.seen_by, actor), of=("prescriptions of a patient", locator),
        limit=limit, cursor=cursor, newest_first=True,
    )  # fmt: skip


def read_referred(actor: Actor, locator: str, *, limit: int, cursor: str | None = None) -> Page[EarlierReferral]:
    """A patient's referrals, newest first, as far as the actor may know them."""
    return read_page(
        referral_rows(actor).where(PATIENTS.locator == locator), (REFERRALS.referred_at, REFERRALS.id),
        reading.each(EarlierReferral.seen_by, actor), of=("referrals of a patient", locator),
        limit=limit, cursor=cursor, newest_first=True,
    )  # fmt: skip


@query(Permission.REFERRAL_WRITE)
def list_earlier_referrals(actor: Actor, episode_locator: str) -> list[EarlierReferral]:
    """The newest referrals of an episode's patient, for a new one to be copied from; raises NotFound."""
    party = get_episode(actor, episode_locator).party_locator
    record_read("referral.list", party, patients=(party,))
    return list(read_referred(actor, party, limit=MOST_EARLIER).items)
