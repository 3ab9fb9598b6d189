"""Taking the last move back: each condition of it, and what it tells."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.episodes import queries as episode_queries
from careapp.episodes import service as episodes
from careapp.errors import Forbidden, NotFound
from careapp.scheduling import appointments, changes, queries, slots
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import events, history, newest, one
from tests.scheduling.test_refusals import refusal_of

MOVES = [
    ("PENDING", "accept"), ("PENDING", "confirm"), ("BOOKED", "confirm"), ("CONFIRMED", "arrive"), ("ARRIVED", "start"),
    ("BOOKED", "attend"), ("IN_PROGRESS", "attend"), ("ARRIVED", "cancel"), ("PENDING", "no-show"),
    ("CONFIRMED", "no-show"), ("CONFIRMED", "cancel"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "action"), MOVES)
def test_every_move_can_be_taken_back(god: Actor, status: str, action: str) -> None:
    episode, slot = make.an_episode(god), make.a_slot(god)
    booked = make.an_appointment(god, episode, slot, status=status)
    counters = "SELECT seen || '/' || open_appointments FROM episodes WHERE locator = :locator"
    counted, place = one(god, counters, locator=episode.locator), queries.get_slot(god, slot.locator)
    moved = appointments.act(god, booked.locator, action=action)
    before = newest(god)
    back = changes.undo(god, booked.locator, reason="Wrong row")
    assert back == booked.model_copy(update={"version": booked.version + 2})
    assert one(god, counters, locator=episode.locator) == counted
    assert queries.get_slot(god, slot.locator) == place.model_copy(
        update={"version": place.version + 2 * (action == "cancel")}
    )
    [event] = events(god, after=before["events"])
    assert event.topic == "care.appointment.status_changed"
    data = event.envelope["data"]
    assert (data["oldStatus"], data["newStatus"], data["correction"]) == (moved.status, status, True)
    [change] = history(god, after=before["history"])
    assert (change.action, change.from_status, change.to_status) == ("undo", moved.status, status)


def test_a_move_tells_that_it_is_no_correction(god: Actor) -> None:
    booked = make.an_appointment(god)
    before = newest(god)
    appointments.act(god, booked.locator, action="confirm")
    [event] = events(god, after=before["events"])
    assert event.envelope["data"]["correction"] is False


def test_a_booking_a_reschedule_and_an_undo_are_not_taken_back(god: Actor) -> None:
    booked = make.an_appointment(god)
    assert refusal_of(changes.undo, god, booked.locator).code == "NOTHING_TO_UNDO"
    appointments.act(god, booked.locator, action="confirm")
    changes.reschedule(god, booked.locator, slot_locator=make.a_slot(god, hours=4).locator)
    assert refusal_of(changes.undo, god, booked.locator).code == "NOTHING_TO_UNDO"
    appointments.act(god, booked.locator, action="arrive")
    assert changes.undo(god, booked.locator).status == "BOOKED"
    assert refusal_of(changes.undo, god, booked.locator).code == "NOTHING_TO_UNDO"
    appointments.act(god, booked.locator, action="arrive")
    assert changes.undo(god, booked.locator).status == "BOOKED", "a new move can be taken back again"


def test_only_within_ten_minutes(god: Actor) -> None:
    with clock.at(present := clock.now()):
        early, late = make.an_appointment(god, status="CONFIRMED"), make.an_appointment(god, status="CONFIRMED")
    with clock.at(present + timedelta(minutes=10)):
        assert changes.undo(god, early.locator).status == "PENDING"
    with clock.at(present + timedelta(minutes=10, microseconds=1)):
        assert refusal_of(changes.undo, god, late.locator).code == "NOTHING_TO_UNDO"


def test_only_by_who_may_make_the_move(god: Actor, actor_of: Callable[..., Actor]) -> None:
    booked = make.an_appointment(god, status="CONFIRMED")
    viewer = Actor(god.tenant_id, god.tenant_key, "test:viewer", frozenset(god.permissions) - {"appointment.move"})
    for actor in (viewer, actor_of(Role.AUDITOR)):
        with pytest.raises(Forbidden):
            changes.undo(actor, booked.locator)
    assert changes.undo(actor_of(Role.FRONT_DESK), booked.locator).status == "PENDING"


def test_only_while_the_episode_is_open(god: Actor) -> None:
    episode = make.an_episode(god)
    attended = make.an_appointment(god, episode, status="ATTENDED")
    episodes.close(god, episode.locator, summary="Well again")
    assert refusal_of(changes.undo, god, attended.locator).code == "EPISODE_NOT_OPEN"


def test_what_a_cancelled_episode_caused_is_not_taken_back(god: Actor) -> None:
    episode = make.an_episode(god)
    booked = make.an_appointment(god, episode)
    episodes.cancel(god, episode.locator)
    assert refusal_of(changes.undo, god, booked.locator).code == "EPISODE_NOT_OPEN"


def test_what_another_move_caused_is_never_undoable(god: Actor) -> None:
    made = {"action": "cancel", "at": clock.now()}
    assert changes.undoable(god, SimpleNamespace(**made, cause=None))
    assert not changes.undoable(god, SimpleNamespace(**made, cause="care.episode.cancelled"))
    assert not changes.undoable(god, None)


def test_a_cancel_is_not_taken_back_when_the_place_is_gone(god: Actor) -> None:
    provider = make.a_provider(god)
    slot, other = make.a_slot(god, provider), make.a_slot(god, provider, hours=5)
    booked = make.an_appointment(god, slot=slot, status="CANCELLED")
    make.an_appointment(god, slot=slot)
    refusal = refusal_of(changes.undo, god, booked.locator)
    assert refusal.code == "SLOT_UNAVAILABLE"
    assert [item["locator"] for item in refusal.extra["alternatives"]] == [other.locator]
    assert queries.get_appointment(god, booked.locator).status == "CANCELLED"


def test_a_cancel_is_not_taken_back_into_a_blocked_or_past_slot(god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = make.a_slot(god)
    booked = make.an_appointment(god, slot=slot, status="CANCELLED")
    slots.act(god, slot.locator, action="block")
    assert refusal_of(changes.undo, god, booked.locator).code == "SLOT_UNAVAILABLE"
    slots.act(god, slot.locator, action="unblock")
    long_ago = clock.now() - timedelta(hours=3)
    provider = make.a_provider(god)
    monkeypatch.setattr(clock, "now", lambda: long_ago)
    past = make.a_slot(god, provider, hours=0)
    missed = make.an_appointment(god, slot=past)
    monkeypatch.undo()
    appointments.act(god, missed.locator, action="cancel")
    assert refusal_of(changes.undo, god, missed.locator).code == "SLOT_UNAVAILABLE"


@pytest.mark.parametrize("action", ["cancel", "no-show"])
def test_a_patient_who_is_elsewhere_by_now_is_not_put_back(god: Actor, action: str) -> None:
    patient = make.a_patient(god)
    booked = make.an_appointment(god, make.an_episode(god, patient), make.a_slot(god, minutes=60))
    appointments.act(god, booked.locator, action=action)
    there = make.an_appointment(god, make.an_episode(god, patient), make.a_slot(god, minutes=30))
    refusal = refusal_of(changes.undo, god, booked.locator)
    assert (refusal.code, refusal.extra["blocking"]) == ("PATIENT_BUSY", there.locator)
    assert queries.get_slot(god, booked.slot_locator).booked == int(action == "no-show")


@pytest.mark.parametrize("action", ["cancel", "no-show"])
def test_the_buffer_refuses_it_too(new_tenant: Callable[..., TestTenant], action: str) -> None:
    actor = everything(new_tenant(buffer_minutes=10))
    provider = make.a_provider(actor)
    booked = make.an_appointment(actor, slot=make.a_slot(actor, provider, hours=1, minutes=60))
    beside = make.a_slot(actor, provider, hours=2)
    appointments.act(actor, booked.locator, action=action)
    there = make.an_appointment(actor, slot=beside)
    refusal = refusal_of(changes.undo, actor, booked.locator)
    assert (refusal.code, refusal.extra["blocking"]) == ("BUFFER_VIOLATION", there.locator)


def test_who_cancelled_is_kept_told_and_forgotten_again(god: Actor) -> None:
    booked = make.an_appointment(god)
    before = newest(god)
    appointments.act(god, booked.locator, action="cancel", category="PATIENT")
    category = "SELECT category FROM appointments WHERE locator = :locator"
    assert one(god, category, locator=booked.locator) == "PATIENT"
    assert {event.envelope["data"]["category"] for event in events(god, after=before["events"])} == {"PATIENT"}
    assert [change.category for change in history(god, after=before["history"])] == ["PATIENT"]
    changes.undo(god, booked.locator)
    assert one(god, category, locator=booked.locator) is None
    appointments.act(god, booked.locator, action="cancel")
    assert one(god, category, locator=booked.locator) == "OTHER"


def test_undo_after_three_moves_takes_back_only_the_last(god: Actor) -> None:
    booked = make.an_appointment(god, status="IN_PROGRESS")
    assert changes.undo(god, booked.locator).status == "ARRIVED"
    assert refusal_of(changes.undo, god, booked.locator).code == "NOTHING_TO_UNDO"


def test_an_attended_visit_that_was_not_is_not_seen(god: Actor) -> None:
    episode = make.an_episode(god)
    booked = make.an_appointment(god, episode, status="ATTENDED")
    assert episode_queries.get_episode(god, episode.locator).stage == "READY_TO_CLOSE"
    changes.undo(god, booked.locator)
    assert episode_queries.get_episode(god, episode.locator).stage == "SCHEDULED"


def test_a_stale_version_and_an_unknown_locator(god: Actor) -> None:
    booked = make.an_appointment(god, status="CONFIRMED")
    assert refusal_of(changes.undo, god, booked.locator, version=1).code == "STALE_VERSION"
    with pytest.raises(NotFound):
        changes.undo(god, "APT-2026-000000")
