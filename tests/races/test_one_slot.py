"""Many who want the same: exactly as many succeed as there is room for."""

from collections.abc import Callable
from typing import Any

import pytest

from careapp.access import Actor
from careapp.episodes import queries as episode_queries
from careapp.episodes import service as episodes
from careapp.errors import Conflict
from careapp.scheduling import appointments, changes, queries, slots
from tests import factories as make
from tests.looking import events, newest, one, rows
from tests.races.crowd import Crowd, done, refused

CLIENTS = 64


def booking(god: Actor, episode: str, slot: str) -> Callable[[], Any]:
    """The act of booking an episode into a slot."""
    return lambda: appointments.book(god, episode, slot_locator=slot)


@pytest.mark.parametrize("capacity", [1, 10])
def test_64_clients_book_one_slot(god: Actor, crowd: Crowd, capacity: int) -> None:
    slot = make.a_slot(god, capacity=capacity)
    made = [make.an_episode(god).locator for _ in range(CLIENTS)]
    before = newest(god)
    outcomes = crowd([booking(god, episode, slot.locator) for episode in made])
    assert len(done(outcomes)) == capacity
    assert refused(outcomes) == ["SLOT_UNAVAILABLE"] * (CLIENTS - capacity)
    assert all(type(refusal) is Conflict for refusal in outcomes if isinstance(refusal, Exception))
    after = queries.get_slot(god, slot.locator)
    assert (after.booked, after.status, after.version) == (capacity, "BOOKED", 1 + capacity)
    assert one(god, "SELECT count(*) FROM appointments") == capacity
    told = events(god, after=before["events"])
    assert sorted(event.envelope["subject"] for event in told) == sorted(a.locator for a in done(outcomes))
    assert {event.topic for event in told} == {"care.appointment.booked"}
    stages = [episode_queries.get_episode(god, episode).stage for episode in made]
    assert stages.count("SCHEDULED") == capacity
    refusals = "SELECT count(*) FROM audit_event WHERE outcome = 'refused'"
    assert one(god, refusals) == CLIENTS - capacity


def test_one_patient_is_booked_into_overlapping_slots_by_many(god: Actor, crowd: Crowd) -> None:
    patient = make.a_patient(god)
    made = [make.an_episode(god, patient).locator for _ in range(16)]
    free = [make.a_slot(god, hours=2).locator for _ in range(16)]
    outcomes = crowd([booking(god, episode, slot) for episode, slot in zip(made, free, strict=True)])
    assert len(done(outcomes)) == 1
    assert refused(outcomes) == ["PATIENT_BUSY"] * 15
    assert one(god, "SELECT sum(booked) FROM provider_slots") == 1


def test_two_of_staff_make_different_moves_with_what_they_saw(god: Actor, crowd: Crowd) -> None:
    for first, second in (("confirm", "cancel"), ("arrive", "no-show"), ("accept", "accept")):
        booked = make.an_appointment(god)
        outcomes = crowd(
            [
                lambda action=action, at=booked: appointments.act(god, at.locator, action=action, version=at.version)
                for action in (first, second)
            ]
        )
        [winner] = done(outcomes)
        assert refused(outcomes) == ["STALE_VERSION"]
        assert queries.get_appointment(god, booked.locator) == winner
        assert winner.version == booked.version + 1


def test_two_of_staff_make_moves_without_a_version(god: Actor, crowd: Crowd) -> None:
    booked = make.an_appointment(god)
    outcomes = crowd([lambda: appointments.act(god, booked.locator, action="no-show")] * 8)
    assert len(done(outcomes)) == 1
    assert refused(outcomes) == ["ILLEGAL_TRANSITION"] * 7
    history = "SELECT action FROM status_changes WHERE locator = :locator ORDER BY id"
    assert [row.action for row in rows(god, history, locator=booked.locator)] == ["book", "no-show"]


def test_an_undo_and_a_new_booking_want_the_same_place(god: Actor, crowd: Crowd) -> None:
    slot = make.a_slot(god)
    cancelled = make.an_appointment(god, slot=slot, status="CANCELLED")
    episode = make.an_episode(god).locator
    outcomes = crowd([lambda: changes.undo(god, cancelled.locator), booking(god, episode, slot.locator)])
    assert (len(done(outcomes)), refused(outcomes)) == (1, ["SLOT_UNAVAILABLE"])
    assert queries.get_slot(god, slot.locator).booked == 1


