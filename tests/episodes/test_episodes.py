"""Episodes: opening, closing and cancelling them, what refuses a close and what a cancel brings with it."""

from collections.abc import Callable

import pytest

from careapp.access import Actor, Role
from careapp.episodes import queries, service
from careapp.errors import Conflict, Forbidden, Invalid, NotFound
from careapp.prescriptions import queries as prescription_queries
from careapp.prescriptions import service as prescriptions
from careapp.referrals import queries as referral_queries
from careapp.referrals import service as referrals
from careapp.scheduling import appointments
from careapp.scheduling import queries as scheduling_queries
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import events, history, newest, one


def test_an_episode_begins_open_and_new(god: Actor) -> None:
    patient = make.a_patient(god)
    opened = service.open_episode(
        god, party_locator=patient.locator, care_type="CHRONIC_CARE", reason="Cough", triage_session_locator="TRI-1"
    )
    assert (opened.status, opened.stage, opened.version, opened.closed_at) == ("OPEN", "NEW", 1, None)
    assert opened == queries.get_episode(god, opened.locator)
    [event] = [event for event in events(god) if event.key == opened.locator]
    assert (event.topic, event.sequence) == ("care.episode.opened", 1)
    assert event.envelope["data"]["partyLocator"] == patient.locator
    [change] = [change for change in history(god) if change.locator == opened.locator]
    assert (change.action, change.from_status, change.to_status) == ("open", None, "OPEN")


def test_a_patient_who_is_unknown_or_another_tenants_opens_none(
    god: Actor, new_tenant: Callable[..., TestTenant]
) -> None:
    foreign = make.a_patient(everything(new_tenant()))
    for locator in (foreign.locator, "PTY-2026-000000", ""):
        with pytest.raises(Invalid) as refusal:
            service.open_episode(god, party_locator=locator, care_type="GP")
        assert set(refusal.value.errors) == {"partyLocator"}


def test_closing_keeps_the_summary_and_tells_without_it(clinician: Actor) -> None:
    episode = make.an_episode(clinician)
    closed = service.close(clinician, episode.locator, summary="Recovered fully")
    assert (closed.status, closed.summary, closed.stage, closed.version) == ("CLOSED", "Recovered fully", None, 2)
    assert closed.closed_at is not None
    event = events(clinician)[-1]
    assert event.topic == "care.episode.closed"
    assert "Recovered" not in str(event.envelope)


@pytest.mark.parametrize("summary", ["", "   ", "\n\t"])
def test_a_close_needs_a_summary(clinician: Actor, summary: str) -> None:
    episode = make.an_episode(clinician)
    with pytest.raises(Invalid) as refusal:
        service.close(clinician, episode.locator, summary=summary)
    assert set(refusal.value.errors) == {"summary"}
    assert queries.get_episode(clinician, episode.locator).status == "OPEN"


def test_a_close_is_refused_naming_every_open_item(god: Actor) -> None:
    episode = make.an_episode(god)
    slots = [make.a_slot(god, hours=hours) for hours in (4, 2, 6, 8)]
    later, sooner, done, off = [make.an_appointment(god, episode, slot) for slot in slots]
    appointments.act(god, done.locator, action="no-show")
    appointments.act(god, off.locator, action="cancel")
    referred, booked = make.a_referral(god, episode), make.a_referral(god, episode, status="BOOKED")
    make.a_referral(god, episode, status="COMPLETED")
    make.a_prescription(god, episode)
    with pytest.raises(Conflict) as refusal:
        service.close(god, episode.locator, summary="Well")
    assert refusal.value.code == "EPISODE_HAS_OPEN_WORK"
    items = [(item["kind"], item["locator"], item["status"]) for item in refusal.value.extra["openWork"]]
    assert items == [
        ("appointment", sooner.locator, "PENDING"), ("appointment", later.locator, "PENDING"),
        ("referral", referred.locator, "REFERRED"), ("referral", booked.locator, "BOOKED"),
    ]  # fmt: skip
    for _, locator, _ in items:
        assert locator in refusal.value.detail
    appointments.act(god, sooner.locator, action="cancel")
    appointments.act(god, later.locator, action="confirm")
    appointments.act(god, later.locator, action="attend")
    referrals.act(god, referred.locator, action="cancel")
    with pytest.raises(Conflict, match=booked.locator):
        service.close(god, episode.locator, summary="Well")
    referrals.act(god, booked.locator, action="complete")
    assert service.close(god, episode.locator, summary="Well").status == "CLOSED"


