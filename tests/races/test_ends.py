"""Ends in a crowd: an episode that is ended while things go on in it, and a provider who leaves while he is booked."""

from collections.abc import Callable
from functools import partial
from threading import Event
from time import sleep
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.episodes import service as episodes
from careapp.patients import confidentiality
from careapp.providers import service as providers
from careapp.referrals import service as referrals
from careapp.scheduling import appointments, changes, queries, spans
from tests import factories as make
from tests.looking import one, rows
from tests.races.crowd import MOMENT, Crowd, Meanwhile, done, refused
from tests.races.test_storm import check

WRONG = """
    SELECT e.locator FROM episodes e LEFT JOIN diagnostics_referrals r ON r.episode_id = e.id
    GROUP BY e.tenant_id, e.id, e.locator, e.status, e.open_referrals
    HAVING e.open_referrals <> count(*) FILTER (WHERE r.status IN ('REFERRED', 'BOOKED'))
    OR (e.status <> 'OPEN' AND e.open_referrals + e.open_appointments > 0)"""
ENDED = {"EPISODE_NOT_OPEN", "EPISODE_HAS_OPEN_WORK", "ILLEGAL_TRANSITION", "SLOT_UNAVAILABLE", "NOTHING_TO_UNDO"}


def ending(god: Actor, how: str, episode: str) -> Callable[[], Any]:
    """The act of ending an episode."""
    if how == "cancel":
        return partial(episodes.cancel, god, episode, reason="Moved away")
    return partial(episodes.close, god, episode, summary="Well")


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_an_episode_is_ended_while_referrals_are_made_and_moved(god: Actor, crowd: Crowd, how: str) -> None:
    def referral(at: str, action: str) -> Callable[[], Any]:
        return partial(referrals.act, god, at, action=action)

    for _ in range(3):
        episode = make.an_episode(god)
        there = [make.a_referral(god, episode, status=status).locator for status in ("REFERRED", "BOOKED", "BOOKED")]
        outcomes = crowd([
            *[partial(referrals.refer, god, episode.locator, type="LAB", reason="Blood count")] * 2,
            referral(there[0], "cancel"), referral(there[1], "complete"),
            ending(god, how, episode.locator),
            referral(there[2], "complete"), referral(there[2], "cancel"),
            ending(god, how, episode.locator),
        ])  # fmt: skip
        assert set(refused(outcomes)) <= ENDED
        assert rows(god, WRONG) == []
        check(god, [])


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_an_episode_is_ended_while_its_visits_are_moved_and_taken_back(god: Actor, crowd: Crowd, how: str) -> None:
    def visit(at: str, action: str) -> Callable[[], Any]:
        return partial(appointments.act, god, at, action=action)

    for _ in range(3):
        episode = make.an_episode(god)
        gone = make.an_appointment(god, episode, make.a_slot(god, hours=1), status="CANCELLED").locator
        come = make.an_appointment(god, episode, make.a_slot(god, hours=3), status="ARRIVED").locator
        due = make.an_appointment(god, episode, make.a_slot(god, hours=5), status="BOOKED").locator
        goal = make.a_slot(god, hours=7).locator
        outcomes = crowd([
            partial(changes.undo, god, gone), visit(come, "attend"),
            visit(come, "cancel"), ending(god, how, episode.locator),
            partial(changes.reschedule, god, due, slot_locator=goal), visit(due, "no-show"),
            partial(changes.undo, god, due), ending(god, how, episode.locator),
        ])  # fmt: skip
        assert set(refused(outcomes)) <= ENDED
        assert rows(god, WRONG) == []
        check(god, [])


def test_a_visit_is_attended_cancelled_and_missed_by_many(god: Actor, crowd: Crowd) -> None:
    come = make.an_appointment(god, status="BOOKED").locator
    moves = ("attend", "cancel", "no-show") * 3
    outcomes = crowd([partial(appointments.act, god, come, action=action) for action in moves])
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"ILLEGAL_TRANSITION"})
    outcomes = crowd([partial(changes.undo, god, come)] * 6)
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"NOTHING_TO_UNDO"})
    check(god, [])


def test_a_provider_leaves_while_he_is_booked_moved_to_and_blocked(god: Actor, crowd: Crowd) -> None:
    provider = make.a_provider(god)
    free = [make.a_slot(god, provider, hours=hours, capacity=2) for hours in range(1, 7)]
    made = [make.an_episode(god).locator for _ in free]
    moving = [make.an_appointment(god, slot=make.a_slot(god, hours=hours)).locator for hours in range(1, 7)]
    booking = [
        partial(appointments.book, god, episode, slot_locator=slot.locator)
        for episode, slot in zip(made, free, strict=True)
    ]
    coming = [
        partial(changes.reschedule, god, visit, slot_locator=slot.locator)
        for visit, slot in zip(moving, free[::-1], strict=True)
    ]
    leaving = partial(providers.act, god, provider.locator, action="deactivate")
    span = {"spans": [(free[0].starts_at, free[2].ends_at)], "reason": "Left", "provider_locator": provider.locator}
    outcomes = crowd([*booking, leaving, partial(spans.block_spans, god, **span), *coming])
    assert set(refused(outcomes)) <= {"PROVIDER_NOT_PARTICIPATING", "SLOT_UNAVAILABLE"}
    assert sum(queries.get_slot(god, slot.locator).booked for slot in free) == one(
        god, "SELECT count(*) FROM appointments a JOIN providers p ON p.id = a.provider_id WHERE p.locator = :it",
        it=provider.locator,
    )  # fmt: skip
    check(god, [])


def test_a_provider_is_activated_and_deactivated_by_many(god: Actor, crowd: Crowd) -> None:
    provider = make.a_provider(god).locator
    outcomes = crowd([partial(providers.act, god, provider, action="deactivate")] * 6)
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"ILLEGAL_TRANSITION"})


@pytest.mark.parametrize("how", ["cancel", "close", "refer"])
def test_who_is_shut_out_of_a_record_while_he_waits_for_its_episode_changes_nothing_in_it(
    god: Actor, crowd: Crowd, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    patient, stranger = make.a_patient(god), make.a_person(god, Role.CLINICIAN)
    episode = make.an_episode(god, patient, reason="What nobody shall know")
    there, waiting = make.a_referral(god, episode).locator, Event()

    def restrict() -> None:
        assert waiting.wait(30)
        sleep(MOMENT / 4)  # so that he does wait
        confidentiality.restrict(god, patient.locator, reason="Works here himself")

    def change() -> Any:
        waiting.set()
        if how == "refer":
            return referrals.refer(stranger, episode.locator, type="LAB", reason="Blood count")
        return ending(stranger, how, episode.locator)()

    changing = Meanwhile(monkeypatch, referrals, "_move").do(change)
    outcomes = crowd([partial(referrals.act, god, there, action="cancel"), changing, restrict])
    assert refused(outcomes) == ["RESTRICTED"]
    assert one(god, "SELECT status FROM episodes") == "OPEN"
