"""Appointments: booking them, and the moves of their lifecycle, each with what it does to slot and episode."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Select, bindparam, null, select, true
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from careapp import commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.crypto import OfRow
from careapp.db import at_most, db, table_of
from careapp.disclosure.scope import in_scope, scope_of, within
from careapp.episodes import service as episodes
from careapp.episodes.models import EPISODES, Episode
from careapp.errors import Conflict, NotFound
from careapp.kept import built_once, keep
from careapp.lifecycle import check_version, kept_history, move, record_move, told_by
from careapp.outbox.events import Event
from careapp.patients.models import PATIENTS, Patient
from careapp.providers.models import PROVIDERS, Provider
from careapp.scheduling.events import AppointmentBooked, AppointmentStatusChanged
from careapp.scheduling.models import APPOINTMENTS, IS_ACTIVE, IS_PRESENT, SLOTS, Appointment, Slot
from careapp.scheduling.refusing import alternatives, find_clash, refuse_slot
from careapp.scheduling.slots import (
    clinic_locator_of,
    give_place_back,
    lock_slots,
    place_wanted,
    slot_with_buffer,
    taking_a_place,
)
from careapp.scheduling.states import ACTIVE, APPOINTMENT, BOOKED, CANCELLED, PENDING, counts, holds_place
from careapp.scheduling.views import AppointmentView


@built_once
def all_appointments() -> Select[Any]:
    """All appointments, with the locators of all they belong to."""
    return (
        select(
            *APPOINTMENTS,
            EPISODES.locator.label("episode_locator"),
            PATIENTS.locator.label("party_locator"),
            PATIENTS.confidentiality,
            PROVIDERS.locator.label("provider_locator"),
            SLOTS.locator.label("slot_locator"),
            clinic_locator_of(APPOINTMENTS.clinic_id, APPOINTMENTS.tenant_id),
        )
        .join(
            table_of(Episode), (EPISODES.tenant_id == APPOINTMENTS.tenant_id) & (EPISODES.id == APPOINTMENTS.episode_id)
        )
        .join(
            table_of(Patient), (PATIENTS.tenant_id == APPOINTMENTS.tenant_id) & (PATIENTS.id == APPOINTMENTS.patient_id)
        )
        .join(
            table_of(Provider),
            (PROVIDERS.tenant_id == APPOINTMENTS.tenant_id) & (PROVIDERS.id == APPOINTMENTS.provider_id),
        )
        .join(table_of(Slot), (SLOTS.tenant_id == APPOINTMENTS.tenant_id) & (SLOTS.id == APPOINTMENTS.slot_id))
    )


def appointment_rows(actor: Actor) -> Select[Any]:
    """The appointments in the actor's scope, with the locators of all they belong to."""
    return all_appointments().where(APPOINTMENTS.tenant_id == actor.tenant_id, in_scope(actor, APPOINTMENTS.clinic_id))


@built_once
def _appointment_row(scoped: bool, filed: bool) -> Select[Any]:
    """The one appointment with `the_locator`, `filed` or present, for actors with a clinic scope or without one."""
    mine = (APPOINTMENTS.tenant_id == bindparam("tenant"), within(scoped, APPOINTMENTS.clinic_id))
    return all_appointments().where(
        *mine, APPOINTMENTS.locator == bindparam("the_locator"), ~IS_PRESENT if filed else IS_PRESENT
    )


@built_once
def _lock_its_episode(scoped: bool, filed: bool) -> Select[Any]:
    return episodes.lock_of(_appointment_row(scoped, filed))


