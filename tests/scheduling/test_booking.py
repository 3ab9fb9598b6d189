"""Booking: what it does, and each rule that refuses it."""

from datetime import timedelta

import pytest

from careapp.access import Actor
from careapp.episodes import queries as episode_queries
from careapp.errors import Conflict
from careapp.scheduling import appointments, changes, queries
from tests import factories as make
from tests.looking import events


def test_a_booking_takes_the_place_and_tells(god: Actor) -> None:
    episode, slot = make.an_episode(god), make.a_slot(god)
    booked = appointments.book(god, episode.locator, slot_locator=slot.locator, type="FOLLOW_UP", reason="Cough")
    assert booked.status == "PENDING"
    assert queries.get_slot(god, slot.locator).status == "BOOKED"
    assert episode_queries.get_episode(god, episode.locator).stage == "SCHEDULED"
    told = [(event.topic, event.sequence) for event in events(god) if event.key == episode.locator]
    assert told == [("care.episode.opened", 1), ("care.appointment.booked", 2)]


def test_a_full_slot_is_refused_with_alternatives(god: Actor) -> None:
    provider = make.a_provider(god)
    slot, later = make.a_slot(god, provider), make.a_slot(god, provider, hours=3)
    make.an_appointment(god, slot=slot)
    with pytest.raises(Conflict) as refusal:
        make.an_appointment(god, slot=slot)
    assert refusal.value.code == "SLOT_UNAVAILABLE"
    assert [item["locator"] for item in refusal.value.extra["alternatives"]] == [later.locator]


def test_a_cancelled_appointment_gives_its_place_back_and_undo_takes_it_again(god: Actor) -> None:
    slot = make.a_slot(god)
    booked = make.an_appointment(god, slot=slot, status="CONFIRMED")
    cancelled = appointments.act(god, booked.locator, action="cancel", category="PATIENT", reason="Bus was late")
    assert (cancelled.status, queries.get_slot(god, slot.locator).booked) == ("CANCELLED", 0)
    back = changes.undo(god, booked.locator)
    assert (back.status, queries.get_slot(god, slot.locator).booked) == ("CONFIRMED", 1)


def test_reschedule_moves_under_the_same_locator(god: Actor) -> None:
    provider = make.a_provider(god)
    slot, later = make.a_slot(god, provider), make.a_slot(god, provider, hours=3)
    booked = make.an_appointment(god, slot=slot, status="CONFIRMED")
    moved = changes.reschedule(god, booked.locator, slot_locator=later.locator)
    assert (moved.locator, moved.status, moved.slot_locator) == (booked.locator, "BOOKED", later.locator)
    assert moved.starts_at - booked.starts_at == timedelta(hours=2)
    assert queries.get_slot(god, slot.locator).status == "AVAILABLE"
