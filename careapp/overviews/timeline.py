"""The episode page: patient, everything in the episode, what stands open, and its history, read together."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, Text, cast, literal, select

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db, table_of
from careapp.episodes.models import EPISODES
from careapp.episodes.service import episode_rows
from careapp.episodes.states import EPISODE, OPEN
from careapp.episodes.views import EpisodeView
from careapp.errors import found
from careapp.identity.models import USERS, User
from careapp.lifecycle import HISTORY, StatusChange
from careapp.overviews.zones import episode_zone, with_place
from careapp.patients.models import FACTS, PATIENTS
from careapp.prescriptions.models import PRESCRIPTIONS
from careapp.prescriptions.service import prescription_rows
from careapp.prescriptions.states import PRESCRIPTION
from careapp.prescriptions.views import PrescriptionView
from careapp.providers.models import PROVIDERS
from careapp.referrals import states as referral_states
from careapp.referrals.models import REFERRALS
from careapp.referrals.service import referral_rows
from careapp.referrals.views import ReferralView
from careapp.scheduling.appointments import appointment_rows
from careapp.scheduling.changes import MOVABLE, undoable
from careapp.scheduling.models import APPOINTMENTS
from careapp.scheduling.states import ACTIVE, APPOINTMENT
from careapp.scheduling.views import AppointmentView
from careapp.views import View

LONGEST_HISTORY = 200  # changes; the newest are shown


class Banner(View):
    """Who the patient is and what must not be overlooked; on every page of an episode."""

    party_locator: str
    name: str
    birth_date: date | None
    gender: str
    allergies: Sequence[str]


class AppointmentRow(AppointmentView):
    """An appointment with the names behind its locators, the zone of its times, and what may be done besides moves."""

    provider_name: str
    clinic_name: str | None
    zone: str
    can_undo: bool = False
    can_reschedule: bool = False


class PrescriptionRow(PrescriptionView):
    """A prescription with its prescriber's name."""

    provider_name: str


class Happening(View):
    """One change in the history of an episode. `who` is a name of staff, or what acted; `what` says of which thing."""

    at: datetime
    entity: str
    locator: str
    action: str
    from_status: str | None
    to_status: str
    who: str
    cause: str | None
    reason: str | None
    what: str | None


class EpisodePage(View):
    """Everything the episode page shows. Lists the actor may not know of are None, and so are their happenings.

    `open_unseen` is how much else stands open, of kinds or at clinics that are not the actor's.
    """

    episode: EpisodeView
    banner: Banner
    zone: str
    appointments: Sequence[AppointmentRow]
    prescriptions: Sequence[PrescriptionRow] | None
    referrals: Sequence[ReferralView] | None
    open_appointments: Sequence[AppointmentRow]
    open_referrals: Sequence[ReferralView]
    open_unseen: int
    history: Sequence[Happening]


@query(Permission.EPISODE_VIEW)
def get_episode_page(actor: Actor, locator: str) -> EpisodePage:
    """One episode with all in it that this actor may see; raises NotFound."""
    row = _episode(actor, locator)
    changes = _changes(actor, row.id)
    is_open = row.status == OPEN
    appointments = _appointments(actor, row.id, _last_changes(changes) if is_open else {}, movable=is_open)
    prescriptions = _prescriptions(actor, row.id)
    referrals = _referrals(actor, row.id)
    open_appointments = [one for one in appointments if one.status in ACTIVE]
    open_referrals = [one for one in referrals or () if one.status in referral_states.OPEN]
    all_open = row.open_appointments + row.open_referrals  # what refuses a close; read first, so it may be the older
    record_read("episode.page", locator, patients=(row.party_locator,))
    return EpisodePage(
        episode=EpisodeView.of(row),
        banner=_banner(actor, row),
        zone=row.zone,
        appointments=appointments,
        prescriptions=prescriptions,
        referrals=referrals,
        open_appointments=open_appointments,
        open_referrals=open_referrals,
        open_unseen=max(0, all_open - len(open_appointments) - len(open_referrals)),
        history=_history(actor, changes, appointments, prescriptions, referrals),
    )


@query(Permission.EPISODE_VIEW)
def get_banner(actor: Actor, locator: str) -> tuple[EpisodeView, Banner, str]:
    """An episode, its patient and its zone (episode_zone), for the forms inside an episode; raises NotFound."""
    row = _episode(actor, locator)
    record_read("episode.read", locator, patients=(row.party_locator,))
    return EpisodeView.of(row), _banner(actor, row), row.zone


@query(Permission.APPOINTMENT_VIEW)
def get_appointment_row(actor: Actor, locator: str) -> AppointmentRow:
    """One appointment with names and zone; raises NotFound."""
    row = found(db.session.execute(_appointment_rows(actor).where(APPOINTMENTS.locator == locator)).one_or_none())
    record_read("appointment.read", locator, patients=(row.party_locator,))
    return AppointmentRow.of(row)


