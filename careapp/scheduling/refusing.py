"""Why not: which rule refuses a booking, what blocks it, and the next slots that would do."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    literal_column,
    or_,
    select,
    tuple_,
)

from careapp import clock
from careapp.access import Actor
from careapp.commands import refuse_on
from careapp.db import at_most, db, table_of
from careapp.disclosure.scope import scope_of, within
from careapp.errors import Conflict, Invalid, Sentence
from careapp.kept import built_once
from careapp.operations.models import SETTINGS
from careapp.providers.models import PROVIDERS
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.scheduling.models import APPOINTMENTS, IS_ACTIVE, SLOTS, Slot
from careapp.scheduling.slots import bookable, slot_rows
from careapp.scheduling.states import BLOCKED
from careapp.scheduling.views import SlotView
from careapp.telemetry.metrics import RACES_LOST

NO_SLOT = Sentence("There is no slot with this locator.")
HOW_MANY_ALTERNATIVES = 3
OTHER_PROVIDERS_WITHIN = timedelta(days=14)


OVER, FULL = "OVER", "FULL"  # beside BLOCKED, why a slot in itself takes no booking


class Visit(Protocol):
    """What is needed of an active appointment to know whom it keeps its provider from."""

    slot_id: int
    starts_at: datetime
    busy_until: datetime


def closed_by(status: str, booked: int, capacity: int, ends_at: datetime, moment: datetime) -> str | None:
    """What keeps a slot from being booked at `moment`: OVER, BLOCKED or FULL; None where nothing does: a pure rule."""
    if ends_at <= moment:
        return OVER
    if status == BLOCKED:
        return BLOCKED
    return FULL if booked >= capacity else None


def _told(closed: str | None, booked: int, capacity: int) -> str:
    """The sentence that says why a slot takes no booking; where nothing closes it any more, somebody was faster."""
    taken = "its place is taken" if capacity == 1 else f"{booked} of {capacity} places are taken"
    return {
        OVER: "This slot is already over.",
        BLOCKED: "This slot is blocked.",
        FULL: f"This slot is full: {taken}.",
        None: "This slot was just taken.",
    }[closed]


V = TypeVar("V", bound=Visit)


def visit_in_the_way(
    slot_id: int, starts_at: datetime, ends_at: datetime, buffer_minutes: int, visits: Iterable[V]
) -> V | None:
    """The first of a provider's visits that keeps him from another slot, buffers included: a pure rule.

    It is what the exclusion constraint and can_be_offered() say in SQL; a test compares them.
    """
    until = ends_at + timedelta(minutes=buffer_minutes)
    return next(
        (one for one in visits if one.slot_id != slot_id and one.starts_at < until and one.busy_until > starts_at), None
    )


def refuse_slot(actor: Actor, slot_locator: str, patient_id: int, *, moving: int | None = None) -> Conflict | Invalid:
    """Which rule kept take_place() from taking a place in this slot."""
    columns = (*SLOTS, PROVIDERS.status.label("network_status"))
    row = db.session.execute(
        slot_rows(actor).where(SLOTS.locator == slot_locator).with_only_columns(*columns, maintain_column_froms=True)
    ).one_or_none()
    if row is None:
        return Invalid({"slotLocator": NO_SLOT})
    others = alternatives(actor, row, patient_id, moving=moving)
    if row.network_status != PARTICIPATES:
        return Conflict(
            "The provider does not take part in the network at present.",
            code="PROVIDER_NOT_PARTICIPATING",
            alternatives=others,
        )
    closed = closed_by(row.status, row.booked, row.capacity, row.ends_at, clock.now())
    if closed in (FULL, None):
        RACES_LOST.labels("full").inc()
    return Conflict(_told(closed, row.booked, row.capacity), code="SLOT_UNAVAILABLE", alternatives=others)


def find_clash(actor: Actor, slot: Row[Any], patient_id: int, *, moving: int | None = None) -> Conflict | None:
    """The refusal where this patient, or this provider with buffer, is elsewhere at the slot's time; None where not.

    `slot` has buffer_minutes; `moving` is the id of the appointment that is being moved and does not count.
    """
    row = _in_the_way(actor, slot, patient_id, moving)
    if row is None:
        return None
    about: dict[str, Any] = {"alternatives": alternatives(actor, slot, patient_id, moving=moving)}
    if row.shown:  # what stands at a clinic out of scope blocks as well, but is not named
        about["blocking"] = row.locator
    blocking = about.get("blocking", "another appointment")
    if row.patient_id == patient_id and row.starts_at < slot.ends_at and row.ends_at > slot.starts_at:
        RACES_LOST.labels("patient_busy").inc()
        return Conflict(f"The patient has {blocking} at that time.", code="PATIENT_BUSY", **about)
    RACES_LOST.labels("provider_busy").inc()
    return Conflict(
        f"The provider is busy with {blocking}, its buffer of {slot.buffer_minutes} minutes included.",
        code="BUFFER_VIOLATION",
        **about,
    )


def _in_the_way(actor: Actor, slot: Row[Any], patient_id: int, moving: int | None) -> Row[Any] | None:
    """The appointment of this patient, else of this provider with his buffer, at the slot's time; `shown`: in scope."""
    given = {
        **scope_of(actor), "patient": patient_id, "provider": slot.provider_id, "slot": slot.id,
        "begins": slot.starts_at, "ends": slot.ends_at, "until": slot.ends_at + timedelta(minutes=slot.buffer_minutes),
        "moving": moving or 0,
    }  # fmt: skip
    return db.session.execute(_first_in_the_way(actor.clinic_ids is not None), given).one_or_none()


