"""Slots as a page shows them: with names, who is booked in them, and why one that takes no booking takes none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ARRAY, BigInteger, DateTime, Row, Select, any_, bindparam, func, select
from sqlalchemy.sql import ColumnElement

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db, table_of
from careapp.disclosure.scope import in_scope, reaches
from careapp.episodes.models import EPISODES, Episode
from careapp.errors import NotFound, found
from careapp.kept import built_once
from careapp.operations.models import SETTINGS
from careapp.overviews.zones import with_place
from careapp.patients.models import FULL_NAME, PATIENTS, Patient
from careapp.providers.models import PROVIDERS
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.scheduling.changes import MOVABLE
from careapp.scheduling.filing import may_be_filed, present_or
from careapp.scheduling.models import APPOINTMENTS, IS_ACTIVE, SLOTS, Appointment
from careapp.scheduling.refusing import FULL, OVER, closed_by, visit_in_the_way
from careapp.scheduling.slots import LONGEST_SLOT, slot_rows
from careapp.scheduling.states import ACTIVE, BLOCKED, CANCELLED, PENDING
from careapp.scheduling.views import SlotView
from careapp.views import View

Reason = Literal["OVER", "BLOCKED", "FULL", "NOT_PARTICIPATING", "BUFFER", "PATIENT_BUSY"]
State = Literal["free", "held", "booked", "full", "blocked", "closed", "over"]


class Why(View):
    """Why a slot takes no booking. `at`: when the visit in the way begins; None where the actor must not know.

    `reason` is what was said when the slot was blocked.
    """

    code: Reason
    at: datetime | None = None
    reason: str | None = None


class Occupant(View):
    """Somebody who has a place in a slot; `movable`: the appointment may still go to another time."""

    locator: str
    episode_locator: str
    party_locator: str
    patient_name: str
    type: str | None
    status: str
    version: int
    movable: bool


class SlotCell(SlotView):
    """A slot with names, the zone its times are shown in, who is in it, and why it takes no booking (None: it does)."""

    provider_name: str
    specialty: str
    clinic_name: str | None
    zone: str
    blocked_reason: str | None
    over: bool
    why: Why | None
    occupants: tuple[Occupant, ...] = ()

    @property
    def state(self) -> State:
        """What the slot is, in one of the words a calendar tells slots apart by."""
        if self.why is None:
            return "free"
        if self.why.code == FULL:
            if self.capacity > 1:
                return "full"
            return "held" if any(one.status == PENDING for one in self.occupants) else "booked"
        return {OVER: "over", BLOCKED: "blocked"}.get(self.why.code, "closed")  # type: ignore[return-value]

    @property
    def waits(self) -> bool:
        """Whether its time has passed, but somebody in it still waits, is seen, or is not marked."""
        return self.over and any(one.status in ACTIVE for one in self.occupants)


@dataclass(frozen=True)
class BookedFor:
    """For whom a slot is looked for: a patient, and the appointment that is being moved, by their ids."""

    patient_id: int | None = None
    appointment_id: int | None = None


NOBODY = BookedFor()


@query(Permission.SLOT_VIEW)
def get_slot_cell(actor: Actor, locator: str) -> SlotCell:
    """One slot; raises NotFound."""
    cells = read_cells(actor, SLOTS.locator == locator)
    if not cells:
        raise NotFound()
    return cells[0]


@query(Permission.SLOT_VIEW)
def get_slot_cells(actor: Actor, locators: Sequence[str]) -> list[SlotCell]:
    """The slots with these locators that are in scope, by time, as bookable as they were found."""
    return free_cells(actor, SLOTS.locator.in_(locators)) if locators else []


def booked_for(actor: Actor, *, party: str | None = None, moving: str | None = None) -> BookedFor:
    """For whom: a patient by locator, or the appointment to be moved and its patient. Raises NotFound."""
    if moving is not None:
        columns = (APPOINTMENTS.patient_id, APPOINTMENTS.id)
        mine = (APPOINTMENTS.tenant_id == actor.tenant_id, in_scope(actor, APPOINTMENTS.clinic_id))
        row = found(db.session.execute(select(*columns).where(*mine, APPOINTMENTS.locator == moving)).one_or_none())
        return BookedFor(row.patient_id, row.id)
    if party is None:
        return NOBODY
    his = (PATIENTS.tenant_id == actor.tenant_id, PATIENTS.locator == party)
    return BookedFor(found(db.session.execute(select(PATIENTS.id).where(*his)).scalar_one_or_none()))


def cell_rows(actor: Actor) -> Select[Any]:
    """The slots in the actor's scope with all that a cell needs of them."""
    buffer = select(SETTINGS.buffer_minutes).where(SETTINGS.tenant_id == actor.tenant_id).scalar_subquery()
    rows = slot_rows(actor).add_columns(
        PROVIDERS.name.label("provider_name"), PROVIDERS.specialty, PROVIDERS.status.label("network_status"),
        buffer.label("buffer_minutes"),
    )  # fmt: skip
    return with_place(rows, SLOTS, actor.tenant_id)


