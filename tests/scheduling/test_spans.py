"""Many slots at once: adding with and without overlaps, blocking and unblocking spans, and who may."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.errors import Conflict, Forbidden, Invalid, NotFound
from careapp.overviews.called_off import list_to_call
from careapp.overviews.slot_cells import get_slot_cell
from careapp.scheduling import appointments, slots, spans
from careapp.scheduling.queries import get_appointment, get_slot, list_slots
from tests import factories as make
from tests.looking import events, history, id_of, one


def around(*made: Any) -> list[spans.Span]:
    """The span from the first to the last of some slots."""
    return [(min(slot.starts_at for slot in made), max(slot.ends_at for slot in made))]


def hourly(count: int, hours: int = 100) -> list[spans.Span]:
    """So many half hours, an hour apart."""
    return [(make.soon(hours + n), make.soon(hours + n) + timedelta(minutes=30)) for n in range(count)]


def test_slots_are_added_all_or_none(god: Actor) -> None:
    provider = make.a_provider(god)
    there = make.a_slot(god, provider, hours=101, minutes=60)
    with pytest.raises(Conflict) as refusal:
        spans.add_slots(god, provider.locator, spans=hourly(3))
    assert refusal.value.code == "SLOT_OVERLAP"
    assert refusal.value.extra["overlaps"] == [(hourly(3)[1], (there.starts_at, there.ends_at))]
    assert len(list_slots(god, provider.locator).items) == 1
    made = spans.add_slots(god, provider.locator, spans=hourly(3), capacity=4, skip_overlaps=True)
    assert [(slot.starts_at, slot.capacity) for slot in made] == [(hourly(3)[n][0], 4) for n in (0, 2)]
    with pytest.raises(Conflict):
        spans.add_slots(god, provider.locator, spans=hourly(3), skip_overlaps=True)


def test_there_is_a_most_of_slots_and_a_least(god: Actor) -> None:
    for wrong in ([], hourly(spans.MOST_ADDED + 1)):
        with pytest.raises(Invalid):
            spans.add_slots(god, make.a_provider(god).locator, spans=wrong)
    with pytest.raises(NotFound):
        spans.add_slots(god, "PRV-2026-000000", spans=hourly(1))


def test_a_span_blocks_what_touches_it_and_keeps_bookings(god: Actor) -> None:
    provider = make.a_provider(god)
    before, free, full, touched, after = (make.a_slot(god, provider, hours=100 + n, minutes=60) for n in range(5))
    booked = make.an_appointment(god, slot=full)
    span = [(free.starts_at, touched.starts_at + timedelta(minutes=1))]
    moved = spans.block_spans(god, spans=span, reason=" Training ", provider_locator=provider.locator)
    assert [slot.locator for slot in moved] == [free.locator, full.locator, touched.locator]
    assert {get_slot(god, slot.locator).status for slot in moved} == {"BLOCKED"}
    assert [get_slot(god, slot.locator).status for slot in (before, after)] == ["AVAILABLE", "AVAILABLE"]
    assert get_slot_cell(god, free.locator).blocked_reason == "Training"
    assert [change.reason for change in history(god) if change.action == "block"] == ["Training"] * 3
    told = [event.envelope["data"] for event in events(god) if event.topic == "care.slot.blocked"]
    assert len(told) == 3
    assert "Training" not in str(told), "an event holds no free text"
    assert get_appointment(god, booked.locator).status == "PENDING"
    [to_call] = list_to_call(god, spans=span, provider=provider.locator)
    assert (to_call.locator, to_call.blocked_reason) == (booked.locator, "Training")
    appointments.act(god, booked.locator, action="cancel")
    assert get_slot(god, full.locator).status == "BLOCKED"
    assert list_to_call(god, spans=span) == []


def test_a_span_is_unblocked_again(god: Actor) -> None:
    provider = make.a_provider(god)
    free, full = (make.a_slot(god, provider, hours=100 + n) for n in range(2))
    make.an_appointment(god, slot=full)
    spans.block_spans(god, spans=around(free, full), reason="Away", provider_locator=provider.locator)
    assert spans.block_spans(god, spans=around(free, full), reason="Away", provider_locator=provider.locator) == []
    spans.unblock_spans(god, spans=around(free, full), provider_locator=provider.locator)
    assert [get_slot(god, slot.locator).status for slot in (free, full)] == ["AVAILABLE", "BOOKED"]
    assert one(god, "SELECT count(*) FROM provider_slots WHERE blocked_reason IS NOT NULL") == 0


def test_a_whole_clinic_is_blocked_and_no_other(god: Actor) -> None:
    clinic, other = make.a_clinic(god), make.a_clinic(god, name="Other")
    provider = make.a_provider(god)
    inside = [make.a_slot(god, clinic=clinic, hours=100), make.a_slot(god, provider, clinic=clinic, hours=100)]
    outside = [make.a_slot(god, clinic=other, hours=100), make.a_slot(god, hours=100)]
    spans.block_spans(god, spans=around(*inside), reason="Flood", clinic_locator=clinic.locator)
    assert {get_slot(god, slot.locator).status for slot in inside} == {"BLOCKED"}
    assert {get_slot(god, slot.locator).status for slot in outside} == {"AVAILABLE"}


def test_what_is_over_stays_as_it_was(god: Actor) -> None:
    from careapp import clock

    provider, start = make.a_provider(god), make.soon(-30)
    with clock.at(start - timedelta(hours=1)):
        past = slots.add_slot(god, provider.locator, start=start, end=start + timedelta(hours=1))
    assert spans.block_spans(god, spans=around(past), reason="Late", provider_locator=provider.locator) == []


def test_a_span_needs_a_reason_and_somebody_whose_it_is(god: Actor) -> None:
    provider = make.a_provider(god)
    for values in ({"reason": " ", "provider_locator": provider.locator}, {"reason": "Away"}):
        with pytest.raises(Invalid):
            spans.block_spans(god, spans=hourly(1), **values)
    with pytest.raises(NotFound):
        spans.block_spans(god, spans=hourly(1), reason="Away", provider_locator="PRV-2026-000000")
    with pytest.raises(Invalid):
        spans.block_spans(god, spans=hourly(1), reason="Away", clinic_locator="CLN-2026-000000")


def test_a_clinician_blocks_only_his_own(god: Actor, actor_of: Callable[..., Actor]) -> None:
    mine, other, clinic = make.a_provider(god), make.a_provider(god), make.a_clinic(god)
    clinician = actor_of(Role.CLINICIAN, provider_id=id_of(god, "providers", mine.locator))
    slot = make.a_slot(god, mine, hours=100)
    assert spans.block_spans(clinician, spans=around(slot), reason="Away", provider_locator=mine.locator)
    for values in ({"provider_locator": other.locator}, {"clinic_locator": clinic.locator}):
        with pytest.raises(Forbidden):
            spans.block_spans(clinician, spans=around(slot), reason="Away", **values)
        with pytest.raises(Forbidden):
            spans.unblock_spans(clinician, spans=around(slot), **values)
    with pytest.raises(Forbidden):
        spans.add_slots(clinician, other.locator, spans=hourly(1))


def test_a_span_reaches_no_clinic_out_of_scope(god: Actor, actor_of: Callable[..., Actor]) -> None:
    mine, foreign, provider = make.a_clinic(god), make.a_clinic(god, name="Foreign"), make.a_provider(god)
    here, there = (
        make.a_slot(god, provider, clinic=mine, hours=100),
        make.a_slot(god, provider, clinic=foreign, hours=101),
    )
    booked = make.an_appointment(god, slot=there)
    scoped = actor_of(Role.FRONT_DESK, clinic_ids=frozenset({id_of(god, "clinics", mine.locator)}))
    moved = spans.block_spans(scoped, spans=around(here, there), reason="Away", provider_locator=provider.locator)
    assert [slot.locator for slot in moved] == [here.locator]
    with pytest.raises(Invalid):
        spans.block_spans(scoped, spans=around(there), reason="Away", clinic_locator=foreign.locator)
    slots.act(god, there.locator, action="block", reason="Away")
    assert list_to_call(scoped, spans=around(there)) == []
    assert [row.locator for row in list_to_call(god, spans=around(there))] == [booked.locator]