def test_who_may_not_close_is_told_so_and_not_what_is_open(front_desk: Actor, god: Actor) -> None:
    episode = make.an_episode(god)
    make.a_referral(god, episode)
    with pytest.raises(Forbidden):
        service.close(front_desk, episode.locator, summary="Well")


def test_cancelling_takes_everything_open_with_it(god: Actor, front_desk: Actor) -> None:
    episode, kept = make.an_episode(god), make.an_episode(god)
    slots = [make.a_slot(god, hours=hours, capacity=2) for hours in (1, 2, 3)]
    attended = make.an_appointment(god, episode, slots[0], status="ATTENDED")
    open_ones = [
        make.an_appointment(god, episode, slot, status=status)
        for slot, status in zip(slots[1:], ("CONFIRMED", "IN_PROGRESS"), strict=True)
    ]
    other = make.an_appointment(god, kept, slots[1])
    referred, completed = make.a_referral(god, episode), make.a_referral(god, episode, status="COMPLETED")
    issued, filled = make.a_prescription(god, episode), make.a_prescription(god, episode, status="FILLED")
    before = newest(god)
    cancelled = service.cancel(front_desk, episode.locator, reason="Moved away")
    assert (cancelled.status, cancelled.stage, cancelled.version) == ("CANCELLED", None, 2)

    found = scheduling_queries.list_appointments(god, episode.locator).items
    assert {item.locator: item.status for item in found} == {
        attended.locator: "ATTENDED", **{item.locator: "CANCELLED" for item in open_ones},
    }  # fmt: skip
    assert [scheduling_queries.get_slot(god, slot.locator).booked for slot in slots] == [1, 1, 0]
    assert scheduling_queries.get_appointment(god, other.locator).status == "PENDING"
    assert referral_queries.get_referral(god, referred.locator).status == "CANCELLED"
    assert referral_queries.get_referral(god, completed.locator).status == "COMPLETED"
    assert prescription_queries.get_prescription(god, issued.locator).status == "VOID"
    assert prescription_queries.get_prescription(god, filled.locator).status == "FILLED"

    told = events(god, after=before["events"])
    assert {event.key for event in told} == {episode.locator}
    assert [event.topic for event in told] == [
        "care.episode.cancelled",
        *["care.appointment.cancelled", "care.appointment.status_changed"] * 2,
        "care.referral.cancelled",
        "care.prescription.voided",
    ]
    assert {event.envelope["priority"] for event in told if event.topic.endswith((".cancelled", ".voided"))} == {"HIGH"}
    changes = history(god, after=before["history"])
    assert [(change.entity, change.cause) for change in changes] == [
        ("episode", None), *[("appointment", "care.episode.cancelled")] * 2,
        ("referral", "care.episode.cancelled"), ("prescription", "care.episode.cancelled"),
    ]  # fmt: skip
    assert {change.actor for change in changes} == {front_desk.name}
    counts = "SELECT seen || '/' || open_appointments || '/' || open_referrals FROM episodes WHERE locator = :locator"
    assert one(god, counts, locator=episode.locator) == "1/0/0"


def test_a_place_a_cancelled_episode_frees_can_be_booked_at_once(god: Actor) -> None:
    episode, slot = make.an_episode(god), make.a_slot(god)
    make.an_appointment(god, episode, slot)
    service.cancel(god, episode.locator)
    assert make.an_appointment(god, slot=slot).status == "PENDING"


def test_a_cancel_reaches_appointments_at_clinics_out_of_the_actors_scope(
    god: Actor, actor_of: Callable[..., Actor]
) -> None:
    episode, far = make.an_episode(god), make.a_clinic(god)
    booked = make.an_appointment(god, episode, make.a_slot(god, clinic=far))
    scoped = actor_of(Role.FRONT_DESK, clinic_ids=frozenset({-1}))
    service.cancel(scoped, episode.locator)
    assert scheduling_queries.get_appointment(god, booked.locator).status == "CANCELLED"
    assert scheduling_queries.get_slot(god, booked.slot_locator).booked == 0