def free_cells(actor: Actor, *conditions: ColumnElement[bool]) -> list[SlotCell]:
    """Slots known to be bookable (can_be_offered()), by time."""
    statement = cell_rows(actor).where(*conditions).order_by(SLOTS.starts_at, SLOTS.id)
    return cells_of_free(db.session.execute(statement))


def cells_of_free(rows: Iterable[Row[Any]]) -> list[SlotCell]:
    """Rows of `cell_rows()` that are known to be bookable, as cells."""
    return SlotCell.of_each(rows, lambda row: {"over": False, "why": None})


def read_cells(actor: Actor, *conditions: ColumnElement[bool], whom: BookedFor = NOBODY) -> list[SlotCell]:
    """Slots by time, each with who is in it and why it takes no booking, for `whom` where that is known."""
    statement = cell_rows(actor).where(*conditions).order_by(SLOTS.starts_at, SLOTS.id)
    rows = db.session.execute(statement).all()
    if not rows:
        return []
    visits, moment = _visits(actor, rows), clock.now()
    at_work: dict[int, list[Row[Any]]] = {}
    for visit in visits:
        if visit.status in ACTIVE and visit.id != whom.appointment_id:
            at_work.setdefault(visit.provider_id, []).append(visit)
    elsewhere = _visits_of_patient(actor, rows, whom)
    shown = {row.id for row in rows}
    seen_in = [visit for visit in visits if visit.slot_id in shown] if actor.may(Permission.APPOINTMENT_VIEW) else []
    inside = _occupants(actor, seen_in)

    def told(row: Row[Any]) -> dict[str, Any]:
        why = _why(row, at_work.get(row.provider_id, ()), elsewhere, moment, actor)
        return {"over": row.ends_at <= moment, "why": why, "occupants": tuple(inside.get(row.id, ()))}

    cells = SlotCell.of_each(rows, told)
    seen = {one.party_locator for cell in cells for one in cell.occupants}
    if seen:
        record_read("slot.calendar", patients=tuple(sorted(seen)))
    return cells


def _why(
    row: Row[Any], at_work: Iterable[Row[Any]], elsewhere: Iterable[Any], moment: datetime, actor: Actor
) -> Why | None:
    """The first thing that would refuse a booking, in the order booking asks."""
    closed = closed_by(row.status, row.booked, row.capacity, row.ends_at, moment)
    if closed:
        return Why(code=closed, reason=row.blocked_reason)
    if row.network_status != PARTICIPATES:
        return Why(code="NOT_PARTICIPATING")
    his = next((one for one in elsewhere if one.starts_at < row.ends_at and one.ends_at > row.starts_at), None)
    if his is not None:
        return Why(code="PATIENT_BUSY", at=his.starts_at if reaches(actor, his.clinic_id) else None)
    visit = visit_in_the_way(row.id, row.starts_at, row.ends_at, row.buffer_minutes, at_work)
    return Why(code="BUFFER", at=visit.starts_at if reaches(actor, visit.clinic_id) else None) if visit else None


