"""Next free: what is offered can be booked, what can be booked is offered, narrowed by what is asked for."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.errors import Conflict, Invalid, NotFound
from careapp.overviews.next_free import Wanted, find_next_free
from careapp.overviews.slot_cells import get_slot_cell
from careapp.providers import service as providers
from careapp.scheduling import appointments, changes, slots
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import id_of


def offered(actor: Actor, wanted: Wanted = Wanted(), **values: Any) -> list[str]:
    return [slot.locator for slot in find_next_free(actor, wanted, limit=100, **values).items]


def slot_at(god: Actor, provider: Any, start: Any, minutes: int = 30) -> Any:
    return slots.add_slot(god, provider.locator, start=start, end=start + timedelta(minutes=minutes))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_offered_is_what_booking_takes(new_tenant: Callable[..., TestTenant], seed: int) -> None:
    """The rule stands in SQL (what is offered), in Python (what a cell says) and in constraints (what is booked)."""
    dice = random.Random(seed)
    god = everything(new_tenant(buffer_minutes=dice.choice((0, 10, 20))))
    patient, episode = make.a_patient(god), None
    made, at = [], make.soon(20)
    people = [make.a_provider(god) for _ in range(3)]
    for provider in people:
        start = at
        for _ in range(12):
            start += timedelta(minutes=dice.choice((0, 5, 15)))
            length = dice.choice((15, 30))
            made.append(
                slots.add_slot(
                    god,
                    provider.locator,
                    start=start,
                    end=start + timedelta(minutes=length),
                    capacity=dice.choice((1, 2)),
                )
            )
            start += timedelta(minutes=length)
    episode = make.an_episode(god, patient)
    for slot in dice.sample(made, 12):
        try:
            make.an_appointment(god, episode if dice.random() < 0.2 else None, slot)
        except Conflict:
            continue
    for slot in dice.sample(made, 4):
        if get_slot_cell(god, slot.locator).status != "BLOCKED":
            slots.act(god, slot.locator, action="block", reason="Away")
    providers.act(god, people[2].locator, action="deactivate")
    free, free_for_him = set(offered(god)), set(offered(god, party=patient.locator))
    assert free
    assert free_for_him <= free
    for slot in made:
        assert (get_slot_cell(god, slot.locator).why is None) == (slot.locator in free)
        try:
            booked = appointments.book(god, episode.locator, slot_locator=slot.locator)
        except Conflict:
            assert slot.locator not in free_for_him
        else:
            assert slot.locator in free_for_him
            appointments.act(god, booked.locator, action="cancel")


def test_the_search_narrows(god: Actor) -> None:
    clinic, far = make.a_clinic(god), make.a_clinic(god, name="Hudson Clinic", time_zone="America/New_York")
    skin = make.a_provider(god, specialty="DERMATOLOGY")
    general = make.a_provider(god)
    first = make.a_slot(god, general, hours=40, minutes=15, clinic=clinic)
    second = make.a_slot(god, skin, hours=41, minutes=60, clinic=clinic)
    third = make.a_slot(god, general, hours=42, minutes=30, clinic=far)
    assert offered(god) == [first.locator, second.locator, third.locator]
    assert offered(god, Wanted(specialty="DERMATOLOGY")) == [second.locator]
    assert offered(god, Wanted(clinic=far.locator)) == [third.locator]
    assert offered(god, Wanted(provider=general.locator)) == [first.locator, third.locator]
    assert offered(god, Wanted(minutes=30)) == [second.locator, third.locator]
    assert offered(god, since=second.starts_at) == [second.locator, third.locator]
    page = find_next_free(god, Wanted(), limit=2)
    assert [slot.locator for slot in page.items] == [first.locator, second.locator]
    assert offered(god, cursor=page.next_cursor) == [third.locator]
    for wanted, cursor in ((Wanted(), "nonsense"), (Wanted(minutes=30), page.next_cursor)):
        with pytest.raises(Invalid):
            find_next_free(god, wanted, cursor=cursor)
    with pytest.raises(NotFound):
        find_next_free(god, Wanted(), party="PTY-2026-000000")


@pytest.mark.parametrize("zone", ["Asia/Yangon", "America/New_York"])
def test_the_part_of_the_day_is_the_clinics(god: Actor, zone: str) -> None:
    provider, clinic = make.a_provider(god), make.a_clinic(god, time_zone=zone)
    midnight = clock.local(make.soon(48), zone).replace(hour=0, minute=0)
    times = {"MORNING": (9, 0), "AFTERNOON": (12, 0), "EVENING": (17, 0)}
    made = {
        part: slots.add_slot(
            god, provider.locator, start=midnight.replace(hour=hour, minute=minute),
            end=midnight.replace(hour=hour, minute=minute + 30), clinic_locator=clinic.locator,
        ).locator
        for part, (hour, minute) in times.items()
    }  # fmt: skip
    for part, locator in made.items():
        assert offered(god, Wanted(part=part)) == [locator]


def test_what_has_begun_and_what_is_out_of_scope_is_not_offered(god: Actor, actor_of: Callable[..., Actor]) -> None:
    mine, foreign, provider = make.a_clinic(god), make.a_clinic(god, name="Foreign"), make.a_provider(god)
    now = clock.now()
    slots.add_slot(god, provider.locator, start=now - timedelta(minutes=10), end=now + timedelta(minutes=10))
    here = make.a_slot(god, provider, clinic=mine, hours=40)
    make.a_slot(god, provider, clinic=foreign, hours=41)
    nowhere = make.a_slot(god, provider, hours=42)
    scoped = actor_of(Role.FRONT_DESK, clinic_ids=frozenset({id_of(god, "clinics", mine.locator)}))
    assert offered(scoped) == [here.locator, nowhere.locator]


def test_an_appointment_that_moves_stands_in_nobodys_way(new_tenant: Callable[..., TestTenant]) -> None:
    god = everything(new_tenant(buffer_minutes=20))
    provider = make.a_provider(god)
    here = make.a_slot(god, provider, hours=40, minutes=30)
    beside = slot_at(god, provider, here.ends_at)
    booked = make.an_appointment(god, slot=here)
    assert offered(god) == []
    assert offered(god, moving=booked.locator) == [beside.locator]
    changes.reschedule(god, booked.locator, slot_locator=beside.locator)


def test_a_refused_move_names_times_beside_its_own(new_tenant: Callable[..., TestTenant]) -> None:
    god = everything(new_tenant(buffer_minutes=20))
    provider = make.a_provider(god)
    taken = make.a_slot(god, provider, hours=38, minutes=30)
    here = make.a_slot(god, provider, hours=40, minutes=30)
    beside = slot_at(god, provider, here.ends_at)
    make.an_appointment(god, slot=taken)
    booked = make.an_appointment(god, slot=here)
    with pytest.raises(Conflict) as refusal:
        changes.reschedule(god, booked.locator, slot_locator=taken.locator)
    assert [one["locator"] for one in refusal.value.extra["alternatives"]] == [beside.locator]
