"""The page of whom to call because of what is blocked, and where a block is taken back."""

from collections.abc import Callable
from typing import Any

from careapp import clock
from careapp.access import Actor, Role
from careapp.scheduling import slots
from careapp.scheduling.queries import get_slot
from tests import factories as make
from tests.looking import id_of
from tests.web.checks import Form, forms_of, parsed
from tests.web.conftest import Desk


def offered(who: Desk, address: str) -> list[Form]:
    """The forms of a page that make blocked times free again."""
    return [form for form in forms_of(parsed(who.get(address).text)) if form.action == "/slots/unblock"]


def test_whom_to_call_is_found_again_and_gone_on_with_after_each(
    god: Actor, front: Desk, provider: Any, clinic: Any
) -> None:
    taken, free = (make.a_slot(god, provider, hours=hours, clinic=clinic) for hours in (60, 61))
    booked = make.an_appointment(god, slot=taken)
    slots.act(god, taken.locator, action="block", reason="On leave")
    page = front.get(f"/slots/block?provider={provider.locator}&clinic={clinic.locator}").text
    calls = f"/slots/to-call?provider_locator={provider.locator}&clinic_locator={clinic.locator}"
    assert f'href="{calls.replace("&", "&amp;")}">Patients to call' in page
    page = front.get(calls).text
    [lead] = [
        str(one.get("href")) for one in parsed(page).iter("a") if (one.get("href") or "").startswith("/next-free?move")
    ]
    page = front.get(lead).text
    assert f'href="{calls.replace("&", "&amp;")}">Back</a>' in page
    move = f"/appointments/{booked.locator}/reschedule"
    form = next(form for form in forms_of(parsed(page)) if form.action == move)
    moved = front.open("POST", move, data={**form.values, "slot_locator": free.locator})
    assert moved.location == calls
    assert "Nobody: no appointment stands" in front.get(calls).text
    assert "example.org" not in front.get(lead.split("&back=")[0] + "&back=https://example.org/").text


def test_a_block_of_all_made_by_mistake_is_taken_back_where_it_lands(
    god: Actor, front: Desk, provider: Any, clinic: Any
) -> None:
    other = make.a_provider(god, clinic_locators=[clinic.locator])
    away, free, taken = (
        make.a_slot(god, one, hours=60, clinic=clinic) for one in (make.a_provider(god), other, provider)
    )
    make.an_appointment(god, slot=taken)
    slots.act(god, away.locator, action="block", reason="On leave")
    day = clock.local(free.starts_at, "Asia/Yangon").date().isoformat()
    address = f"/slots/block?clinic={clinic.locator}"
    landed = front.fill(
        address, provider_locator="all", clinic_locator=clinic.locator, first_day=day, last_day=day,
        reason="“Training”",
    ).location  # fmt: skip
    training, on_leave = offered(front, landed)
    assert [form.values["because"] for form in (training, on_leave)] == ["“Training”", "On leave"]
    undone = front.send(training)
    assert "2 slots are unblocked." in front.get(undone.location).text
    assert [get_slot(god, one.locator).status for one in (free, taken, away)] == ["AVAILABLE", "BOOKED", "BLOCKED"]
    assert f"day={day}" in undone.location
    page = front.get(landed).text
    assert "On leave" in page
    assert "“Training”" not in page


def test_who_may_not_unblock_is_offered_nothing(
    god: Actor, front: Desk, desk: Callable[..., Desk], provider: Any, clinic: Any
) -> None:
    mine, foreign = make.a_slot(god, provider, hours=60, clinic=clinic), make.a_slot(god, hours=60, clinic=clinic)
    for one in (mine, foreign):
        slots.act(god, one.locator, action="block", reason="On leave")
    doctor = desk(Role.CLINICIAN, provider_id=id_of(god, "providers", provider.locator))

    def whose(who: Desk, asked: str) -> list[str]:
        return [form.values["provider_locator"] for form in offered(who, f"/slots/to-call?{asked}")]

    his, hers = (f"provider_locator={one.provider_locator}" for one in (mine, foreign))
    everybody = f"clinic_locator={clinic.locator}"
    assert [whose(front, asked) for asked in (his, hers, everybody, "")] == [
        [mine.provider_locator], [foreign.provider_locator], ["all"], [],
    ]  # fmt: skip
    assert [whose(doctor, asked) for asked in (his, hers, everybody, "")] == [[mine.provider_locator], [], [], []]
    [form] = offered(doctor, f"/slots/to-call?{his}")
    assert doctor.send(form).status_code == 303
    assert [get_slot(god, one.locator).status for one in (mine, foreign)] == ["AVAILABLE", "BLOCKED"]


def test_one_day_of_whom_to_call_is_told_once(front: Desk, provider: Any) -> None:
    days = f"/slots/to-call?provider_locator={provider.locator}&first_day=2027-03-10&last_day="
    assert "Appointments in blocked slots, Wed 10 Mar 2027<" in front.get(f"{days}2027-03-10").text
    assert "Wed 10 Mar 2027 to Thu 11 Mar 2027<" in front.get(f"{days}2027-03-11").text


def test_nobody_to_call_is_said(front: Desk) -> None:
    assert "Nobody: no appointment stands in a blocked slot" in front.get("/slots/to-call").text
    for wrong in ("first_day=soon", "provider_locator=EPI-2026-000001"):
        assert front.open("GET", f"/slots/to-call?{wrong}").status_code == 422