def _occupants(actor: Actor, visits: Sequence[Row[Any]]) -> dict[int, list[Occupant]]:
    """Who is in these visits' slots, by the slot's id."""
    may_move = actor.may(Permission.APPOINTMENT_MOVE)

    def told(visit: Row[Any]) -> dict[str, Any]:
        return {"movable": may_move and visit.status in MOVABLE and visit.episode_status == "OPEN"}

    found: dict[int, list[Occupant]] = {}
    for visit, one in zip(visits, Occupant.of_each(visits, told), strict=True):
        found.setdefault(visit.slot_id, []).append(one)
    return found


def _visits(actor: Actor, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """All appointments around these slots of their providers, at whatever clinic: buffers do not end at a scope."""
    values = {
        "tenant": actor.tenant_id, "providers": sorted({row.provider_id for row in rows}),
        "since": min(row.starts_at for row in rows) - 2 * LONGEST_SLOT,
        "until": max(row.ends_at for row in rows) + LONGEST_SLOT,
    }  # fmt: skip
    return db.session.execute(_visits_statement(may_be_filed(values["since"])), values).all()


@built_once
def _visits_statement(filed: bool) -> Select[Any]:
    """Found through the slots they are in, as those have an index by provider and time; `filed` ones, too, or not."""
    moment = DateTime(timezone=True)
    around = select(SLOTS.id).where(
        SLOTS.tenant_id == bindparam("tenant"),
        SLOTS.provider_id == any_(bindparam("providers", type_=ARRAY(BigInteger))),
        SLOTS.starts_at > bindparam("since", type_=moment),
        SLOTS.starts_at < bindparam("until", type_=moment),
    )
    columns = ("id", "locator", "slot_id", "provider_id", "clinic_id", "type", "status", "version", "starts_at")
    episode = (EPISODES.tenant_id == APPOINTMENTS.tenant_id) & (EPISODES.id == APPOINTMENTS.episode_id)
    patient = (PATIENTS.tenant_id == APPOINTMENTS.tenant_id) & (PATIENTS.id == APPOINTMENTS.patient_id)
    return (
        select(
            *(APPOINTMENTS[column] for column in columns), APPOINTMENTS.busy_until,
            EPISODES.locator.label("episode_locator"), EPISODES.status.label("episode_status"),
            PATIENTS.locator.label("party_locator"), FULL_NAME,
        )
        .select_from(table_of(Appointment).join(table_of(Episode), episode).join(table_of(Patient), patient))
        .where(
            APPOINTMENTS.tenant_id == bindparam("tenant"),
            APPOINTMENTS.slot_id == any_(func.array(around.scalar_subquery())),
            APPOINTMENTS.status != CANCELLED,
            present_or(filed),
        )
        .order_by(APPOINTMENTS.starts_at, APPOINTMENTS.id)
    )  # fmt: skip


def _visits_of_patient(actor: Actor, rows: Sequence[Row[Any]], whom: BookedFor) -> Sequence[Any]:
    """The appointments around these slots of the patient they are looked for; none where he is not known."""
    if whom.patient_id is None:
        return ()
    columns = (APPOINTMENTS.starts_at, APPOINTMENTS.ends_at, APPOINTMENTS.clinic_id)
    statement = select(*columns).where(
        APPOINTMENTS.tenant_id == actor.tenant_id,
        APPOINTMENTS.patient_id == whom.patient_id,
        IS_ACTIVE,
        APPOINTMENTS.id != (whom.appointment_id or 0),
        APPOINTMENTS.starts_at > min(row.starts_at for row in rows) - LONGEST_SLOT,
        APPOINTMENTS.starts_at < max(row.ends_at for row in rows),
    )
    return db.session.execute(statement.order_by(APPOINTMENTS.starts_at)).all()
