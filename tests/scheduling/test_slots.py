"""Slots: adding, blocking and unblocking them, and who may."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.errors import Conflict, Forbidden, Invalid, NotFound
from careapp.scheduling import appointments, queries, slots
from tests import factories as make
from tests.looking import events, id_of


def test_a_slot_that_overlaps_another_of_the_provider_is_refused(god: Actor) -> None:
    provider = make.a_provider(god)
    slot = make.a_slot(god, provider, hours=2, minutes=60)
    for before, after in ((-30, 30), (0, 60), (15, 45), (30, 90), (-10, 70)):
        with pytest.raises(Conflict) as refusal:
            slots.add_slot(
                god, provider.locator, start=slot.starts_at + timedelta(minutes=before),
                end=slot.starts_at + timedelta(minutes=after),
            )  # fmt: skip
        assert refusal.value.code == "SLOT_OVERLAP"
    assert make.a_slot(god, provider, hours=3).starts_at == slot.ends_at, "slots may touch"
    assert make.a_slot(god, hours=2).starts_at == slot.starts_at, "another provider's may overlap"


def test_times_of_a_test_lie_apart_as_they_say_though_the_hour_turns() -> None:
    late = datetime(2027, 3, 9, 13, 59, 59, tzinfo=UTC)
    with clock.at(late):
        first = make.soon(1)
    for seconds, later in ((2, 1), (3599, 2), (7200, 3)):
        with clock.at(late + timedelta(seconds=seconds)):
            assert make.soon(2) - first == timedelta(hours=later)


def test_a_slot_must_have_a_time_that_is_not_over_and_room(god: Actor) -> None:
    provider, start = make.a_provider(god), make.soon()
    wrong = (
        ({"start": start, "end": start}, "end"),
        ({"start": start, "end": start - timedelta(minutes=1)}, "end"),
        ({"start": start - timedelta(hours=5), "end": start - timedelta(hours=4)}, "end"),
        ({"start": start, "end": start + timedelta(hours=24, minutes=1)}, "end"),
        ({"start": start, "end": start + timedelta(hours=1), "capacity": 0}, "capacity"),
        ({"start": start, "end": start + timedelta(hours=1), "capacity": -1}, "capacity"),
        ({"start": start, "end": start + timedelta(hours=1), "clinic_locator": "CLN-2026-000000"}, "clinicLocator"),
    )
    for values, field in wrong:
        with pytest.raises(Invalid) as refusal:
            slots.add_slot(god, provider.locator, **values)
        assert set(refusal.value.errors) == {field}
    with pytest.raises(NotFound):
        slots.add_slot(god, "PRV-2026-000000", start=start, end=start + timedelta(hours=1))


def test_a_running_slot_can_still_be_added_and_booked_by_walk_ins(god: Actor) -> None:
    provider, now = make.a_provider(god), datetime.now(UTC)
    running = slots.add_slot(god, provider.locator, start=now - timedelta(minutes=20), end=now + timedelta(minutes=20))
    assert make.an_appointment(god, slot=running).status == "PENDING"


def test_a_blocked_slot_keeps_its_bookings_and_takes_no_more(god: Actor) -> None:
    slot = make.a_slot(god, capacity=3)
    booked = make.an_appointment(god, slot=slot)
    blocked = slots.act(god, slot.locator, action="block", reason="Training")
    assert (blocked.status, blocked.booked) == ("BLOCKED", 1)
    assert queries.get_appointment(god, booked.locator).status == "PENDING"
    with pytest.raises(Conflict, match="blocked") as refusal:
        make.an_appointment(god, slot=slot)
    assert refusal.value.code == "SLOT_UNAVAILABLE"
    assert slots.act(god, slot.locator, action="unblock").status == "AVAILABLE"
    assert make.an_appointment(god, slot=slot).status == "PENDING"


def test_a_full_slot_that_is_unblocked_is_booked_again(god: Actor) -> None:
    slot = make.a_slot(god)
    booked = make.an_appointment(god, slot=slot)
    assert slots.act(god, slot.locator, action="block").status == "BLOCKED"
    assert slots.act(god, slot.locator, action="unblock").status == "BOOKED"
    slots.act(god, slot.locator, action="block")
    appointments.act(god, booked.locator, action="cancel")
    freed = queries.get_slot(god, slot.locator)
    assert (freed.status, freed.booked) == ("BLOCKED", 0), "a place that frees does not end a block"
    assert slots.act(god, slot.locator, action="unblock").status == "AVAILABLE"


def test_a_clinician_manages_only_his_own_slots(god: Actor, actor_of: Callable[..., Actor]) -> None:
    mine, other = make.a_provider(god), make.a_provider(god)
    clinician = actor_of(Role.CLINICIAN, provider_id=id_of(god, "providers", mine.locator))
    own = make.a_slot(clinician, mine)
    assert slots.act(clinician, own.locator, action="block").status == "BLOCKED"
    with pytest.raises(Forbidden):
        make.a_slot(clinician, other)
    foreign = make.a_slot(god, other)
    with pytest.raises(Forbidden):
        slots.act(clinician, foreign.locator, action="block")
    with pytest.raises(Forbidden):
        make.a_slot(actor_of(Role.CLINICIAN), mine)
    assert make.a_slot(actor_of(Role.FRONT_DESK), other, hours=5).status == "AVAILABLE"


def test_a_provider_without_slots_has_an_empty_list_and_an_unknown_one_is_not_found(god: Actor) -> None:
    assert queries.list_slots(god, make.a_provider(god).locator).items == ()
    with pytest.raises(NotFound):
        queries.list_slots(god, "PRV-2026-000000")


def test_a_list_of_slots_holds_what_touches_the_span(god: Actor) -> None:
    provider = make.a_provider(god)
    day = make.a_slot(god, provider, hours=10, minutes=24 * 60)
    later = make.a_slot(god, provider, hours=40)

    def listed(start: datetime | None, end: datetime | None, **filters: str) -> list[str]:
        found = queries.list_slots(god, provider.locator, start=start, end=end, **filters)
        return [slot.locator for slot in found.items]

    late = day.ends_at - timedelta(minutes=1)
    assert listed(late, late + timedelta(seconds=1)) == [day.locator], "a slot of a whole day counts to its last minute"
    assert listed(day.ends_at, None) == [later.locator]
    assert listed(None, later.starts_at) == [day.locator]
    assert listed(None, None) == [day.locator, later.locator]
    make.an_appointment(god, slot=later)
    assert listed(None, None, status="BOOKED") == [later.locator]


def test_a_slot_speaks_under_its_own_key(god: Actor) -> None:
    slot = make.a_slot(god)
    slots.act(god, slot.locator, action="block")
    told = [(event.topic, event.sequence) for event in events(god) if event.key == slot.locator]
    assert told == [("care.slot.added", 1), ("care.slot.blocked", 2)]
