"""What is in an episode: appointments, prescriptions and referrals, each with who changed it last and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Row,
    Select,
    bindparam,
    lateral,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.selectable import LateralFromClause

from careapp import clock
from careapp.access import Actor, Permission
from careapp.db import at_most, table_of, written_out
from careapp.disclosure.people import who_did
from careapp.disclosure.scope import scope_of, within
from careapp.kept import built_once
from careapp.lifecycle import HISTORY, StatusChange
from careapp.overviews.overdue import Overdue, why_overdue_visit
from careapp.overviews.zones import with_place
from careapp.prescriptions.checks import Checks
from careapp.prescriptions.models import Prescription
from careapp.prescriptions.service import all_prescriptions, entered_by
from careapp.prescriptions.states import ISSUED, PRESCRIPTION
from careapp.prescriptions.views import PrescriptionView
from careapp.providers.models import PROVIDERS
from careapp.referrals.models import Referral
from careapp.referrals.service import all_referrals
from careapp.referrals.states import OPEN as OPEN_REFERRAL
from careapp.referrals.states import REFERRAL
from careapp.referrals.views import ReferralView
from careapp.scheduling.appointments import all_appointments, appointment_rows
from careapp.scheduling.changes import MOVABLE, undoable
from careapp.scheduling.models import APPOINTMENTS, Appointment
from careapp.scheduling.states import ACTIVE, APPOINTMENT
from careapp.scheduling.views import AppointmentView
from careapp.transactions import Asked
from careapp.views import View

Columns = ReadOnlyColumnCollection[str, Any]

CHANGE = "change"
TABLES = {
    APPOINTMENT.entity: table_of(Appointment), PRESCRIPTION.entity: table_of(Prescription),
    REFERRAL.entity: table_of(Referral),
}  # fmt: skip
_SEEN_BY = {PRESCRIPTION.entity: Permission.PRESCRIPTION_VIEW, REFERRAL.entity: Permission.REFERRAL_VIEW}
KINDS = (CHANGE, *TABLES)  # what a timeline holds; things of one moment stand in this order, the last on top


class LastChange(View):
    """Who brought a thing into its present state, how, and when; `cause` is the event that made it, if one did."""

    action: str
    who: str
    at: datetime
    cause: str | None


class AppointmentRow(AppointmentView):
    """An appointment with the names behind its locators, the zone of its times, and what may be done besides moves."""

    provider_name: str
    clinic_name: str | None
    zone: str
    last_change: LastChange | None = None
    overdue: Overdue | None = None
    can_undo: bool = False
    can_reschedule: bool = False


class PrescriptionRow(PrescriptionView):
    """A prescription with its prescriber's name, who entered it where that was somebody else, and what the safety
    checks said when it was issued."""

    provider_name: str
    entered_by: str | None = None
    checks: Checks | None = None
    override_reason: str | None = None
    last_change: LastChange | None = None


class ReferralRow(ReferralView):
    """A referral with the moment it was made."""

    created_at: datetime
    last_change: LastChange | None = None


@dataclass(frozen=True)
class Part:
    """Which part of an episode's timeline is read: `limit` things of each kind in `kinds`, from `before` on, which is
    the time, rank and id of the last thing of the part above."""

    kinds: frozenset[str]
    limit: int
    before: tuple[datetime, int, int] | None = None

    def conditions(self, kind: str, at: ColumnElement[Any], key: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """The conditions that things of this kind come after that place. Of one moment, the kinds come by rank."""
        if self.before is None:
            return []
        moment, rank, number = self.before
        if KINDS.index(kind) == rank:
            return [tuple_(at, key) < tuple_(literal(moment), literal(number, BigInteger))]
        return [at <= moment if KINDS.index(kind) < rank else at < moment]


def named_appointments(actor: Actor) -> Select[Any]:
    """The appointments in the actor's scope, with names and zone: the rows of an AppointmentRow."""
    rows = appointment_rows(actor).add_columns(PROVIDERS.name.label("provider_name"))
    return with_place(rows, APPOINTMENTS, actor.tenant_id)


def kinds_for(actor: Actor) -> list[str]:
    """The kinds of things an actor may know of."""
    return [kind for kind in TABLES if kind not in _SEEN_BY or actor.may(_SEEN_BY[kind])]


