"""Why not: which rule refuses a booking, what blocks it, and the next slots that would do."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, exists, or_, select

from careapp import clock
from careapp.access import Actor
from careapp.commands import refuse_on
from careapp.db import db
from careapp.errors import Conflict, Invalid
from careapp.operations.models import SETTINGS
from careapp.providers.models import PROVIDERS
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.scheduling.models import APPOINTMENTS, SLOTS
from careapp.scheduling.slots import bookable, in_scope, slot_rows
from careapp.scheduling.states import ACTIVE, BLOCKED
from careapp.scheduling.views import SlotView

HOW_MANY_ALTERNATIVES = 3
OTHER_PROVIDERS_WITHIN = timedelta(days=14)


def why_not_bookable(status: str, booked: int, capacity: int, ends_at: datetime, moment: datetime) -> str | None:
    """The sentence that says why a slot takes no booking at `moment`, or None where it does: a pure rule."""
    if ends_at <= moment:
        return "This slot is already over."
    if status == BLOCKED:
        return "This slot is blocked."
    if booked >= capacity:
        return f"This slot is full: {booked} of {capacity} places are taken."
    return None


def refuse_slot(actor: Actor, slot_locator: str, patient_id: int) -> Conflict | Invalid:
    """Which rule kept take_place() from taking a place in this slot."""
    columns = (*SLOTS, PROVIDERS.status.label("network_status"))
    row = db.session.execute(
        slot_rows(actor).where(SLOTS.locator == slot_locator).with_only_columns(*columns, maintain_column_froms=True)
    ).one_or_none()
    if row is None:
        return Invalid({"slotLocator": "There is no slot with this locator."})
    others = alternatives(actor, row, patient_id)
    if row.network_status != PARTICIPATES:
        return Conflict(
            "The provider does not take part in the network at present.",
            code="PROVIDER_NOT_PARTICIPATING",
            alternatives=others,
        )
    why = why_not_bookable(row.status, row.booked, row.capacity, row.ends_at, clock.now())
    taken_meanwhile = "This slot was just taken."
    return Conflict(why or taken_meanwhile, code="SLOT_UNAVAILABLE", alternatives=others)


def find_clash(actor: Actor, slot: Row[Any], patient_id: int, *, moving: int | None = None) -> Conflict | None:
    """The refusal where this patient, or this provider with buffer, is elsewhere at the slot's time; None where not.

    `slot` has buffer_minutes; `moving` is the id of the appointment that is being moved and does not count.
    """
    row = _in_the_way(actor, slot, patient_id, moving)
    if row is None:
        return None
    about: dict[str, Any] = {"alternatives": alternatives(actor, slot, patient_id)}
    if row.shown:  # what stands at a clinic out of scope blocks as well, but is not named
        about["blocking"] = row.locator
    blocking = about.get("blocking", "another appointment")
    if row.patient_id == patient_id and row.starts_at < slot.ends_at and row.ends_at > slot.starts_at:
        return Conflict(f"The patient has {blocking} at that time.", code="PATIENT_BUSY", **about)
    return Conflict(
        f"The provider is busy with {blocking}, its buffer of {slot.buffer_minutes} minutes included.",
        code="BUFFER_VIOLATION",
        **about,
    )


def _in_the_way(actor: Actor, slot: Row[Any], patient_id: int, moving: int | None) -> Row[Any] | None:
    """The appointment of this patient, else of this provider with his buffer, at the slot's time; `shown`: in scope."""
    until = slot.ends_at + timedelta(minutes=slot.buffer_minutes)
    patient_there = and_(
        APPOINTMENTS.patient_id == patient_id,
        APPOINTMENTS.starts_at < slot.ends_at,
        APPOINTMENTS.ends_at > slot.starts_at,
    )
    provider_there = and_(
        APPOINTMENTS.provider_id == slot.provider_id,
        APPOINTMENTS.slot_id != slot.id,
        APPOINTMENTS.starts_at < until,
        APPOINTMENTS.busy_until > slot.starts_at,
    )
    shown = in_scope(actor, APPOINTMENTS.clinic_id).label("shown")
    statement: Select[Any] = select(*APPOINTMENTS, shown).where(
        APPOINTMENTS.tenant_id == actor.tenant_id,
        APPOINTMENTS.status.in_(ACTIVE),
        or_(patient_there, provider_there),
        APPOINTMENTS.id != (moving or 0),
    )
    first = statement.order_by(APPOINTMENTS.patient_id != patient_id, APPOINTMENTS.id).limit(1)
    return db.session.execute(first).one_or_none()


def alternatives(actor: Actor, slot: Row[Any], patient_id: int) -> list[dict[str, Any]]:
    """The next three slots, from this slot's time on, that this patient could be booked into instead.

    The same provider's first; where he has too few within two weeks, those of others of his specialty.
    """
    specialty = select(PROVIDERS.specialty).where(
        PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.id == slot.provider_id
    )
    soon = max(slot.starts_at, clock.now()) + OTHER_PROVIDERS_WITHIN
    found = _next_slots(actor, slot, patient_id, SLOTS.provider_id == slot.provider_id, HOW_MANY_ALTERNATIVES)
    if len(found) < HOW_MANY_ALTERNATIVES:
        of_others = (SLOTS.provider_id != slot.provider_id) & (SLOTS.starts_at < soon)
        same_work = PROVIDERS.specialty == specialty.scalar_subquery()
        found += _next_slots(actor, slot, patient_id, of_others & same_work, HOW_MANY_ALTERNATIVES - len(found))
    return [SlotView.of(row).model_dump(mode="json", by_alias=True) for row in found]


def _next_slots(
    actor: Actor, slot: Row[Any], patient_id: int, among: ColumnElement[bool], how_many: int
) -> list[Row[Any]]:
    """The next slots among some, other than this one, that pass every rule of booking for this patient."""
    moment = clock.now()
    buffer = select(SETTINGS.buffer_minutes).where(SETTINGS.tenant_id == actor.tenant_id).scalar_subquery()
    patient_elsewhere = exists().where(
        APPOINTMENTS.tenant_id == SLOTS.tenant_id,
        APPOINTMENTS.patient_id == patient_id,
        APPOINTMENTS.status.in_(ACTIVE),
        APPOINTMENTS.starts_at < SLOTS.ends_at,
        APPOINTMENTS.ends_at > SLOTS.starts_at,
    )
    provider_elsewhere = exists().where(
        APPOINTMENTS.tenant_id == SLOTS.tenant_id,
        APPOINTMENTS.provider_id == SLOTS.provider_id,
        APPOINTMENTS.slot_id != SLOTS.id,
        APPOINTMENTS.status.in_(ACTIVE),
        APPOINTMENTS.starts_at < SLOTS.ends_at + buffer * timedelta(minutes=1),
        APPOINTMENTS.busy_until > SLOTS.starts_at,
    )
    statement = slot_rows(actor).where(
        among,
        SLOTS.id != slot.id,
        SLOTS.starts_at >= max(slot.starts_at, moment),
        bookable(moment),
        PROVIDERS.status == PARTICIPATES,
        ~patient_elsewhere,
        ~provider_elsewhere,
    )
    return list(db.session.execute(statement.order_by(SLOTS.starts_at, SLOTS.id).limit(how_many)).all())


refuse_on("appointment_patient_busy", lambda: Conflict("The patient has an appointment then.", code="PATIENT_BUSY"))
refuse_on("appointment_once_per_slot", lambda: Conflict("The patient is in this slot already.", code="PATIENT_BUSY"))
refuse_on("appointment_provider_busy", lambda: Conflict("The provider is busy then.", code="BUFFER_VIOLATION"))