@pytest.mark.parametrize("ending", ["close", "cancel"])
def test_afterwards_only_fill_and_void_still_work(god: Actor, ending: str) -> None:
    episode = make.an_episode(god)
    first, second = make.a_prescription(god, episode), make.a_prescription(god, episode)
    attended = make.an_appointment(god, episode, status="ATTENDED")
    done = make.a_referral(god, episode, status="COMPLETED")
    if ending == "close":
        service.close(god, episode.locator, summary="Well")
        assert prescriptions.act(god, first.locator, action="fill").status == "FILLED"
        assert prescriptions.act(god, second.locator, action="void", reason="Allergy").status == "VOID"
    else:
        service.cancel(god, episode.locator)
    slot = make.a_slot(god, hours=9)
    for act in (
        lambda: appointments.book(god, episode.locator, slot_locator=slot.locator),
        lambda: appointments.act(god, attended.locator, action="cancel"),
        lambda: referrals.refer(god, episode.locator, type="LAB", reason="Count"),
        lambda: referrals.act(god, done.locator, action="cancel"),
        lambda: make.a_prescription(god, episode),
    ):
        with pytest.raises(Conflict) as refusal:
            act()
        assert refusal.value.code == "EPISODE_NOT_OPEN"


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        ("PENDING", "SCHEDULED"), ("BOOKED", "SCHEDULED"), ("CONFIRMED", "SCHEDULED"), ("ARRIVED", "IN_CARE"),
        ("IN_PROGRESS", "IN_CARE"), ("ATTENDED", "READY_TO_CLOSE"), ("CANCELLED", "NEW"), ("NO_SHOW", "NEW"),
    ],
)  # fmt: skip
def test_the_stage_follows_the_appointment(god: Actor, status: str, stage: str) -> None:
    episode = make.an_episode(god)
    make.an_appointment(god, episode, status=status)
    found = queries.get_episode(god, episode.locator)
    assert (found.stage, found.version) == (stage, 1), "a counter is no change that somebody made"
    assert [item.locator for item in queries.list_episodes(god, stage=stage).items] == [episode.locator]


@pytest.mark.parametrize(
    ("referral", "unseen", "seen"),
    [
        ("REFERRED", "NEW", "IN_CARE"), ("BOOKED", "NEW", "IN_CARE"), ("COMPLETED", "NEW", "READY_TO_CLOSE"),
        ("CANCELLED", "NEW", "READY_TO_CLOSE"),
    ],
)  # fmt: skip
def test_the_stage_follows_the_referral(god: Actor, referral: str, unseen: str, seen: str) -> None:
    episode = make.an_episode(god)
    make.a_referral(god, episode, status=referral)
    assert queries.get_episode(god, episode.locator).stage == unseen
    make.an_appointment(god, episode, status="ATTENDED")
    assert queries.get_episode(god, episode.locator).stage == seen


def test_lists_are_filtered_and_newest_first(god: Actor) -> None:
    patient = make.a_patient(god)
    first = make.an_episode(god, patient)
    second = make.an_episode(god, patient, care_type="MENTAL_HEALTH")
    other = make.an_episode(god)
    service.cancel(god, first.locator)

    def listed(**filters: str) -> list[str]:
        return [episode.locator for episode in queries.list_episodes(god, **filters).items]

    assert listed() == [other.locator, second.locator, first.locator]
    assert listed(party=patient.locator) == [second.locator, first.locator]
    assert listed(party=patient.locator, status="CANCELLED") == [first.locator]
    assert listed(care_type="MENTAL_HEALTH") == [second.locator]
    assert listed(stage="NEW", status="OPEN") == [other.locator, second.locator]
    assert listed(party="PTY-2026-000000") == []


def test_a_foreign_or_unknown_locator_is_not_found(god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    foreign = make.an_episode(everything(new_tenant()))
    for locator in (foreign.locator, "EPI-2026-000000", "nonsense"):
        for act in (
            lambda locator: queries.get_episode(god, locator),
            lambda locator: service.close(god, locator, summary="Well"),
            lambda locator: service.cancel(god, locator),
            lambda locator: scheduling_queries.list_appointments(god, locator),
            lambda locator: prescription_queries.list_prescriptions(god, locator),
            lambda locator: referral_queries.list_referrals(god, locator),
        ):
            with pytest.raises(NotFound):
                act(locator)