def asked_items(actor: Actor, kind: str, episode_id: int, part: Part) -> Asked:
    """What asks for an episode's things of a kind that stand open or belong to a part of its timeline, each with its
    last change; the newest first.
    """
    built = _kept_statement if part.before is None else _statement
    return built(kind, actor.clinic_ids is not None, part), {**scope_of(actor), "the_episode": episode_id}


def appointments_of(actor: Actor, rows: Sequence[Row[Any]], *, is_open: bool) -> list[AppointmentRow]:
    """The appointments of rows that were asked for; `is_open` is the episode."""
    may_move, now = is_open and actor.may(Permission.APPOINTMENT_MOVE), clock.now()
    return [
        AppointmentRow.seen_by(
            actor,
            row,
            last_change=last_of(row),
            can_undo=may_move and undoable(actor, last_of(row)),
            can_reschedule=may_move and row.status in MOVABLE,
            overdue=why_overdue_visit(row.status, row.ends_at, now),
        )
        for row in rows
    ]


def prescriptions_of(actor: Actor, rows: Sequence[Row[Any]]) -> list[PrescriptionRow]:
    """The prescriptions of such rows."""
    return [PrescriptionRow.seen_by(actor, row, last_change=last_of(row)) for row in rows]


def referrals_of(actor: Actor, rows: Sequence[Row[Any]]) -> list[ReferralRow]:
    """The referrals of such rows."""
    return [ReferralRow.seen_by(actor, row, last_change=last_of(row)) for row in rows]


def _named(kind: str, scoped: bool) -> tuple[Select[Any], str, Sequence[str]]:
    """All rows of a kind with names, the column of their time, and the states in which they stand open."""
    tenant: Any = bindparam("tenant")
    if kind == PRESCRIPTION.entity:
        rows = all_prescriptions(tenant).add_columns(PROVIDERS.name.label("provider_name"), entered_by())
        return rows, "issued_at", (ISSUED,)
    if kind == REFERRAL.entity:
        return all_referrals(tenant), "created_at", OPEN_REFERRAL
    mine = all_appointments().where(APPOINTMENTS.tenant_id == tenant, within(scoped, APPOINTMENTS.clinic_id))
    named = mine.add_columns(PROVIDERS.name.label("provider_name"))
    return with_place(named, APPOINTMENTS, tenant), "starts_at", ACTIVE


def _statement(kind: str, scoped: bool, part: Part) -> Select[Any]:
    """The statement of asked_items()."""
    rows, moment, still_open = _named(kind, scoped)
    columns = TABLES[kind].c
    episode: BindParameter[Any] = bindparam("the_episode")
    wanted: ColumnElement[bool] = columns.status.in_(written_out(still_open))
    if kind in part.kinds:
        one = TABLES[kind].alias("of_part").c
        ids = (
            select(one.id)
            .where(one.tenant_id == columns.tenant_id, one.episode_id == episode)
            .where(*part.conditions(kind, one[moment], one.id))
            .order_by(one[moment].desc(), one.id.desc())
            .limit(at_most(part.limit + 1))
        )
        wanted = or_(wanted, columns.id.in_(ids))
    change = newest_change(kind, columns)
    return (
        rows.outerjoin(change, true())
        .add_columns(*change.c)
        .where(columns.episode_id == episode, wanted)
        .order_by(columns[moment].desc(), columns.id.desc())
    )


_kept_statement = built_once(_statement)  # the first part of a timeline, which most people look at


def newest_change(entity: str, rows: Columns) -> LateralFromClause:
    """The newest status change of each of these rows, with the name of the member of staff who made it."""
    return lateral(
        select(
            HISTORY.action.label("change_action"), HISTORY.at.label("change_at"), HISTORY.cause.label("change_cause"),
            who_did(HISTORY).label("change_who"),
        )
        .select_from(table_of(StatusChange))
        .where(HISTORY.tenant_id == rows.tenant_id, HISTORY.entity == entity, HISTORY.entity_id == rows.id)
        .order_by(HISTORY.id.desc())
        .limit(at_most(1))
    )  # fmt: skip


def last_of(row: Row[Any]) -> LastChange | None:
    """The newest_change() of a row, where it has one."""
    if row.change_action is None:
        return None  # stored as it was elsewhere, without a history
    return LastChange(action=row.change_action, who=row.change_who, at=row.change_at, cause=row.change_cause)
