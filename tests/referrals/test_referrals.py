"""Referrals: ordering, booking, completing and cancelling them, and what each role sees of them."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from careapp.access import Actor, Role
from careapp.errors import Conflict, Forbidden, NotFound
from careapp.referrals import queries, service
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import events, newest, one


def test_a_referral_is_booked_and_completed(clinician: Actor, god: Actor) -> None:
    episode, when = make.an_episode(god), make.soon(30)
    made = service.refer(
        clinician, episode.locator, type="IMAGING", reason="Knee after a fall", priority="URGENT", facility="Radiology"
    )
    assert (made.status, made.priority, made.facility, made.version) == ("REFERRED", "URGENT", "Radiology", 1)
    booked = service.act(clinician, made.locator, action="book", scheduled_for=when, facility="City Radiology")
    assert (booked.status, booked.scheduled_for, booked.facility) == ("BOOKED", when, "City Radiology")
    done = service.act(clinician, made.locator, action="complete", outcome="No fracture")
    assert (done.status, done.outcome, done.scheduled_for, done.version) == ("COMPLETED", "No fracture", when, 3)
    assert done == queries.get_referral(clinician, made.locator)
    told = [event for event in events(god) if event.envelope["subject"] == made.locator]
    assert [event.topic.rsplit(".")[-1] for event in told] == ["referred", "booked", "completed"]
    assert {event.key for event in told} == {episode.locator}
    assert told[1].envelope["data"] == {
        "episodeLocator": episode.locator, "partyLocator": episode.party_locator, "type": "IMAGING",
        "priority": "URGENT", "status": "BOOKED", "scheduledFor": when.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip


def test_care_services_clients_send_no_more_than_the_move(clinician: Actor, god: Actor) -> None:
    made = make.a_referral(god)
    assert service.act(clinician, made.locator, action="book").scheduled_for is None
    assert service.act(clinician, made.locator, action="complete").outcome is None


def test_the_counter_of_open_referrals_is_right_after_each_move(god: Actor) -> None:
    episode = make.an_episode(god)
    first, second = make.a_referral(god, episode), make.a_referral(god, episode)
    counted = []
    for locator, action in ((first.locator, "book"), (first.locator, "complete"), (second.locator, "cancel")):
        service.act(god, locator, action=action)
        statement = "SELECT open_referrals FROM episodes WHERE locator = :locator"
        counted.append(one(god, statement, locator=episode.locator))
    assert counted == [2, 1, 0]


def test_who_only_knows_that_it_exists_sees_neither_why_nor_what_came_of_it(god: Actor, front_desk: Actor) -> None:
    episode = make.an_episode(god)
    made = make.a_referral(god, episode, status="BOOKED")
    service.act(god, made.locator, action="complete", outcome="Anaemia")
    [listed] = queries.list_referrals(front_desk, episode.locator).items
    for seen in (queries.get_referral(front_desk, made.locator), listed):
        assert (seen.reason, seen.outcome) == (None, None)
        assert (seen.type, seen.status) == ("LAB", "COMPLETED")
    assert queries.get_referral(god, made.locator).outcome == "Anaemia"


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.ADMIN, Role.AUDITOR])
def test_only_a_clinician_refers(god: Actor, actor_of: Callable[..., Actor], role: Role) -> None:
    with pytest.raises(Forbidden):
        service.refer(actor_of(role), make.an_episode(god).locator, type="LAB", reason="Count")


def test_what_is_unknown_or_another_tenants_is_not_found(god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    foreign = make.a_referral(everything(new_tenant()))
    for locator in (foreign.locator, "REF-2026-000000"):
        with pytest.raises(NotFound):
            queries.get_referral(god, locator)
        with pytest.raises(NotFound):
            service.act(god, locator, action="book")


def test_a_stale_version_and_a_refused_move_change_nothing(god: Actor) -> None:
    made = make.a_referral(god)
    before = newest(god)
    for action, version, code in (("book", 2, "STALE_VERSION"), ("complete", 1, "ILLEGAL_TRANSITION")):
        with pytest.raises(Conflict) as refusal:
            service.act(
                god, made.locator, action=action, version=version, scheduled_for=make.soon() + timedelta(days=1)
            )
        assert refusal.value.code == code
    assert queries.get_referral(god, made.locator) == made
    assert events(god, after=before["events"]) == []
