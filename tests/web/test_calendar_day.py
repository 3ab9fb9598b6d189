"""The day of a clinic: providers side by side, every state told apart, why not, days of 23 and 25 hours, live."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.patients.views import HumanName
from careapp.providers import service as providers
from careapp.scheduling import appointments, slots
from careapp.web.times import moment_at
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import id_of
from tests.web.checks import parsed
from tests.web.conftest import Desk

POLL = {"X-Poll": "1"}


def day_of(slot: Any, zone: str = "Asia/Yangon") -> str:
    return clock.local(slot.starts_at, zone).date().isoformat()


def cells(page: str) -> dict[str, str]:
    """The text of each slot on a page, by its locator; what stands inside as one line."""
    found = {}
    for one in parsed(page).iter("a"):
        address = one.get("href") or ""
        if address.startswith("/slots/SLT") and "slot" in (one.get("class") or "").split():
            found[address.split("/")[2]] = " ".join("".join(one.itertext()).split())
    return found


def test_providers_stand_side_by_side(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    other = make.a_provider(god, name="Dr Aye", clinic_locators=[clinic.locator])
    make.a_provider(god, name="Dr Elsewhere", clinic_locators=[make.a_clinic(god, name="Far").locator])
    slot, beside = make.a_slot(god, provider, hours=48, clinic=clinic), make.a_slot(god, other, hours=48, clinic=clinic)
    page = front.get(f"/calendar?clinic={clinic.locator}&day={day_of(slot)}").text
    heads = ["".join(one.itertext()).split("General")[0].strip() for one in parsed(page).iter("h2")]
    assert heads[:2] == ["Dr Aye", "Dr Hla Hla"]
    assert "Dr Elsewhere" not in "".join(heads)
    local = clock.local(slot.starts_at, "Asia/Yangon")
    assert cells(page)[beside.locator] == f"Dr Aye, {local:%a} {local.day} {local:%b %Y}, {local:%H:%M} Free"


def test_every_state_has_its_word_and_its_reason(god: Actor, front: Desk, clinic: Any) -> None:
    def offer(**fields: Any) -> Any:
        return make.a_slot(
            god, make.a_provider(god, clinic_locators=[clinic.locator]), hours=48, clinic=clinic, **fields
        )

    free, held, booked, group, full, blocked, closed = (
        offer(),
        offer(),
        offer(),
        offer(capacity=10),
        offer(capacity=2),
        offer(),
        offer(),
    )
    make.an_appointment(god, slot=held)
    make.an_appointment(god, slot=booked, status="BOOKED")
    for one in (group, full, full):
        make.an_appointment(god, slot=one)
    slots.act(god, blocked.locator, action="block", reason="Fire drill")
    providers.act(god, closed.provider_locator, action="deactivate")
    shown = cells(front.get(f"/calendar?clinic={clinic.locator}&day={day_of(free)}").text)
    expected = {
        free: "Free", held: "Held", booked: "Booked", group: "9 of 10 left", full: "Full, 2 of 2",
        blocked: "Blocked Fire drill", closed: "Closed not in the network",
    }  # fmt: skip
    for slot, words in expected.items():
        assert words in shown[slot.locator], (words, shown[slot.locator])
    assert "Testowa" in shown[held.locator]
    assert "Testowa" not in shown[group.locator]


def an_earlier_slot(god: Actor, provider: Any, clinic: Any, start: datetime) -> Any:
    """A slot of half an hour, offered two hours before it began."""
    with clock.at(start - timedelta(hours=2)):
        return slots.add_slot(
            god, provider.locator, start=start, end=start + timedelta(minutes=30), clinic_locator=clinic.locator
        )


def test_a_past_slot_says_what_came_of_it(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    start = make.soon(-2) - timedelta(days=2)
    slot, empty, missed = (an_earlier_slot(god, provider, clinic, start + timedelta(hours=one)) for one in range(3))
    with clock.at(start - timedelta(hours=2)):
        make.an_appointment(god, slot=slot)
        absent = make.an_appointment(god, slot=missed, status="BOOKED")
    appointments.act(god, absent.locator, action="no-show")
    pages = [front.get(f"/calendar?clinic={clinic.locator}&day={day_of(one)}").text for one in (slot, missed)]
    shown = cells(pages[0]) | cells(pages[1])
    assert "Pending Daw Hla" in shown[slot.locator]
    assert "No-show Daw Hla" in shown[missed.locator]
    assert shown[empty.locator].endswith("Past")
    assert "data-live" not in pages[0], "a day that is over does not change by itself"


NOON = datetime(2027, 3, 10, 5, 40, tzinfo=UTC)  # 12:10 in Yangon


def test_of_today_what_is_over_is_folded_away(
    god: Actor, desk: Callable[..., Desk], provider: Any, clinic: Any
) -> None:
    make.a_provider(god, name="Dr Idle", clinic_locators=[clinic.locator])
    night = make.a_provider(god, name="Dr Night", clinic_locators=[clinic.locator])
    gone = an_earlier_slot(god, night, clinic, NOON - timedelta(hours=8))
    over, sits, last, current, next_one = (
        an_earlier_slot(god, provider, clinic, NOON + timedelta(minutes=minutes))
        for minutes in (-190, -130, -40, -10, 80)
    )
    with clock.at(NOON - timedelta(hours=5)):
        visit = make.an_appointment(god, slot=sits, status="BOOKED")
    with clock.at(NOON - timedelta(hours=2)):
        appointments.act(god, visit.locator, action="arrive")
    with clock.at(NOON):
        front = desk(Role.FRONT_DESK)
        address = f"/calendar?clinic={clinic.locator}&day=2027-03-10"
        page = front.get(address).text
        everything_of_it = front.get(f"{address}&earlier=1").text
    assert cells(page).keys() == {sits.locator, current.locator, next_one.locator}
    assert "Arrived Daw Hla" in cells(page)[sits.locator]
    assert "Earlier today: 3 slots" in page
    assert "No slots today: <a" in page
    assert "No more slots today: <a" in page
    [here] = [one for one in parsed(page).iter("li") if "is-now" in (one.get("class") or "")]
    assert current.locator in str(here.find("a").get("href"))
    assert cells(everything_of_it).keys() >= {gone.locator, over.locator, last.locator}
    assert "From now on only" in everything_of_it
    assert "earlier=1" in str(
        next(one.get("hx-get") for one in parsed(everything_of_it).iter("section") if one.get("hx-get"))
    )


def test_who_finds_nothing_free_to_choose_is_led_to_the_next_free_times(
    god: Actor, desk: Callable[..., Desk], provider: Any, clinic: Any
) -> None:
    an_earlier_slot(god, provider, clinic, NOON - timedelta(hours=2))
    tomorrow = an_earlier_slot(god, provider, clinic, NOON + timedelta(days=1))
    party = make.a_patient(god).locator
    with clock.at(NOON):
        front = desk(Role.FRONT_DESK)
        shown = f"/calendar?clinic={clinic.locator}&day=2027-03-10"
        assert "No time is free" not in front.get(shown).text, "nobody looks for a time"
        said = front.get(f"{shown}&party={party}").text.split("No time is free today.")[1]
        lead = f"/next-free?clinic={clinic.locator}&amp;day=2027-03-10&amp;party={party}"
        assert said.strip().startswith(f'<a href="{lead}">Next free times</a>')
        assert tomorrow.locator in front.get(lead.replace("&amp;", "&")).text
        for days, said in (("day=2027-03-12", "No time is free on this day."), ("week=2027-W12", "in this week.")):
            assert said in front.get(f"/calendar?clinic={clinic.locator}&{days}&party={party}").text
            assert said in front.get(f"/calendar?provider={provider.locator}&{days}&party={party}").text
        for days in ("day=2027-03-11", "week=2027-W10"):
            for whose in (f"clinic={clinic.locator}", f"provider={provider.locator}"):
                assert "No time is free" not in front.get(f"/calendar?{whose}&{days}&party={party}").text


def test_a_slot_in_the_buffer_of_a_visit_names_the_visit(
    new_tenant: Callable[..., TestTenant], desk: Callable[..., Desk]
) -> None:
    god = everything(new_tenant(buffer_minutes=15))
    clinic = make.a_clinic(god)
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    nine = moment_at(clock.local(clock.now(), "Asia/Yangon").date() + timedelta(days=2), time(9), "Asia/Yangon")
    with clock.at(nine - timedelta(hours=2)):  # so that both are of one day, whatever the hour of this test
        first = make.a_slot(god, provider, hours=1, minutes=30, clinic=clinic)
    second = slots.add_slot(
        god, provider.locator, start=first.ends_at, end=first.ends_at + timedelta(minutes=30),
        clinic_locator=clinic.locator,
    )  # fmt: skip
    booked = make.an_appointment(god, slot=first)
    front = desk(Role.FRONT_DESK, admin=god)
    at = clock.local(first.starts_at, "Asia/Yangon")
    address = f"/calendar?clinic={clinic.locator}&day={day_of(first)}"
    assert f"Closed buffer of {at:%H:%M}" in cells(front.get(address).text)[second.locator]
    page = front.get(f"/slots/{second.locator}/book").text
    assert f"The provider is not free: buffer of the {at:%H:%M} visit." in page
    appointments.act(god, booked.locator, action="cancel")
    assert "Free" in cells(front.get(address).text)[second.locator]


def test_its_statements_do_not_grow_with_the_providers(
    god: Actor, front: Desk, clinic: Any, statements: Callable[[], Any]
) -> None:
    def counted() -> int:
        with statements() as seen:
            front.get(f"/calendar?clinic={clinic.locator}")
        return len(seen)

    def offer() -> None:
        provider = make.a_provider(god, clinic_locators=[clinic.locator])
        free, taken = (make.a_slot(god, provider, hours=hours, clinic=clinic) for hours in (1, 2))
        make.an_appointment(god, slot=taken)
        slots.act(god, free.locator, action="block", reason="Away")

    offer()
    few = counted()
    for _ in range(19):
        offer()
    assert counted() == few <= 8


@pytest.mark.parametrize("view", ["provider={provider}", "clinic={clinic}&view=week", "clinic={clinic}&view=day", ""])
def test_each_view_takes_eight_statements_at_most(
    god: Actor, front: Desk, provider: Any, clinic: Any, statements: Callable[[], Any], view: str
) -> None:
    make.an_appointment(god, slot=make.a_slot(god, provider, clinic=clinic))
    address = f"/calendar?{view.format(provider=provider.locator, clinic=clinic.locator)}"
    with statements() as seen:
        front.get(address)
    assert len(seen) <= 8, "\n\n".join(seen)


def test_a_poll_costs_one_query_until_something_changes(
    god: Actor, front: Desk, provider: Any, clinic: Any, statements: Callable[[], Any]
) -> None:
    slot = make.a_slot(god, provider, hours=make.mid_week(), clinic=clinic)
    address = f"/calendar?clinic={clinic.locator}&day={day_of(slot)}"

    def version() -> str:
        [section] = [one for one in parsed(front.get(address).text).iter("section") if one.get("id") == "calendar-grid"]
        assert (section.get("hx-get"), section.get("hx-trigger")) == (address, "live")
        return section.get("data-version") or ""

    def poll(seen: str) -> Any:
        return front.open("GET", address, htmx=True, headers={**POLL, "X-Seen": seen})

    def changes(act: Callable[[], Any]) -> Any:
        before = version()
        assert poll(before).status_code == 204
        made = act()
        answer = poll(before)
        assert answer.status_code == 200
        assert answer.text.strip().startswith("{#") is False
        assert 'id="calendar-grid"' in answer.text
        assert "<h1" not in answer.text
        return made

    booked = changes(lambda: make.an_appointment(god, slot=slot))
    changes(lambda: appointments.act(god, booked.locator, action="accept"))
    changes(lambda: slots.act(god, slot.locator, action="block", reason="Away"))
    changes(lambda: make.a_slot(god, provider, hours=make.mid_week() + 2, clinic=clinic))
    changes(lambda: providers.act(god, provider.locator, action="deactivate"))
    seen = version()
    with clock.at(clock.now() + timedelta(seconds=2)), statements() as sent:  # what is remembered is a second old
        assert poll(seen).status_code == 204
    assert len([one for one in sent if one.lstrip().startswith("SELECT") and "set_config" not in one]) == 1


@pytest.mark.parametrize(
    ("day", "hours", "labels"),
    [
        ("2027-03-14", [(6, "01:00"), (7, "03:00")], ["01:00", "03:00"]),  # 02:00 does not come
        ("2027-11-07", [(5, "01:00 EDT"), (6, "01:00 EST"), (7, "02:00")], ["01:00", "01:00", "02:00"]),
    ],
)
def test_a_day_on_which_the_clocks_change(
    god: Actor, desk: Callable[..., Desk], day: str, hours: list[tuple[int, str]], labels: list[str]
) -> None:
    clinic = make.a_clinic(god, name="Hudson Clinic", time_zone="America/New_York")
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    midnight = datetime.fromisoformat(f"{day}T00:00:00+00:00").astimezone(UTC)
    for hour, _ in hours:
        start = midnight + timedelta(hours=hour)
        with clock.at(start):  # in whatever year this runs
            slots.add_slot(
                god, provider.locator, start=start, end=start + timedelta(hours=1), clinic_locator=clinic.locator
            )
    with clock.at(midnight):
        front = desk(Role.FRONT_DESK)
        page = front.get(f"/calendar?clinic={clinic.locator}&day={day}").text
        week = front.get(f"/calendar?provider={provider.locator}&clinic={clinic.locator}&view=week&day={day}").text
    assert [text.split(", ")[-1].removesuffix(" Free") for text in cells(page).values()] == [text for _, text in hours]
    rows = [one.get("class") for one in parsed(page).iter("li") if "at-" in (one.get("class") or "")]
    count = len(hours)
    assert rows == [f"at-{n}" for n in range(1, count + 1)] + [f"at-{n} for-1" for n in range(1, count + 1)]
    [ol] = [one for one in parsed(page).iter("ol")]
    assert [one.text for one in ol] == labels
    assert [text.split(", ")[-1].removesuffix(" Free") for text in cells(week).values()] == [text for _, text in hours]


def test_a_slot_through_midnight_stands_on_both_days(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    start = clock.local(make.soon(48), "Asia/Yangon").replace(hour=23, minute=0)
    slot = slots.add_slot(
        god, provider.locator, start=start, end=start + timedelta(hours=2), clinic_locator=clinic.locator
    )
    for number in (0, 1):
        day = (start.date() + timedelta(days=number)).isoformat()
        assert slot.locator in cells(front.get(f"/calendar?clinic={clinic.locator}&day={day}").text)


def test_a_slot_without_a_clinic_is_on_the_tenants_clock(god: Actor, desk: Callable[..., Desk]) -> None:
    clinic = make.a_clinic(god, name="Hudson Clinic", time_zone="America/New_York")
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    slot = make.a_slot(god, provider, hours=48)
    scoped = desk(Role.FRONT_DESK, clinic_ids=[id_of(god, "clinics", clinic.locator)])
    page = scoped.get(f"/calendar?provider={provider.locator}&day={day_of(slot, 'America/New_York')}").text
    local = clock.local(slot.starts_at, "Asia/Yangon")
    assert f"{local:%H:%M} Asia/Yangon Free" in cells(page)[slot.locator]


def test_a_clinic_out_of_scope_is_not_there_and_its_visits_are_not_named(
    new_tenant: Callable[..., TestTenant], desk: Callable[..., Desk]
) -> None:
    god = everything(new_tenant(buffer_minutes=30))
    mine, foreign = make.a_clinic(god), make.a_clinic(god, name="Silom Clinic")
    provider = make.a_provider(god, clinic_locators=[mine.locator, foreign.locator])
    there = make.a_slot(god, provider, hours=48, clinic=foreign)
    here = slots.add_slot(
        god, provider.locator, start=there.ends_at, end=there.ends_at + timedelta(minutes=30),
        clinic_locator=mine.locator,
    )  # fmt: skip
    make.an_appointment(god, slot=there)
    scoped = desk(Role.FRONT_DESK, admin=god, clinic_ids=[id_of(god, "clinics", mine.locator)])
    page = scoped.get(f"/calendar?provider={provider.locator}&view=day&day={day_of(here)}").text
    assert set(cells(page)) == {here.locator}
    assert cells(page)[here.locator].endswith("Closed buffer")
    assert "Silom" not in page
    assert scoped.open("GET", f"/calendar?clinic={foreign.locator}").status_code == 404


def test_filters_stay_in_the_address_and_narrow(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    other = make.a_provider(god, name="Dr Skin", specialty="DERMATOLOGY", clinic_locators=[clinic.locator])
    slot, skin = (make.a_slot(god, one, hours=48, clinic=clinic) for one in (provider, other))
    address = f"/calendar?clinic={clinic.locator}&specialty=DERMATOLOGY&day={day_of(slot)}"
    page = front.get(address).text
    assert set(cells(page)) == {skin.locator}
    links = {one.get("data-key"): one.get("href") for one in parsed(page).iter("a") if one.get("data-key")}
    for key in ("j", "k", "t"):
        assert "specialty=DERMATOLOGY" in links[key]
        assert f"clinic={clinic.locator}" in links[key]
    fragment = front.get(address, htmx=True).text
    assert 'id="calendar"' in fragment
    assert "<html" not in fragment


def test_the_day_opens_where_something_is_to_come(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    slot = make.a_slot(god, provider, hours=72, clinic=clinic)
    assert slot.locator in cells(front.get(f"/calendar?clinic={clinic.locator}").text)
    assert slot.locator in cells(front.get("/calendar").text)


@pytest.mark.parametrize("query", ["day=2026-13-01", "day=tomorrow", "day=2201-01-01", "move=EPI-2026-000001"])
def test_an_unreadable_day_is_refused(front: Desk, query: str) -> None:
    assert front.open("GET", f"/calendar?{query}").status_code == 422


def test_names_of_patients_are_in_the_audit(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    from tests.looking import rows

    patient = make.a_patient(god, name=HumanName(family="Thwin", given=["Mi"]))
    slot = make.a_slot(god, provider, hours=48, clinic=clinic)
    make.an_appointment(god, make.an_episode(god, patient), slot)
    front.get(f"/calendar?clinic={clinic.locator}&day={day_of(slot)}")
    [seen] = rows(god, "SELECT patients FROM audit_event WHERE action = 'slot.calendar'")
    assert seen.patients == [patient.locator]