@command(Permission.APPOINTMENT_BOOK)
def book(
    actor: Actor,
    episode_locator: str,
    *,
    slot_locator: str,
    type: str | None = None,
    reason: str | None = None,
    notes: str | None = None,
    accepted: bool = False,
) -> AppointmentView:
    """Book the episode's patient into a slot: PENDING, or BOOKED where the front desk accepts it at once.

    Raises NotFound for the episode, Invalid for an unknown slot, and Conflict naming the rule that refuses:
    EPISODE_NOT_OPEN, PROVIDER_NOT_PARTICIPATING, SLOT_UNAVAILABLE, PATIENT_BUSY or BUFFER_VIOLATION.
    """
    status = BOOKED if accepted else PENDING
    seen, active = counts(status)
    given = {
        **episodes.claim(actor, episode_locator, seen=seen, open_appointments=active),
        **place_wanted(actor, slot_locator),
        "new_type": type,
        "new_reason": reason,
        "new_status": status,
        **told_by(actor, APPOINTMENT, "book"),
    }
    row = db.session.execute(_booking(actor.clinic_ids is not None), given).one_or_none()
    if row is None:
        episodes.refuse_claim(actor, episode_locator)
    if row.slot_locator is None:
        raise refuse_slot(actor, slot_locator, row.patient_id)
    if row.id is None:
        slot = slot_with_buffer(actor, SLOTS.locator == slot_locator)
        raise find_clash(actor, slot, row.patient_id) or Conflict(
            "This slot was just taken.", code="SLOT_UNAVAILABLE", alternatives=alternatives(actor, slot, row.patient_id)
        )
    record_move(APPOINTMENT, row, "book")
    commands.publish(AppointmentBooked.of(row, key=row.episode_locator))
    if notes:  # encrypted for the row, which is known only now
        db.session.execute(_NOTES, {"tenant": actor.tenant_id, "the_id": row.id, "the_notes": OfRow(notes, row.id)})
    return AppointmentView.of(row, notes=notes or None)


_NOTES = (
    table_of(Appointment)
    .update()
    .where(APPOINTMENTS.tenant_id == bindparam("tenant"), APPOINTMENTS.id == bindparam("the_id"), IS_PRESENT)
    .values(notes=bindparam("the_notes"))
)


@built_once
def _booking(scoped: bool) -> Select[Any]:
    """The statement that claims the episode, takes a place in the slot, puts the appointment into it and keeps that.

    Each step needs the row of the one before, so locks are taken in that order. It returns no row where the episode is
    not open, a row without a slot where no place could be taken, and one without an id where the patient or the
    provider is elsewhere at that time: the insert then did nothing instead of waiting (see insert_unless_clash).
    """
    episode = episodes.CLAIM_OPEN.cte("episode")
    place = taking_a_place(scoped).where(select(episode.c.id).exists()).cte("place")
    taken_over = ("tenant_id", "provider_id", "clinic_id", "starts_at", "ends_at")
    values: dict[str, Any] = {name: place.c[name] for name in taken_over}
    values |= {"slot_id": place.c.id, "busy_until": place.c.ends_at + place.c.buffer_minutes * timedelta(minutes=1)}
    values |= {"episode_id": episode.c.id, "patient_id": episode.c.patient_id}
    for name in ("type", "reason", "status"):
        values[name] = bindparam(
            f"new_{name}", type_=APPOINTMENTS[name].type
        )  # a column's own name would be set in each UPDATE
    made = (
        postgres_insert(table_of(Appointment))
        .from_select(list(values), select(*values.values()).select_from(place.join(episode, true())))
        .on_conflict_do_nothing()
        .returning(*APPOINTMENTS)
        .cte("made")
    )
    known = {"reason": null(), "category": null(), "from_status": null(), "to_status": made.c.status}
    of_it = {"episode_id": made.c.episode_id, "entity_id": made.c.id, "locator": made.c.locator}
    names = ("id", "locator", "episode_id", "starts_at", "ends_at", "type", "status", "reason", "version")
    shown = (made.c[name] for name in names)  # what view, event and history need: each column more costs time
    found = episode.outerjoin(place, true()).outerjoin(made, true())
    return select(
        *shown, episode.c.patient_id, episode.c.locator.label("episode_locator"), episode.c.party_locator,
        place.c.locator.label("slot_locator"), place.c.provider_locator, place.c.clinic_locator,
    ).select_from(found).add_cte(kept_history(made, **known, **of_it))  # fmt: skip


@command(Permission.APPOINTMENT_VIEW)  # move() asks for the permission of the move itself
def act(
    actor: Actor, locator: str, *, action: str, version: int | None = None, reason: str | None = None,
    category: str | None = None,
) -> AppointmentView:  # fmt: skip
    """Make one move of the table: accept, confirm, arrive, start, attend, no-show, cancel (`category`: who called off).

    Raises NotFound, Conflict STALE_VERSION, EPISODE_NOT_OPEN or ILLEGAL_TRANSITION, and Forbidden.
    """
    row = lock_appointment(actor, locator)
    check_version(row, version)
    return AppointmentView.seen_by(
        actor, row, **make_move(actor, row, action, reason=reason, category=category)._mapping
    )


