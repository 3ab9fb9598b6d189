"""Taking an appointment to another slot, and taking the last move back: the changes that update into a time."""

from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Row, Select, bindparam, select, text

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import command, publish
from careapp.db import at_most, db
from careapp.disclosure.scope import scope_of, within
from careapp.errors import Conflict, Forbidden, Invalid, Sentence
from careapp.kept import built_once, keep
from careapp.lifecycle import HISTORY, check_version, set_status
from careapp.scheduling.appointments import count_change, lock_appointment, tell_status
from careapp.scheduling.events import AppointmentRescheduled
from careapp.scheduling.models import SLOTS, Appointment
from careapp.scheduling.refusing import NO_SLOT, find_clash, refuse_slot
from careapp.scheduling.slots import give_place_back, lock_slots, slot_with_buffer, take_place
from careapp.scheduling.states import ACTIVE, APPOINTMENT, BOOKED, CONFIRMED, PENDING, holds_place
from careapp.scheduling.views import AppointmentView

UNDO_WINDOW = timedelta(minutes=10)
MOVABLE = (PENDING, BOOKED, CONFIRMED)


@command(Permission.APPOINTMENT_MOVE)
def reschedule(
    actor: Actor, locator: str, *, slot_locator: str, version: int | None = None, reason: str | None = None
) -> AppointmentView:
    """Move an appointment to another slot, under the same locator, both slots in one transaction.

    A CONFIRMED one becomes BOOKED: the patient has not confirmed the new time. Raises what book() raises, and Conflict
    ILLEGAL_TRANSITION once the patient has arrived.
    """
    row = lock_appointment(actor, locator)
    check_version(row, version)
    if row.status not in MOVABLE:
        raise Conflict(
            f"{locator} is {row.status} and stays where it is.", code="ILLEGAL_TRANSITION", current=row.status
        )
    wanted = {**scope_of(actor), "wanted": slot_locator}
    goal = db.session.execute(_goal(actor.clinic_ids is not None), wanted).one_or_none()
    if goal is None or goal.id == row.slot_id:
        raise Invalid({"slotLocator": Sentence("Choose another slot.") if goal else NO_SLOT})
    take_turns(actor, ("patient", row.patient_id), ("provider", row.provider_id), ("provider", goal.provider_id))
    lock_slots(actor, [row.slot_id, goal.id])
    slot = _place_in(actor, slot_locator, row)
    clash = find_clash(actor, slot, row.patient_id, moving=row.id)
    if clash:
        raise clash
    give_place_back(actor, row.slot_id)
    return _put_into(actor, row, slot, reason)


@built_once
def _goal(scoped: bool) -> Select[Any]:
    """The slot to move to, and whose it is."""
    wanted = (SLOTS.tenant_id == bindparam("tenant"), SLOTS.locator == bindparam("wanted"))
    return select(SLOTS.id, SLOTS.provider_id).where(*wanted, within(scoped, SLOTS.clinic_id))


def _put_into(actor: Actor, row: Row[Any], slot: Row[Any], reason: str | None) -> AppointmentView:
    """Write the appointment's new slot and time, and tell of it."""
    status = BOOKED if row.status == CONFIRMED else row.status
    changed = set_status(
        actor, APPOINTMENT, Appointment, row, "reschedule", status, reason=reason, slot_id=slot.id,
        provider_id=slot.provider_id, clinic_id=slot.clinic_id, starts_at=slot.starts_at, ends_at=slot.ends_at,
        busy_until=slot.ends_at + timedelta(minutes=slot.buffer_minutes),
    )  # fmt: skip
    facts = {
        **changed._mapping, "provider_locator": slot.provider_locator, "clinic_locator": slot.clinic_locator,
        "slot_locator": slot.locator,
    }  # fmt: skip
    publish(
        AppointmentRescheduled.of(
            row, key=row.episode_locator, **facts,
            previous_slot_locator=row.slot_locator, previous_starts_at=row.starts_at,
        )
    )  # fmt: skip
    tell_status(row, status)  # every move tells it, also one that leaves the status as it was (design §7)
    return AppointmentView.seen_by(actor, row, **facts)