@built_once
def _first_in_the_way(scoped: bool) -> Select[Any]:
    patient = bindparam("patient", type_=BigInteger)
    patient_there = and_(
        APPOINTMENTS.patient_id == patient,
        APPOINTMENTS.starts_at < bindparam("ends"),
        APPOINTMENTS.ends_at > bindparam("begins"),
    )
    provider_there = and_(
        APPOINTMENTS.provider_id == bindparam("provider"),
        APPOINTMENTS.slot_id != bindparam("slot"),
        APPOINTMENTS.starts_at < bindparam("until"),
        APPOINTMENTS.busy_until > bindparam("begins"),
    )
    shown = within(scoped, APPOINTMENTS.clinic_id).label("shown")
    statement: Select[Any] = select(*APPOINTMENTS, shown).where(
        APPOINTMENTS.tenant_id == bindparam("tenant"),
        IS_ACTIVE,
        or_(patient_there, provider_there),
        APPOINTMENTS.id != bindparam("moving"),
    )
    return statement.order_by(APPOINTMENTS.patient_id != patient, APPOINTMENTS.id).limit(at_most(1))


def alternatives(actor: Actor, slot: Row[Any], patient_id: int, *, moving: int | None = None) -> list[dict[str, Any]]:
    """The next three slots, from this slot's time on, that this patient could be booked into instead.

    The same provider's first; where he has too few within two weeks, those of others of his specialty. `moving` is the
    id of the appointment that is being moved and stands in nobody's way.
    """
    specialty = select(PROVIDERS.specialty).where(
        PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.id == slot.provider_id
    )
    moment = clock.now()
    since = max(slot.starts_at, moment)
    rows = slot_rows(actor).where(
        SLOTS.id != slot.id, SLOTS.starts_at >= since,
        *can_be_offered(actor.tenant_id, moment, patient_id=patient_id, moving=moving),
    ).order_by(SLOTS.starts_at, SLOTS.id)  # fmt: skip
    same = rows.where(SLOTS.provider_id == slot.provider_id).limit(at_most(HOW_MANY_ALTERNATIVES))
    found = list(db.session.execute(same).all())
    if len(found) < HOW_MANY_ALTERNATIVES:
        of_others = (SLOTS.provider_id != slot.provider_id) & (SLOTS.starts_at < since + OTHER_PROVIDERS_WITHIN)
        same_work = PROVIDERS.specialty == specialty.scalar_subquery()
        found += db.session.execute(
            rows.where(of_others & same_work).limit(at_most(HOW_MANY_ALTERNATIVES - len(found)))
        ).all()
    return [SlotView.of(row).model_dump(mode="json", by_alias=True) for row in found]


