"""Rescheduling: the same appointment in another slot, both slots right, and each rule that refuses it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from careapp import clock
from careapp.access import Actor
from careapp.episodes import service as episodes
from careapp.errors import Conflict, Invalid, NotFound
from careapp.providers import service as providers
from careapp.scheduling import appointments, changes, queries, slots
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import events, history, newest
from tests.scheduling.test_refusals import refusal_of


def places(god: Actor, *locators: str) -> list[tuple[str, int]]:
    """Status and count of slots."""
    found = [queries.get_slot(god, locator) for locator in locators]
    return [(slot.status, slot.booked) for slot in found]


@pytest.mark.parametrize(("status", "after"), [("PENDING", "PENDING"), ("BOOKED", "BOOKED"), ("CONFIRMED", "BOOKED")])
def test_both_slots_and_the_events_are_right(god: Actor, status: str, after: str) -> None:
    old, new = make.a_slot(god), make.a_slot(god, hours=3, capacity=2)
    booked = make.an_appointment(god, slot=old, status=status)
    before = newest(god)
    moved = changes.reschedule(god, booked.locator, slot_locator=new.locator, reason="Bus strike")
    assert (moved.status, moved.slot_locator, moved.provider_locator) == (after, new.locator, new.provider_locator)
    assert (moved.starts_at, moved.ends_at) == (new.starts_at, new.ends_at)
    assert moved.version == booked.version + 1
    assert moved == queries.get_appointment(god, booked.locator)
    assert places(god, old.locator, new.locator) == [("AVAILABLE", 0), ("AVAILABLE", 1)]
    told = events(god, after=before["events"])
    assert [event.topic for event in told] == ["care.appointment.rescheduled", "care.appointment.status_changed"]
    data, change_told = (event.envelope["data"] for event in told)
    assert (change_told["oldStatus"], change_told["newStatus"]) == (status, after)
    assert (data["slotLocator"], data["previousSlotLocator"]) == (new.locator, old.locator)
    assert data["status"] == after
    [change] = history(god, after=before["history"])
    assert (change.action, change.from_status, change.to_status, change.reason) == (
        "reschedule", status, after, "Bus strike",
    )  # fmt: skip


@pytest.mark.parametrize("status", ["ARRIVED", "IN_PROGRESS", "ATTENDED", "CANCELLED", "NO_SHOW"])
def test_who_has_come_or_gone_is_not_moved(god: Actor, status: str) -> None:
    slot, booked = make.a_slot(god, hours=9), make.an_appointment(god, status=status)
    refusal = refusal_of(changes.reschedule, god, booked.locator, slot_locator=slot.locator)
    assert refusal.code == "ILLEGAL_TRANSITION"
    assert places(god, slot.locator) == [("AVAILABLE", 0)]


def test_each_rule_of_booking_refuses_it_too(god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, patient = make.a_provider(god), make.a_patient(god)
    booked = make.an_appointment(god, make.an_episode(god, patient), make.a_slot(god, provider))
    full, blocked, over = (make.a_slot(god, provider, hours=hours) for hours in (2, 3, 0))
    free = make.a_slot(god, provider, hours=8)
    make.an_appointment(god, slot=full)
    slots.act(god, blocked.locator, action="block")
    other = make.a_provider(god)
    busy = make.a_slot(god, other, hours=6)
    make.an_appointment(god, make.an_episode(god, patient), make.a_slot(god, hours=6))
    former = make.a_provider(god)
    outside = make.a_slot(god, former, hours=7)
    providers.act(god, former.locator, action="deactivate")
    before = queries.get_appointment(god, booked.locator)
    for slot, code in (
        (full, "SLOT_UNAVAILABLE"), (blocked, "SLOT_UNAVAILABLE"), (busy, "PATIENT_BUSY"),
        (outside, "PROVIDER_NOT_PARTICIPATING"),
    ):  # fmt: skip
        refusal = refusal_of(changes.reschedule, god, booked.locator, slot_locator=slot.locator)
        assert refusal.code == code
    monkeypatch.setattr(clock, "now", lambda: over.ends_at)
    refusal = refusal_of(changes.reschedule, god, booked.locator, slot_locator=over.locator)
    assert refusal.code == "SLOT_UNAVAILABLE"
    assert [item["locator"] for item in refusal.extra["alternatives"]] == [free.locator]
    assert queries.get_appointment(god, booked.locator) == before
    assert places(god, before.slot_locator, busy.locator) == [("BOOKED", 1), ("AVAILABLE", 0)]


def test_the_slot_must_be_another_and_known(god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    booked = make.an_appointment(god)
    foreign = make.a_slot(everything(new_tenant()))
    for locator in (booked.slot_locator, foreign.locator, "SLT-2026-000000"):
        with pytest.raises(Invalid) as refusal:
            changes.reschedule(god, booked.locator, slot_locator=locator)
        assert set(refusal.value.errors) == {"slotLocator"}
    with pytest.raises(NotFound):
        changes.reschedule(god, "APT-2026-000000", slot_locator=booked.slot_locator)
    assert queries.get_appointment(god, booked.locator).version == booked.version


def test_a_finished_episode_moves_nothing(god: Actor) -> None:
    episode = make.an_episode(god)
    booked = make.an_appointment(god, episode, status="ATTENDED")
    episodes.close(god, episode.locator, summary="Well again")
    refusal = refusal_of(changes.reschedule, god, booked.locator, slot_locator=make.a_slot(god, hours=4).locator)
    assert refusal.code == "EPISODE_NOT_OPEN"


def test_an_appointment_does_not_stand_in_its_own_way(new_tenant: Callable[..., TestTenant]) -> None:
    actor = everything(new_tenant(buffer_minutes=30))
    provider = make.a_provider(actor)
    booked = make.an_appointment(actor, slot=make.a_slot(actor, provider, hours=1, minutes=60))
    adjacent = make.a_slot(actor, provider, hours=2, minutes=30)
    assert changes.reschedule(actor, booked.locator, slot_locator=adjacent.locator).slot_locator == adjacent.locator
    overlapping = make.a_slot(actor, hours=2, minutes=60)
    moved = changes.reschedule(actor, booked.locator, slot_locator=overlapping.locator)
    assert moved.starts_at == overlapping.starts_at


def test_the_buffer_refuses_a_move_beside_another(new_tenant: Callable[..., TestTenant]) -> None:
    actor = everything(new_tenant(buffer_minutes=10))
    provider = make.a_provider(actor)
    there = make.an_appointment(actor, slot=make.a_slot(actor, provider, hours=2, minutes=60))
    beside, booked = make.a_slot(actor, provider, hours=3), make.an_appointment(actor, slot=make.a_slot(actor, hours=9))
    refusal = refusal_of(changes.reschedule, actor, booked.locator, slot_locator=beside.locator)
    assert (refusal.code, refusal.extra["blocking"]) == ("BUFFER_VIOLATION", there.locator)
    appointments.act(actor, there.locator, action="cancel")
    assert changes.reschedule(actor, booked.locator, slot_locator=beside.locator).slot_locator == beside.locator


def test_there_and_back_again(god: Actor) -> None:
    first, second = make.a_slot(god), make.a_slot(god, hours=2)
    booked = make.an_appointment(god, slot=first)
    changes.reschedule(god, booked.locator, slot_locator=second.locator)
    back = changes.reschedule(god, booked.locator, slot_locator=first.locator)
    assert (back.slot_locator, back.starts_at) == (first.locator, booked.starts_at)
    assert back.ends_at - back.starts_at == timedelta(minutes=30)
    assert places(god, first.locator, second.locator) == [("BOOKED", 1), ("AVAILABLE", 0)]


def test_a_stale_version_moves_nothing(god: Actor) -> None:
    booked = make.an_appointment(god, status="BOOKED")
    slot = make.a_slot(god, hours=4)
    with pytest.raises(Conflict) as refusal:
        changes.reschedule(god, booked.locator, slot_locator=slot.locator, version=1)
    assert refusal.value.code == "STALE_VERSION"
    assert changes.reschedule(god, booked.locator, slot_locator=slot.locator, version=2).version == 3