def _episode(actor: Actor, locator: str) -> Row[Any]:
    statement = episode_rows(actor).add_columns(
        PATIENTS.given, PATIENTS.family, PATIENTS.birth_date, PATIENTS.gender, episode_zone(actor).label("zone")
    )
    return found(db.session.execute(statement.where(EPISODES.locator == locator)).one_or_none())


def _banner(actor: Actor, row: Row[Any]) -> Banner:
    """The patient of an episode's row, with the allergies that still hold."""
    allergies = db.session.execute(
        select(FACTS.text)
        .where(FACTS.tenant_id == actor.tenant_id, FACTS.patient_id == row.patient_id)
        .where(FACTS.kind == "ALLERGY", FACTS.abated_at.is_(None))
        .order_by(FACTS.text)
    ).scalars()
    name = " ".join((*row.given, row.family)).strip()
    return Banner(
        party_locator=row.party_locator, name=name, birth_date=row.birth_date, gender=row.gender,
        allergies=list(dict.fromkeys(allergies)),
    )  # fmt: skip


def _appointment_rows(actor: Actor) -> Select[Any]:
    rows = appointment_rows(actor).add_columns(PROVIDERS.name.label("provider_name"))
    return with_place(rows, APPOINTMENTS, actor.tenant_id)


def _appointments(actor: Actor, episode_id: int, last: dict[str, Row[Any]], *, movable: bool) -> list[AppointmentRow]:
    statement = (
        _appointment_rows(actor)
        .where(APPOINTMENTS.episode_id == episode_id)
        .order_by(APPOINTMENTS.starts_at, APPOINTMENTS.id)
    )
    may_move = movable and actor.may(Permission.APPOINTMENT_MOVE)
    return [
        AppointmentRow.of(
            row,
            can_undo=may_move and undoable(actor, last.get(row.locator)),
            can_reschedule=may_move and row.status in MOVABLE,
        )
        for row in db.session.execute(statement)
    ]


def _prescriptions(actor: Actor, episode_id: int) -> list[PrescriptionRow] | None:
    if not actor.may(Permission.PRESCRIPTION_VIEW):
        return None
    statement = prescription_rows(actor).add_columns(PROVIDERS.name.label("provider_name"))
    rows = db.session.execute(
        statement.where(PRESCRIPTIONS.episode_id == episode_id).order_by(
            PRESCRIPTIONS.issued_at.desc(), PRESCRIPTIONS.id.desc()
        )
    )
    return [PrescriptionRow.seen_by(actor, row) for row in rows]


def _referrals(actor: Actor, episode_id: int) -> list[ReferralView] | None:
    if not actor.may(Permission.REFERRAL_VIEW):
        return None
    statement = (
        referral_rows(actor)
        .where(REFERRALS.episode_id == episode_id)
        .order_by(REFERRALS.created_at.desc(), REFERRALS.id.desc())
    )
    return [ReferralView.seen_by(actor, row) for row in db.session.execute(statement)]


def _changes(actor: Actor, episode_id: int) -> Sequence[Row[Any]]:
    """The episode's status changes, newest first, each with the name of the member of staff who made it."""
    by_user = (USERS.tenant_id == HISTORY.tenant_id) & (literal("user:") + cast(USERS.id, Text) == HISTORY.actor)
    statement: Select[Any] = (
        select(*HISTORY, USERS.name.label("staff_name"))
        .select_from(table_of(StatusChange).outerjoin(table_of(User), by_user))
        .where(HISTORY.tenant_id == actor.tenant_id, HISTORY.episode_id == episode_id)
        .order_by(HISTORY.id.desc())
        .limit(LONGEST_HISTORY)
    )
    return db.session.execute(statement).all()


def _last_changes(changes: Sequence[Row[Any]]) -> dict[str, Row[Any]]:
    """The newest change of each appointment, by locator."""
    return {row.locator: row for row in reversed(changes) if row.entity == APPOINTMENT.entity}


def _history(
    actor: Actor, changes: Sequence[Row[Any]], appointments: Iterable[AppointmentRow],
    prescriptions: Iterable[PrescriptionRow] | None, referrals: Iterable[ReferralView] | None,
) -> list[Happening]:  # fmt: skip
    """The changes of what the actor sees; a reason is told only to who may read what it is about."""
    known: dict[str, str | None] = {one.locator: one.provider_name for one in appointments}
    known |= {one.locator: one.medication.text if one.medication else None for one in prescriptions or ()}
    known |= {one.locator: one.type for one in referrals or ()}
    told = {EPISODE.entity, APPOINTMENT.entity}
    if actor.may(Permission.PRESCRIPTION_READ):
        told.add(PRESCRIPTION.entity)
    if actor.may(Permission.REFERRAL_READ):
        told.add(referral_states.REFERRAL.entity)
    return [
        Happening.of(
            row, who=row.staff_name or row.actor, what=known.get(row.locator),
            reason=row.reason if row.entity in told else None,
        )
        for row in sorted(changes, key=lambda row: (row.at, row.id), reverse=True)
        if row.entity == EPISODE.entity or row.locator in known
    ]  # fmt: skip
