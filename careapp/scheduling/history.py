"""Visits that were over before they came here: stored with their slots and their whole history, and told to nobody.

All of it runs inside a command that records it. Many rows go in one statement: one by one, through the commands people
use, the visits of a quarter of a year would take minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from careapp.access import Actor
from careapp.db import db, table_of
from careapp.lifecycle import StatusChange, why
from careapp.scheduling.models import APPOINTMENTS, SLOTS, Appointment, Slot
from careapp.scheduling.states import APPOINTMENT, AVAILABLE, BOOKED, SLOT, holds_place


@dataclass(frozen=True)
class EndedSlot:
    """A slot that is over, with the places taken in it."""

    provider_id: int
    clinic_id: int
    starts_at: datetime
    ends_at: datetime
    added_at: datetime
    capacity: int = 1
    booked: int = 0


@dataclass(frozen=True)
class Step:
    """One change of a visit: the move, the state it led to, and when; the first is the booking."""

    action: str
    status: str
    at: datetime
    reason: str | None = None
    category: str | None = None


@dataclass(frozen=True)
class EndedVisit:
    """A visit in a slot of its own that enter_slots() gave the id of, with all its changes in order."""

    slot_id: int
    slot: EndedSlot
    episode_id: int
    patient_id: int
    type: str
    reason: str | None
    steps: Sequence[Step]


def enter_slots(actor: Actor, slots: Sequence[EndedSlot]) -> list[int]:
    """Store the slots, which must not overlap others of their providers; returns their ids in the same order."""
    if not slots:
        return []
    rows = [
        {
            "tenant_id": actor.tenant_id, "provider_id": one.provider_id, "clinic_id": one.clinic_id,
            "starts_at": one.starts_at, "ends_at": one.ends_at, "created_at": one.added_at, "capacity": one.capacity,
            "booked": one.booked, "status": BOOKED if one.booked >= one.capacity else AVAILABLE,
            "version": 1 + one.booked,
        }
        for one in slots
    ]  # fmt: skip
    statement = table_of(Slot).insert().returning(SLOTS.id, SLOTS.locator, sort_by_parameter_order=True)
    stored = db.session.execute(statement, rows).all()
    added = [
        _change(actor, SLOT.entity, row, None, None, Step("add", AVAILABLE, one.added_at))
        for row, one in zip(stored, slots, strict=True)
    ]
    db.session.execute(table_of(StatusChange).insert(), added)
    return [row.id for row in stored]


def enter_visits(actor: Actor, visits: Sequence[EndedVisit]) -> None:
    """Store the visits and their histories, the actor being who made the changes.

    Raises ValueError for a visit whose slot does not say that its place is taken, or that it is not.
    """
    if not visits:
        return
    statement = table_of(Appointment).insert()
    statement = statement.returning(APPOINTMENTS.id, APPOINTMENTS.locator, sort_by_parameter_order=True)
    stored = db.session.execute(statement, [_row(actor, one) for one in visits]).all()
    changes = []
    for row, visit in zip(stored, visits, strict=True):
        before = None
        for step in visit.steps:
            changes.append(_change(actor, APPOINTMENT.entity, row, visit.episode_id, before, step))
            before = step.status
    db.session.execute(table_of(StatusChange).insert(), changes)


def _row(actor: Actor, visit: EndedVisit) -> dict[str, Any]:
    """The appointment as its last step left it."""
    slot, last = visit.slot, visit.steps[-1]
    if holds_place(last.status) != (slot.booked == 1):
        raise ValueError("the place of a visit is taken unless it was cancelled")
    return {
        "tenant_id": actor.tenant_id, "episode_id": visit.episode_id, "patient_id": visit.patient_id,
        "provider_id": slot.provider_id, "clinic_id": slot.clinic_id, "slot_id": visit.slot_id,
        "starts_at": slot.starts_at, "ends_at": slot.ends_at, "busy_until": slot.ends_at, "type": visit.type,
        "status": last.status, "reason": visit.reason, "category": last.category, "version": len(visit.steps),
        "created_at": visit.steps[0].at,
    }  # fmt: skip


def _change(
    actor: Actor, entity: str, row: Any, episode_id: int | None, before: str | None, step: Step
) -> dict[str, Any]:
    return {
        "tenant_id": actor.tenant_id, "episode_id": episode_id, "entity": entity, "entity_id": row.id,
        "locator": row.locator, "action": step.action, "from_status": before, "to_status": step.status,
        "actor": actor.name, "reason": why(step.reason, row.locator, step.action), "category": step.category,
        "at": step.at,
    }  # fmt: skip
