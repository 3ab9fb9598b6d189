"""Each rule that refuses a booking, by its code, and alternatives that can really be booked."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor
from careapp.episodes import queries as episode_queries
from careapp.episodes import service as episodes
from careapp.errors import Conflict, Invalid, NotFound
from careapp.providers import service as providers
from careapp.scheduling import appointments, queries, slots
from careapp.scheduling.views import SlotView
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import events, newest


def refusal_of(act: Callable[..., Any], *args: Any, **kwargs: Any) -> Conflict:
    """The conflict a call ends in."""
    with pytest.raises(Conflict) as caught:
        act(*args, **kwargs)
    return caught.value


def book_every_alternative(god: Actor, refusal: Conflict, party: str) -> list[str]:
    """Book each slot that was offered instead, each for itself; returns their locators."""
    offered = [item["locator"] for item in refusal.extra["alternatives"]]
    for locator in offered:
        episode = episodes.open_episode(god, party_locator=party, care_type="GP")
        booked = appointments.book(god, episode.locator, slot_locator=locator)
        appointments.act(god, booked.locator, action="cancel")
    return offered


def test_a_finished_episode_takes_no_booking(god: Actor) -> None:
    slot = make.a_slot(god)
    closed, cancelled = make.an_episode(god), make.an_episode(god)
    episodes.close(god, closed.locator, summary="Well again")
    episodes.cancel(god, cancelled.locator)
    for episode in (closed, cancelled):
        refusal = refusal_of(appointments.book, god, episode.locator, slot_locator=slot.locator)
        assert refusal.code == "EPISODE_NOT_OPEN"
    assert queries.get_slot(god, slot.locator).booked == 0


def test_what_is_unknown_or_another_tenants_is_not_booked(god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    other = everything(new_tenant())
    foreign_slot, foreign_episode = make.a_slot(other), make.an_episode(other)
    episode, slot = make.an_episode(god), make.a_slot(god)
    for locator in ("SLT-2026-000000", foreign_slot.locator, "", "SLT"):
        with pytest.raises(Invalid) as refusal:
            appointments.book(god, episode.locator, slot_locator=locator)
        assert set(refusal.value.errors) == {"slotLocator"}
    for locator in ("EPI-2026-000000", foreign_episode.locator):
        with pytest.raises(NotFound):
            appointments.book(god, locator, slot_locator=slot.locator)


def test_a_provider_outside_the_network_is_not_booked(god: Actor) -> None:
    pending, former = make.a_provider(god, active=False), make.a_provider(god)
    slots_of = [make.a_slot(god, provider) for provider in (pending, former)]
    providers.act(god, former.locator, action="deactivate")
    for slot in slots_of:
        refusal = refusal_of(make.an_appointment, god, slot=slot)
        assert (refusal.code, refusal.extra["alternatives"]) == ("PROVIDER_NOT_PARTICIPATING", [])


def test_a_slot_that_is_over_is_not_booked(god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = make.a_provider(god)
    slot, later = make.a_slot(god, provider), make.a_slot(god, provider, hours=5)
    episode = make.an_episode(god)
    monkeypatch.setattr(clock, "now", lambda: slot.ends_at)
    refusal = refusal_of(appointments.book, god, episode.locator, slot_locator=slot.locator)
    assert (refusal.code, refusal.detail) == ("SLOT_UNAVAILABLE", "This slot is already over.")
    assert [item["locator"] for item in refusal.extra["alternatives"]] == [later.locator]
    monkeypatch.setattr(clock, "now", lambda: slot.ends_at - timedelta(seconds=1))
    assert appointments.book(god, episode.locator, slot_locator=slot.locator).status == "PENDING"


def test_a_full_slot_names_its_numbers_and_offers_three_others(god: Actor) -> None:
    provider = make.a_provider(god)
    slot = make.a_slot(god, provider, hours=1, capacity=2)
    free = [make.a_slot(god, provider, hours=hours) for hours in (2, 3, 4, 5, 6)]
    slots.act(god, free[0].locator, action="block")
    make.an_appointment(god, slot=free[1])
    for _ in range(2):
        make.an_appointment(god, slot=slot)
    patient = make.a_patient(god)
    refusal = refusal_of(make.an_appointment, god, make.an_episode(god, patient), slot)
    assert (refusal.code, refusal.detail) == ("SLOT_UNAVAILABLE", "This slot is full: 2 of 2 places are taken.")
    offered = book_every_alternative(god, refusal, patient.locator)
    assert offered == [slot.locator for slot in free[2:]]
    refusal = refusal_of(make.an_appointment, god, make.an_episode(god), free[1])
    assert refusal.detail == "This slot is full: its place is taken."
    assert SlotView.model_validate(refusal.extra["alternatives"][0]).locator == free[2].locator


def test_a_patient_is_not_in_two_places(god: Actor) -> None:
    patient = make.a_patient(god)
    there = make.an_appointment(god, make.an_episode(god, patient), make.a_slot(god, hours=2, minutes=60))
    provider = make.a_provider(god)
    same_time = make.a_slot(god, provider, hours=2, minutes=30)
    touching = make.a_slot(god, provider, hours=3)
    refusal = refusal_of(make.an_appointment, god, make.an_episode(god, patient), same_time)
    assert (refusal.code, refusal.extra["blocking"]) == ("PATIENT_BUSY", there.locator)
    assert book_every_alternative(god, refusal, patient.locator) == [touching.locator]
    assert queries.get_slot(god, same_time.locator).booked == 0, "the place is given back"
    assert make.an_appointment(god, slot=same_time).status == "PENDING", "another patient may come"


def test_a_patient_is_once_in_a_group(god: Actor) -> None:
    slot = make.a_slot(god, capacity=10)
    patients = [make.a_patient(god) for _ in range(10)]
    booked = [make.an_appointment(god, make.an_episode(god, patient), slot) for patient in patients[:9]]
    refusal = refusal_of(make.an_appointment, god, make.an_episode(god, patients[0]), slot)
    assert (refusal.code, refusal.extra["blocking"]) == ("PATIENT_BUSY", booked[0].locator)
    make.an_appointment(god, make.an_episode(god, patients[9]), slot)
    assert queries.get_slot(god, slot.locator).status == "BOOKED"
    assert refusal_of(make.an_appointment, god, slot=slot).code == "SLOT_UNAVAILABLE"
    appointments.act(god, booked[0].locator, action="cancel")
    again = queries.get_slot(god, slot.locator)
    assert (again.status, again.booked) == ("AVAILABLE", 9)
    make.an_appointment(god, make.an_episode(god, patients[0]), slot)


def test_a_provider_keeps_his_buffer(god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    actor = everything(new_tenant(buffer_minutes=10))
    provider, start = make.a_provider(actor), make.soon(2)

    def slot_at(minute: int) -> SlotView:
        begin = start + timedelta(minutes=minute)
        return slots.add_slot(actor, provider.locator, start=begin, end=begin + timedelta(minutes=20))

    before, middle, after, clear = slot_at(0), slot_at(20), slot_at(40), slot_at(70)
    there = make.an_appointment(actor, slot=middle)
    for adjacent in (before, after):
        refusal = refusal_of(make.an_appointment, actor, slot=adjacent)
        assert (refusal.code, refusal.extra["blocking"]) == ("BUFFER_VIOLATION", there.locator)
        assert queries.get_slot(actor, adjacent.locator).booked == 0
        assert book_every_alternative(actor, refusal, make.a_patient(actor).locator) == [clear.locator]
    early = slot_at(-60)
    slots.act(actor, early.locator, action="block")
    refusal = refusal_of(make.an_appointment, actor, slot=early)
    assert [item["locator"] for item in refusal.extra["alternatives"]] == [clear.locator]
    assert make.an_appointment(actor, slot=clear).status == "PENDING", "ten minutes lie between"
    assert make.an_appointment(actor, slot=make.a_slot(actor, hours=2)).status == "PENDING", "another provider is free"
    appointments.act(actor, there.locator, action="cancel")
    assert make.an_appointment(actor, slot=before).status == "PENDING"


def test_a_group_shares_its_slot_in_spite_of_the_buffer(new_tenant: Callable[..., TestTenant]) -> None:
    actor = everything(new_tenant(buffer_minutes=10))
    slot = make.a_slot(actor, capacity=3)
    assert [make.an_appointment(actor, slot=slot).status for _ in range(3)] == ["PENDING"] * 3


def test_a_refusal_leaves_no_event_and_no_count(god: Actor) -> None:
    slot, episode = make.a_slot(god), make.an_episode(god)
    make.an_appointment(god, slot=slot)
    before = newest(god)
    refusal_of(appointments.book, god, episode.locator, slot_locator=slot.locator)
    assert events(god, after=before["events"]) == []
    assert episode_queries.get_episode(god, episode.locator).stage == "NEW"


def test_the_front_desk_books_at_once(front_desk: Actor, god: Actor) -> None:
    episode, slot = make.an_episode(front_desk), make.a_slot(god)
    before = newest(god)
    booked = appointments.book(front_desk, episode.locator, slot_locator=slot.locator, accepted=True)
    assert booked.status == "BOOKED"
    assert [event.topic for event in events(god, after=before["events"])] == ["care.appointment.booked"]


def test_others_of_the_specialty_are_offered_where_the_provider_has_too_few(god: Actor) -> None:
    mine = make.a_provider(god, specialty="CARDIOLOGY")
    full, later = make.a_slot(god, mine), make.a_slot(god, mine, hours=20)
    colleague = make.a_provider(god, specialty="CARDIOLOGY")
    of_colleague = make.a_slot(god, colleague, hours=2)
    make.a_slot(god, colleague, hours=24 * 15)
    make.a_slot(god, make.a_provider(god, specialty="DERMATOLOGY"), hours=2)
    make.a_slot(god, make.a_provider(god, specialty="CARDIOLOGY", active=False), hours=2)
    make.an_appointment(god, slot=full)
    patient = make.a_patient(god)
    refusal = refusal_of(make.an_appointment, god, make.an_episode(god, patient), full)
    assert book_every_alternative(god, refusal, patient.locator) == [later.locator, of_colleague.locator]
