"""Spans in a crowd: a block against bookings and moves, two blocks at once, and two who add the same times."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from careapp.access import Actor
from careapp.scheduling import appointments, changes, queries, slots, spans
from tests import factories as make
from tests.looking import one
from tests.races.crowd import Crowd, done, refused


def blocking(god: Actor, made: list[Any], provider: Any, action: str = "block") -> Callable[[], Any]:
    """The act of blocking, or unblocking, the span these slots fill."""
    values = {"spans": [(made[0].starts_at, made[-1].ends_at)], "provider_locator": provider.locator}
    if action == "unblock":
        return lambda: spans.unblock_spans(god, **values)
    return lambda: spans.block_spans(god, **values, reason="Away")


def test_a_span_is_blocked_while_many_book_in_it(god: Actor, crowd: Crowd) -> None:
    provider = make.a_provider(god)
    made = [make.a_slot(god, provider, hours=20 + n, capacity=2) for n in range(10)]
    episodes = [make.an_episode(god).locator for _ in range(20)]
    acts: list[Callable[[], Any]] = [
        lambda episode=episode, slot=made[n % 10]: appointments.book(god, episode, slot_locator=slot.locator)
        for n, episode in enumerate(episodes)
    ]
    acts.insert(10, blocking(god, made, provider))
    outcomes = crowd(acts)
    assert set(refused(outcomes)) <= {"SLOT_UNAVAILABLE"}
    after = [queries.get_slot(god, slot.locator) for slot in made]
    assert {slot.status for slot in after} == {"BLOCKED"}
    booked = len(done(outcomes)) - 1
    assert sum(slot.booked for slot in after) == booked == one(god, "SELECT count(*) FROM appointments")
    late = crowd([acts[0]])
    assert refused(late), "nobody is booked after the block"


def test_two_block_and_one_unblocks_the_same_span(god: Actor, crowd: Crowd) -> None:
    provider = make.a_provider(god)
    made = [make.a_slot(god, provider, hours=20 + n) for n in range(20)]
    outcomes = crowd(
        [blocking(god, made, provider), blocking(god, made[5:], provider), blocking(god, made, provider, "unblock")]
    )
    assert refused(outcomes) == []
    history = "SELECT count(*) FROM status_changes WHERE action IN ('block', 'unblock')"
    assert one(god, history) == sum(len(moved) for moved in outcomes)
    wrong = "SELECT count(*) FROM provider_slots WHERE (status = 'BLOCKED') <> (blocked_reason IS NOT NULL)"
    assert one(god, wrong) == 0


def test_appointments_move_while_their_slots_are_blocked(god: Actor, crowd: Crowd) -> None:
    provider = make.a_provider(god)
    made = [make.a_slot(god, provider, hours=20 + n, capacity=4) for n in range(6)]
    goals = [make.a_slot(god, provider, hours=40 + n, capacity=4) for n in range(6)]
    booked = [make.an_appointment(god, slot=slot).locator for slot in made]
    acts: list[Callable[[], Any]] = [
        lambda at=at, goal=goal: changes.reschedule(god, at, slot_locator=goal.locator)
        for at, goal in zip(booked, goals, strict=True)
    ]
    outcomes = crowd([*acts[:3], blocking(god, made, provider), blocking(god, goals, provider), *acts[3:]])
    assert set(refused(outcomes)) <= {"SLOT_UNAVAILABLE"}
    assert one(god, "SELECT sum(booked) FROM provider_slots") == 6


def test_a_single_slot_is_blocked_by_many(god: Actor, crowd: Crowd) -> None:
    slot = make.a_slot(god)
    outcomes = crowd([lambda: slots.act(god, slot.locator, action="block", reason="Away")] * 8)
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"ILLEGAL_TRANSITION"})


def test_the_same_times_are_added_by_many(god: Actor, crowd: Crowd) -> None:
    provider, start = make.a_provider(god), make.soon(20)
    times = [(start + timedelta(hours=n), start + timedelta(hours=n, minutes=30)) for n in range(10)]
    outcomes = crowd([lambda: spans.add_slots(god, provider.locator, spans=times)] * 8)
    assert (len(done(outcomes)), refused(outcomes)) == (1, ["SLOT_OVERLAP"] * 7)
    assert one(god, "SELECT count(*) FROM provider_slots") == 10
