"""Idempotency keys: the same request many times has one effect and one answer, whatever happens on the way."""

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from careapp import idempotency
from careapp.access import Actor
from careapp.db import db
from careapp.episodes import queries as episode_queries
from careapp.episodes import service as episodes
from careapp.errors import Busy, Conflict, Forbidden, Invalid, Refusal, VersionRequired
from careapp.idempotency import Answer
from careapp.providers import queries as provider_queries
from careapp.scheduling import appointments
from tests import factories as make
from tests.looking import audits, events, newest, one
from tests.races.crowd import Crowd, done, refused

STORED = "SELECT count(*) FROM idempotency_key"


def as_answer(refusal: Refusal) -> Answer:
    """A refusal as it would go out."""
    return Answer(refusal.status, {"Content-Type": "application/problem+json"}, refusal.code.encode())


def once(
    actor: Actor, act: Callable[[], Any], *, key: str = "k", body: str = "b", route: str = "POST /episodes"
) -> Answer:
    """Run an act under a key; its answer is the locator of what it made."""

    def answer() -> Answer:
        made = act()
        return Answer(201, {"Location": f"/{made.locator}"}, made.locator.encode())

    return idempotency.once(actor, route, key, hashlib.sha256(body.encode()).hexdigest(), answer, as_answer)


def test_20_at_once_have_one_effect_and_20_equal_answers(god: Actor, crowd: Crowd) -> None:
    patient = make.a_patient(god)
    before = newest(god)
    outcomes = crowd([lambda: once(god, lambda: make.an_episode(god, patient))] * 20)
    assert refused(outcomes) == []
    assert len({(answer.status, answer.body, str(answer.headers)) for answer in outcomes}) == 1
    [episode] = episode_queries.list_episodes(god).items
    assert outcomes[0].body.decode() == episode.locator
    assert len(events(god, after=before["events"])) == 1
    repeats = [audit for audit in audits(god) if audit.action == "POST /episodes repeated"]
    assert len(repeats) == 19


def test_the_first_answer_is_given_again_byte_for_byte(god: Actor) -> None:
    patient = make.a_patient(god)
    first = once(god, lambda: make.an_episode(god, patient))
    episodes.cancel(god, first.body.decode())
    assert once(god, lambda: make.an_episode(god, patient)) == first


def test_another_body_under_the_same_key_is_refused(god: Actor) -> None:
    patient = make.a_patient(god)
    once(god, lambda: make.an_episode(god, patient))
    with pytest.raises(Invalid) as refusal:
        once(god, lambda: make.an_episode(god, patient), body="other")
    assert refusal.value.code == "IDEMPOTENCY_KEY_REUSED"
    assert len(episode_queries.list_episodes(god).items) == 1


def test_another_key_route_or_actor_is_another_request(god: Actor, front_desk: Actor) -> None:
    patient = make.a_patient(god)
    answers = [
        once(god, lambda: make.an_episode(god, patient)),
        once(god, lambda: make.an_episode(god, patient), key="other"),
        once(god, lambda: make.an_episode(god, patient), route="POST /elsewhere"),
        once(front_desk, lambda: make.an_episode(front_desk, patient)),
    ]
    assert len({answer.body for answer in answers}) == 4


def test_a_refusal_is_the_answer_from_then_on(god: Actor) -> None:
    slot, episode = make.a_slot(god), make.an_episode(god)
    there = make.an_appointment(god, slot=slot)

    def book() -> Any:
        return appointments.book(god, episode.locator, slot_locator=slot.locator)

    before = newest(god)
    first = once(god, book)
    assert (first.status, first.body) == (409, b"SLOT_UNAVAILABLE")
    [audit] = audits(god, after=before["audits"])
    assert (audit.outcome, audit.detail) == ("refused", {"code": "SLOT_UNAVAILABLE", "status": 409})
    appointments.act(god, there.locator, action="cancel")
    assert once(god, book) == first, "though the place is free by now"
    assert once(god, book, key="new").status == 201


def test_a_refusal_that_the_database_pronounces_is_kept_too(god: Actor) -> None:
    make.a_provider(god, npi="1234567893")
    before = newest(god)
    first = once(god, lambda: make.a_provider(god, npi="1234567893"))
    assert (first.status, first.body) == (409, b"NPI_TAKEN")
    assert one(god, STORED) == 1
    assert once(god, lambda: make.a_provider(god)) == first
    assert len(provider_queries.list_providers(god).items) == 1
    assert events(god, after=before["events"]) == []


def test_a_refusal_leaves_none_of_what_was_done_before_it(god: Actor) -> None:
    patient = make.a_patient(god)

    def half() -> Any:
        make.an_episode(god, patient)
        raise Conflict("no", code="HALF")

    before = newest(god)
    assert once(god, half).body == b"HALF"
    assert episode_queries.list_episodes(god).items == ()
    assert events(god, after=before["events"]) == []


@pytest.mark.parametrize("error", [VersionRequired(), Busy(), OSError("the disk is full"), KeyboardInterrupt()])
def test_other_errors_keep_nothing_so_a_retry_runs_again(god: Actor, error: BaseException) -> None:
    patient = make.a_patient(god)

    def fail() -> Any:
        make.an_episode(god, patient)
        raise error

    with pytest.raises(type(error)):
        once(god, fail)
    assert (one(god, STORED), episode_queries.list_episodes(god).items) == (0, ())
    assert once(god, lambda: make.an_episode(god, patient)).status == 201


def test_a_connection_lost_on_the_way_leaves_neither_key_nor_effect(god: Actor) -> None:
    patient = make.a_patient(god)

    def lose() -> Any:
        make.an_episode(god, patient)
        db.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(OperationalError):
        once(god, lose)
    assert (one(god, STORED), episode_queries.list_episodes(god).items) == (0, ())
    assert once(god, lambda: make.an_episode(god, patient)).status == 201


def test_permission_is_asked_under_a_key_too(god: Actor, actor_of: Callable[..., Actor]) -> None:
    patient, auditor = make.a_patient(god), actor_of("auditor")
    answer = once(auditor, lambda: episodes.open_episode(auditor, party_locator=patient.locator, care_type="GP"))
    assert (answer.status, answer.body) == (403, Forbidden.code.encode())


def test_who_waits_too_long_for_the_first_is_told_to_come_again(god: Actor, crowd: Crowd) -> None:
    patient, begun, told = make.a_patient(god), threading.Event(), threading.Event()

    def slowly() -> Answer:
        def act() -> Any:
            begun.set()
            assert told.wait(30)
            return make.an_episode(god, patient)

        return once(god, act)

    def impatiently() -> Answer:
        assert begun.wait(30)
        try:
            return once(god, lambda: make.an_episode(god, patient))
        finally:
            told.set()

    first, second = crowd([slowly, impatiently])
    assert first.status == 201
    assert type(second) is Busy
    assert once(god, lambda: make.an_episode(god, patient)) == first


def test_the_next_in_line_does_the_work_when_the_first_fails(god: Actor, crowd: Crowd) -> None:
    patient, begun = make.a_patient(god), threading.Event()

    def fail() -> str:
        def act() -> Any:
            begun.set()
            raise VersionRequired()

        with pytest.raises(VersionRequired):
            once(god, act)
        return "failed"

    def wait() -> Answer:
        assert begun.wait(30)
        return once(god, lambda: make.an_episode(god, patient))

    outcomes = crowd([fail, *[wait] * 5])
    assert len({answer.body for answer in done(outcomes)[1:]}) == 1
    assert len(episode_queries.list_episodes(god).items) == 1