@command(Permission.APPOINTMENT_VIEW)  # asks for the permission of the move that is taken back
def undo(actor: Actor, locator: str, *, version: int | None = None, reason: str | None = None) -> AppointmentView:
    """Take the last move back within ten minutes, while the episode is OPEN (design §5).

    A booking, a reschedule, what another move caused, and an undo are not taken back. A cancelled appointment needs its
    place again under booking's rules. Raises Conflict NOTHING_TO_UNDO, Forbidden, and what book() raises.
    """
    row = lock_appointment(actor, locator)
    check_version(row, version)
    last = _last_move(actor, row)
    take_turns(actor, ("patient", row.patient_id), ("provider", row.provider_id))
    back_into_time = row.status not in ACTIVE and last.from_status in ACTIVE
    if holds_place(row.status):
        slot = slot_with_buffer(actor, SLOTS.id == row.slot_id)
    else:
        slot = _place_in(actor, row.slot_locator, row)
    clash = find_clash(actor, slot, row.patient_id, moving=row.id) if back_into_time else None
    if clash:
        raise clash
    changed = set_status(actor, APPOINTMENT, Appointment, row, "undo", last.from_status, reason=reason, category=None)
    count_change(actor, row, row.status, last.from_status)
    tell_status(row, last.from_status, correction=True)
    return AppointmentView.seen_by(actor, row, **changed._mapping)


class Change(Protocol):
    """What is needed of a status change to say whether it can be taken back."""

    @property
    def action(self) -> str:
        """The move that was made."""

    @property
    def cause(self) -> str | None:
        """The event it was made for, where it was no move of its own."""

    @property
    def at(self) -> datetime:
        """When."""


def undoable(actor: Actor, last: Change | Row[Any] | None) -> bool:
    """Whether this status change, the last of an appointment, can be taken back by this actor now."""
    if last is None or last.cause is not None:
        return False
    move = APPOINTMENT.by_name.get(last.action)
    return move is not None and last.at >= clock.now() - UNDO_WINDOW and actor.may(move.permission)


def _last_move(actor: Actor, row: Row[Any]) -> Row[Any]:
    """The status change to take back; raises Forbidden or Conflict where there is none."""
    last = db.session.execute(
        select(*HISTORY)
        .where(HISTORY.tenant_id == actor.tenant_id, HISTORY.entity == APPOINTMENT.entity, HISTORY.entity_id == row.id)
        .order_by(HISTORY.id.desc())
        .limit(at_most(1))
    ).one_or_none()
    if not actor.may(Permission.APPOINTMENT_MOVE):
        raise Forbidden("Only who may make a move may take it back.")
    if last is None or not undoable(actor, last):
        raise Conflict(
            "The last change cannot be taken back: only a move of the last ten minutes can.",
            code="NOTHING_TO_UNDO",
            current=row.status,
        )
    return last


def _place_in(actor: Actor, slot_locator: str, row: Row[Any]) -> Row[Any]:
    """The slot, with a place of it taken for this appointment; raises what refuses a booking."""
    slot = take_place(actor, slot_locator)
    if slot is None:
        raise refuse_slot(actor, slot_locator, row.patient_id, moving=row.id)
    return slot


# One row after the other, in the order of the array.
_TAKE_TURNS = keep(
    text("SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS text[])) AS name")
)


def take_turns(actor: Actor, *keys: tuple[str, int]) -> None:
    """Let changes into a time of these patients and providers wait for each other, always in the same order.

    An UPDATE has no ON CONFLICT, so two that clash on an exclusion constraint would deadlock without this.
    """
    names = sorted({f"{actor.tenant_id}/{kind}/{key}" for kind, key in keys})
    db.session.execute(_TAKE_TURNS, {"names": names})