def lock_appointment(actor: Actor, locator: str) -> Row[Any]:
    """The appointment of an OPEN episode, episode and appointment locked in that order (design §3).

    Raises NotFound and Conflict EPISODE_NOT_OPEN.
    """
    try:
        episode, row = _locked(actor, locator)
    except NotFound:
        episode, row = _locked(actor, locator, filed=True)
    episodes.require_open(episode)
    return row


def _locked(actor: Actor, locator: str, *, filed: bool = False) -> tuple[Row[Any], Row[Any]]:
    scoped, given = actor.clinic_ids is not None, {**scope_of(actor), "the_locator": locator}
    lock = _lock_its_episode(scoped, filed)
    return episodes.lock_inside(actor, _appointment_row(scoped, filed), given, lock=lock)


def make_move(
    actor: Actor, row: Row[Any], action: str, *, reason: str | None = None, category: str | None = None
) -> Row[Any]:
    """One move of an appointment whose episode is locked: frees the slot where it cancels, counts, and tells."""
    target = APPOINTMENT.transition(action).target
    cancelled = {} if holds_place(target) else {"category": category or "OTHER"}
    if cancelled and row.status in ACTIVE:
        give_place_back(actor, row.slot_id)
    changed = move(
        actor, APPOINTMENT, Appointment, row, action, reason=reason, facts=cancelled, **cancelled,
    )  # fmt: skip
    count_change(actor, row, row.status, changed.status)
    tell_status(row, changed.status, category=changed.category)
    return changed


_LATEST = (
    select(APPOINTMENTS.episode_id, APPOINTMENTS.provider_id, APPOINTMENTS.clinic_id)
    .where(APPOINTMENTS.tenant_id == bindparam("tenant"), APPOINTMENTS.episode_id == bindparam("the_id"), IS_PRESENT)
    .order_by(APPOINTMENTS.status == CANCELLED, APPOINTMENTS.starts_at.desc(), APPOINTMENTS.id.desc())
    .limit(at_most(1))
    .subquery("latest")
)
_COUNT_ENDED = keep(
    episodes.COUNT_ID.where(EPISODES.id == _LATEST.c.episode_id).values(
        last_provider_id=_LATEST.c.provider_id, last_clinic_id=_LATEST.c.clinic_id
    )
)


def count_change(actor: Actor, row: Row[Any], before: str | None, after: str) -> None:
    """Bring the episode's counters in line with an appointment's new status, and, where one more has ended, with whom
    and where it was last: at its latest appointment, one that was not cancelled before one that was."""
    seen, active = (new - old for new, old in zip(counts(after), counts(before), strict=True))
    if active < 0:
        given = episodes.counted(actor, row.episode_id, seen=seen, open_appointments=active)
        db.session.execute(_COUNT_ENDED, given)
    else:
        episodes.count(actor, row.episode_id, seen=seen, open_appointments=active)


def tell_status(row: Row[Any], status: str, *, category: str | None = None, correction: bool = False) -> None:
    """Publish that an appointment's status changed from the row's to this one."""
    commands.publish(
        AppointmentStatusChanged.of(
            row, key=row.episode_locator, old_status=row.status, new_status=status, category=category,
            correction=correction,
        )
    )  # fmt: skip


def cancel_open_appointments(actor: Actor, event: Event) -> None:
    """Reaction to a cancelled episode: cancel its active appointments, at whatever clinic, and free their slots."""
    everywhere = replace(actor, clinic_ids=None)
    statement = (
        appointment_rows(everywhere).where(EPISODES.locator == event.subject, IS_ACTIVE).order_by(APPOINTMENTS.id)
    )
    rows = db.session.execute(statement).all()
    lock_slots(actor, sorted({row.slot_id for row in rows}))
    for row in rows:
        make_move(actor, row, "cancel")


def open_appointments(actor: Actor, episode_id: int) -> list[dict[str, str]]:
    """The active appointments of an episode, as items that refuse its close."""
    rows = db.session.execute(
        select(APPOINTMENTS.locator, APPOINTMENTS.status, APPOINTMENTS.starts_at)
        .where(
            APPOINTMENTS.tenant_id == actor.tenant_id,
            APPOINTMENTS.episode_id == episode_id,
            IS_ACTIVE,
        )
        .order_by(APPOINTMENTS.starts_at, APPOINTMENTS.id)
    ).all()
    return [{"kind": "appointment", "locator": row.locator, "status": row.status} for row in rows]
