"""The timeline of an episode: all that is in it and all that was done, in one order, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, func, or_, select

from careapp.access import Actor, Permission
from careapp.db import at_most, table_of, written_out
from careapp.disclosure.people import who_did
from careapp.disclosure.scope import scope_of, within
from careapp.episodes.states import EPISODE
from careapp.kept import built_once
from careapp.lifecycle import HISTORY, StatusChange
from careapp.overviews.episode_items import (
    CHANGE,
    KINDS,
    AppointmentRow,
    Part,
    PrescriptionRow,
    ReferralRow,
)
from careapp.paging import ListName, decode_cursor, encode_cursor
from careapp.prescriptions.models import PRESCRIPTIONS, Prescription
from careapp.prescriptions.states import PRESCRIPTION
from careapp.providers.models import PROVIDERS, Provider
from careapp.referrals.models import REFERRALS, Referral
from careapp.referrals.states import REFERRAL
from careapp.scheduling.models import APPOINTMENTS, Appointment
from careapp.scheduling.states import APPOINTMENT
from careapp.transactions import Asked
from careapp.views import View


class Happening(View):
    """One change in an episode. `who` is a name of staff, or what acted; `what` says of which thing: a provider's name,
    a medicine, a kind of referral."""

    id: int
    at: datetime
    entity: str
    locator: str
    action: str
    who: str
    cause: str | None
    reason: str | None
    what: str | None


Item = AppointmentRow | PrescriptionRow | ReferralRow | Happening


@dataclass(frozen=True)
class Entry:
    """One thing of a timeline, at the moment it stands there: an appointment at its time, ahead or past, a prescription
    and a referral when it was made, a change when it happened."""

    kind: str
    at: datetime
    item: Item
    number: int

    @property
    def place(self) -> tuple[datetime, int, int]:
        """Where it stands among all others."""
        return self.at, KINDS.index(self.kind), self.number


def part_of(of: ListName, kind: str | None, cursor: str | None, limit: int) -> Part:
    """The part of a timeline: of one kind or of all, from the cursor on. Raises Invalid for a cursor of another one."""
    before = None if cursor is None else decode_cursor(cursor, of, datetime, int, int)
    return Part(frozenset(KINDS if kind is None else (kind,)), limit, before)


def asked_changes(actor: Actor, episode_id: int, part: Part) -> Asked:
    """What asks for the changes of a part that the actor may know of, the newest first. That a thing was made is left
    out where the thing itself stands in the same list.
    """
    may = frozenset(one for one in _ASKED if actor.may(one))
    built = _kept_changes if part.before is None else _changes_of
    return built(may, actor.clinic_ids is not None, part), {**scope_of(actor), "the_episode": episode_id}


def changes_of(actor: Actor, rows: Sequence[Row[Any]]) -> list[Happening]:
    """The changes of rows that were asked for; a reason is told only to who may read what it is about."""
    read = {EPISODE.entity, APPOINTMENT.entity}
    for entity, permission in _READ.items():
        if actor.may(permission):
            read.add(entity)
    return Happening.of_each(rows, lambda row: {} if row.entity in read else {"reason": None})


_READ = {PRESCRIPTION.entity: Permission.PRESCRIPTION_READ, REFERRAL.entity: Permission.REFERRAL_READ}


_ASKED = (Permission.PRESCRIPTION_READ, Permission.PRESCRIPTION_VIEW, Permission.REFERRAL_VIEW)


def _changes_of(may: frozenset[Permission], scoped: bool, part: Part) -> Select[Any]:
    """The changes of a part of an episode's timeline, the newest first."""
    mine = (HISTORY.tenant_id == bindparam("tenant"), HISTORY.episode_id == bindparam("the_episode"))
    statement = _changes(may, scoped).where(*mine)
    if len(part.kinds) > 1:
        statement = statement.where(HISTORY.action.not_in(written_out(("issue", "refer"))))
    statement = statement.where(*part.conditions(CHANGE, HISTORY.at, HISTORY.id))
    return statement.order_by(HISTORY.at.desc(), HISTORY.id.desc()).limit(at_most(part.limit + 1))


_kept_changes = built_once(_changes_of)  # the first part of a timeline, which most people look at


def _changes(may: frozenset[Permission], scoped: bool) -> Select[Any]:
    """The status changes of what the actor sees, with who made them and what they are about."""
    named: list[ColumnElement[bool]] = [APPOINTMENTS.id.is_not(None) & within(scoped, APPOINTMENTS.clinic_id)]
    medicine = PRESCRIPTIONS.medication_text if Permission.PRESCRIPTION_READ in may else None
    if Permission.PRESCRIPTION_VIEW in may:
        named.append(PRESCRIPTIONS.id.is_not(None))
    if Permission.REFERRAL_VIEW in may:
        named.append(REFERRALS.id.is_not(None))
    whats: list[Any] = [PROVIDERS.name, REFERRALS.type, *([] if medicine is None else [medicine])]
    return (
        select(
            *HISTORY,
            who_did(HISTORY).label("who"),
            func.coalesce(*whats).label("what"),
        )
        .select_from(table_of(StatusChange))
        .outerjoin(table_of(Appointment), _about(APPOINTMENT.entity, APPOINTMENTS))
        .outerjoin(
            table_of(Provider),
            and_(PROVIDERS.tenant_id == APPOINTMENTS.tenant_id, PROVIDERS.id == APPOINTMENTS.provider_id),
        )
        .outerjoin(table_of(Prescription), _about(PRESCRIPTION.entity, PRESCRIPTIONS))
        .outerjoin(table_of(Referral), _about(REFERRAL.entity, REFERRALS))
        .where(or_(HISTORY.entity == EPISODE.entity, *named))
    )


def _about(entity: str, rows: Any) -> ColumnElement[bool]:
    return and_(HISTORY.entity == entity, rows.tenant_id == HISTORY.tenant_id, rows.id == HISTORY.entity_id)


def merged(
    of: ListName, part: Part, appointments: Sequence[AppointmentRow], prescriptions: Sequence[PrescriptionRow],
    referrals: Sequence[ReferralRow], changes: Sequence[Happening],
) -> tuple[list[Entry], str | None]:  # fmt: skip
    """The entries of the part in order, the newest first, and the cursor of the next part, if there is one."""
    entries = [
        *(Entry(APPOINTMENT.entity, one.starts_at, one, _number(one.locator)) for one in appointments),
        *(Entry(PRESCRIPTION.entity, one.issued_at, one, _number(one.locator)) for one in prescriptions),
        *(Entry(REFERRAL.entity, one.created_at, one, _number(one.locator)) for one in referrals),
        *(Entry(CHANGE, one.at, one, one.id) for one in changes),
    ]
    wanted = [one for one in entries if one.kind in part.kinds and (part.before is None or one.place < part.before)]
    wanted.sort(key=lambda one: one.place, reverse=True)
    shown = wanted[: part.limit]
    return shown, encode_cursor(of, *shown[-1].place) if len(wanted) > len(shown) else None


def _number(locator: str) -> int:
    """The id a locator ends with (design §4)."""
    return int(locator.rsplit("-", 1)[1])