def test_one_patients_appointments_are_moved_to_the_same_time_by_many(god: Actor, crowd: Crowd) -> None:
    patient = make.a_patient(god)
    booked = [
        make.an_appointment(god, make.an_episode(god, patient), make.a_slot(god, hours=hours))
        for hours in range(10, 18)
    ]
    goals = [make.a_slot(god, hours=2) for _ in booked]
    outcomes = crowd(
        [
            lambda at=at, goal=goal: changes.reschedule(god, at.locator, slot_locator=goal.locator)
            for at, goal in zip(booked, goals, strict=True)
        ]
    )
    [moved] = done(outcomes)
    assert refused(outcomes) == ["PATIENT_BUSY"] * 7
    blocking = {outcome.extra.get("blocking") for outcome in outcomes if isinstance(outcome, Conflict)}
    assert blocking == {moved.locator}, "they take turns, so each is told what stands in its way"


def test_patients_change_places(god: Actor, crowd: Crowd) -> None:
    first, second = (make.a_slot(god, hours=hours, capacity=20) for hours in (1, 2))
    there = [make.an_appointment(god, slot=first).locator for _ in range(8)]
    back = [make.an_appointment(god, slot=second).locator for _ in range(8)]
    acts = [
        lambda at=at, goal=goal: changes.reschedule(god, at, slot_locator=goal.locator)
        for pair in zip(there, back, strict=True)
        for at, goal in zip(pair, (second, first), strict=True)
    ]
    assert refused(crowd(acts)) == []
    assert [queries.get_slot(god, slot.locator).booked for slot in (first, second)] == [8, 8]


def test_episodes_that_share_slots_are_cancelled_while_others_move_between_them(god: Actor, crowd: Crowd) -> None:
    shared = [make.a_slot(god, hours=hours, capacity=24) for hours in range(1, 7)]
    first, last = shared[0], shared[-1]
    made = [make.an_episode(god) for _ in range(8)]
    for number, episode in enumerate(made):
        for slot in shared if number % 2 else reversed(shared):
            make.an_appointment(god, episode, slot)
    moving = [make.an_appointment(god, slot=first).locator for _ in range(8)]
    outcomes = crowd(
        [
            *[lambda at=episode.locator: episodes.cancel(god, at) for episode in made],
            *[lambda at=locator: changes.reschedule(god, at, slot_locator=last.locator) for locator in moving],
        ]
    )
    assert refused(outcomes) == []
    assert [queries.get_slot(god, slot.locator).booked for slot in shared] == [0, 0, 0, 0, 0, 8]


def test_an_episode_is_cancelled_while_it_is_booked_into(god: Actor, crowd: Crowd) -> None:
    episode = make.an_episode(god)
    free = [make.a_slot(god, hours=hours).locator for hours in range(1, 13)]
    acts = [booking(god, episode.locator, slot) for slot in free]
    acts.insert(6, lambda: episodes.cancel(god, episode.locator))
    outcomes = crowd(acts)
    assert set(refused(outcomes)) <= {"EPISODE_NOT_OPEN"}
    assert episode_queries.get_episode(god, episode.locator).status == "CANCELLED"
    assert one(god, "SELECT count(*) FROM appointments WHERE status <> 'CANCELLED'") == 0
    assert one(god, "SELECT sum(booked) FROM provider_slots") == 0
    assert one(god, "SELECT open_appointments FROM episodes WHERE locator = :locator", locator=episode.locator) == 0


def test_an_episode_is_closed_while_it_is_booked_into(god: Actor, crowd: Crowd) -> None:
    for hours in range(1, 6):
        episode, slot = make.an_episode(god), make.a_slot(god, hours=hours)
        outcomes = crowd(
            [
                booking(god, episode.locator, slot.locator),
                lambda at=episode.locator: episodes.close(god, at, summary="Well"),
            ]
        )
        assert len(done(outcomes)) == 1
        assert refused(outcomes)[0] in {"EPISODE_NOT_OPEN", "EPISODE_HAS_OPEN_WORK"}


def test_overlapping_slots_are_added_by_many(god: Actor, crowd: Crowd) -> None:
    provider, start = make.a_provider(god), make.soon(5)

    def adding(minutes: int) -> Callable[[], Any]:
        begin = start.replace(minute=minutes)
        return lambda: slots.add_slot(god, provider.locator, start=begin, end=begin.replace(minute=minutes + 29))

    outcomes = crowd([adding(minutes) for minutes in range(16)])
    assert len(done(outcomes)) == 1
    assert refused(outcomes) == ["SLOT_OVERLAP"] * 15
    assert one(god, "SELECT count(*) FROM provider_slots") == 1