def can_be_offered(
    tenant: int | BindParameter[Any], moment: datetime | BindParameter[Any], *,
    patient_id: int | BindParameter[Any] | None = None, moving: int | BindParameter[Any] | None = None,
) -> list[ColumnElement[bool]]:  # fmt: skip
    """All that booking asks of a slot, as conditions on slot_rows(): what they let through, booking takes.

    With a patient known, that he is nowhere else at that time; `moving` is as in alternatives().
    """
    return [PROVIDERS.status == PARTICIPATES, *stands_free(tenant, moment, patient_id=patient_id, moving=moving)]


def stands_free(
    tenant: int | BindParameter[Any], moment: datetime | BindParameter[Any], *,
    patient_id: int | BindParameter[Any] | None = None, moving: int | BindParameter[Any] | None = None,
) -> list[ColumnElement[bool]]:  # fmt: skip
    """The same without what it asks of the provider himself, as conditions on slots alone."""
    buffer = select(SETTINGS.buffer_minutes).where(SETTINGS.tenant_id == tenant).scalar_subquery()
    active = select(APPOINTMENTS.starts_at).where(
        APPOINTMENTS.tenant_id == SLOTS.tenant_id,
        IS_ACTIVE,
        APPOINTMENTS.id != (0 if moving is None else moving),
    )
    # Compared as a pair, as only the index on both can answer that. Apart, the planner takes the exclusion constraint's
    # for as good where there are a million rows, and then reads all visits of the provider for each slot.
    ends = tuple_(APPOINTMENTS.provider_id, APPOINTMENTS.busy_until)
    provider_elsewhere = active.where(
        APPOINTMENTS.slot_id != SLOTS.id,
        ends > tuple_(SLOTS.provider_id, SLOTS.starts_at),
        ends < tuple_(SLOTS.provider_id, literal_column("'infinity'::timestamptz")),
    )
    until = SLOTS.ends_at + buffer * timedelta(minutes=1)
    asked = [bookable(moment)]
    first_elsewhere = _first_of(provider_elsewhere, APPOINTMENTS.provider_id, APPOINTMENTS.busy_until)
    asked.append((first_elsewhere < until).is_not(True))
    if patient_id is not None:
        patient_elsewhere = active.where(APPOINTMENTS.patient_id == patient_id, APPOINTMENTS.ends_at > SLOTS.starts_at)
        asked.append((_first_of(patient_elsewhere, APPOINTMENTS.starts_at) < SLOTS.ends_at).is_not(True))
    return asked


def _first_of(rows: Select[Any], *order: ColumnElement[Any]) -> ColumnElement[Any]:
    """When the first of these appointments begins, asked for each slot by an index.

    One is enough: no two of them are at the same time, as the exclusion constraints say, so if any reaches into the
    slot, the first that ends after the slot begins does.
    """
    return rows.correlate(table_of(Slot)).order_by(*order).limit(at_most(1)).scalar_subquery()


refuse_on("appointment_patient_busy", lambda: Conflict("The patient has an appointment then.", code="PATIENT_BUSY"))
refuse_on("appointment_once_per_slot", lambda: Conflict("The patient is in this slot already.", code="PATIENT_BUSY"))
refuse_on("appointment_provider_busy", lambda: Conflict("The provider is busy then.", code="BUFFER_VIOLATION"))
