"""Pages of spans: adding slots once and repeated, blocking and unblocking."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.patients.views import ContactPoint
from careapp.scheduling.queries import get_slot, list_slots
from tests import factories as make
from tests.looking import id_of
from tests.web.checks import forms_of, parsed
from tests.web.conftest import Desk


def next_monday() -> date:
    today = clock.local(clock.now(), "Asia/Yangon").date()
    return today + timedelta(days=7 - today.weekday())


def test_slots_are_repeated_over_weekdays(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    monday = next_monday()
    address = f"/slots/new?provider={provider.locator}&clinic={clinic.locator}"
    form = front.forms(address)[address]
    typed = {
        **form.values, "day": monday.isoformat(), "first": "09:00", "last": "10:00", "minutes": "30", "capacity": "1",
        "until": (monday + timedelta(days=13)).isoformat(), "weekdays": ["0", "2"],
    }  # fmt: skip
    added = front.open("POST", address, data=typed)
    assert added.status_code == 303
    assert "8 slots are added." in front.get(added.location).text
    made = [clock.local(one.starts_at, "Asia/Yangon") for one in list_slots(god, provider.locator).items]
    assert [(one.date() - monday).days for one in made] == [0, 0, 2, 2, 7, 7, 9, 9]
    assert {f"{one:%H:%M}" for one in made} == {"09:00", "09:30"}


def test_the_clock_time_stays_when_the_clocks_change(god: Actor, desk: Callable[..., Desk]) -> None:
    clinic = make.a_clinic(god, time_zone="America/New_York")
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    address = f"/slots/new?provider={provider.locator}&clinic={clinic.locator}"
    with clock.at(datetime(2027, 3, 1, tzinfo=UTC)):  # in whatever year this runs
        front = desk(Role.FRONT_DESK)
        form = front.forms(address)[address]
        typed = {
            **form.values, "day": "2027-03-10", "first": "09:00", "last": "09:30", "minutes": "30", "capacity": "1",
            "until": "2027-03-17",
        }  # fmt: skip
        assert front.open("POST", address, data=typed).status_code == 303
    assert [one.starts_at.hour for one in list_slots(god, provider.locator).items] == [14, 13], "in UTC"


def test_an_overlap_is_named_nothing_is_lost_and_the_others_can_be_added(
    god: Actor, front: Desk, provider: Any, clinic: Any
) -> None:
    monday = next_monday()
    address = f"/slots/new?provider={provider.locator}&clinic={clinic.locator}"
    typed = {"day": monday.isoformat(), "first": "09:00", "last": "10:00", "minutes": "30", "capacity": "1"}
    form = front.forms(address)[address]
    assert front.send(form, **typed).status_code == 303
    refused = front.fill(address, **{**typed, "last": "11:00", "capacity": "3"})
    assert refused.status_code == 409
    day = f"{monday:%a} {monday.day} {monday:%b %Y}"
    assert f"{day}, 09:00–09:30 overlaps {day}, 09:00–09:30" in unescape(refused.text)
    assert len(list_slots(god, provider.locator).items) == 2
    again = {one.action: one for one in forms_of(parsed(refused.text))}[address]
    assert (again.values["last"], again.values["capacity"]) == ("11:00", "3")
    [button] = [one for one in parsed(refused.text).iter("button") if one.get("name") == "skip_overlaps"]
    assert button.text == "Add the other 2 slots"
    assert front.open("POST", address, data={**again.values, "skip_overlaps": "1"}).status_code == 303
    assert [one.capacity for one in list_slots(god, provider.locator).items] == [1, 1, 3, 3]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"until": "2020-01-01"}, "must not be before the first"),
        ({"until": "2199-01-01"}, "at most 366 days"),
        (
            {"minutes": "5", "first": "00:00", "last": "23:00", "until": "+6", "weekdays": list("0123456")},
            "at most 300",
        ),
        ({"weekdays": ["8"]}, "Choose days of the week."),
        ({"last": "08:00"}, "No slot of this length fits"),
        ({"first": ""}, "Enter a time such as 09:30."),
        ({"day": "2020-01-06"}, 'href="#day">Day: A slot must not be over before it is added.'),
    ],
)
def test_what_cannot_be_added_is_refused_beside_its_field(
    god: Actor, front: Desk, provider: Any, typed: dict[str, Any], said: str
) -> None:
    monday = next_monday()
    address = f"/slots/new?provider={provider.locator}"
    if typed.get("until") == "+6":
        typed = {**typed, "until": (monday + timedelta(days=6)).isoformat()}
    form = front.forms(address)[address]
    usual = {"day": monday.isoformat(), "first": "09:00", "last": "10:00", "minutes": "30", "capacity": "1"}
    refused = front.open("POST", address, data={**form.values, **usual, **typed})
    assert refused.status_code == 422
    assert said in refused.text
    assert not list_slots(god, provider.locator).items


def test_a_span_is_blocked_and_shows_whom_to_call(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    free, taken, later = (make.a_slot(god, provider, hours=hours, clinic=clinic) for hours in (60, 61, 200))
    patient = make.a_patient(god, telecom=[ContactPoint(system="phone", value="+95 9 1234 5678")])
    booked = make.an_appointment(god, make.an_episode(god, patient), taken)
    days = [clock.local(one.starts_at, "Asia/Yangon").date().isoformat() for one in (free, taken)]
    address = f"/slots/block?provider={provider.locator}&clinic={clinic.locator}"
    form = front.forms(address)[address]
    span = {"first_day": days[0], "last_day": days[1]}
    missing = front.send(form, **span)
    assert missing.status_code == 422
    assert "Reason: Fill this in." in missing.text
    done = front.send(form, **span, reason="On leave")
    assert done.status_code == 303
    page = front.get(done.location).text
    assert "2 slots are blocked." in page
    for text in (patient.name.text, 'href="tel:+95912345678"', "On leave", f"/calendar?move={booked.locator}"):
        assert text in page, text
    assert [get_slot(god, one.locator).status for one in (free, taken, later)] == ["BLOCKED", "BLOCKED", "AVAILABLE"]
    unblock = front.open("POST", address.replace("/block", "/unblock"), data={**form.values, **span})
    assert unblock.status_code == 303
    assert [get_slot(god, one.locator).status for one in (free, taken)] == ["AVAILABLE", "BOOKED"]
    assert "2 slots are unblocked." in front.get(unblock.location).text


def test_hours_are_blocked_on_each_day(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    monday = next_monday()
    address = f"/slots/new?provider={provider.locator}&clinic={clinic.locator}"
    form = front.forms(address)[address]
    front.open("POST", address, data={
        **form.values, "day": monday.isoformat(), "first": "11:00", "last": "15:00", "minutes": "60", "capacity": "1",
        "until": (monday + timedelta(days=1)).isoformat(), "weekdays": ["0", "1"],
    })  # fmt: skip
    address = f"/slots/block?provider={provider.locator}&clinic={clinic.locator}"
    front.fill(
        address, first_day=monday.isoformat(), last_day=(monday + timedelta(days=1)).isoformat(), first="12:00",
        last="14:00", reason="Lunch and learn",
    )  # fmt: skip
    states = [
        (f"{clock.local(one.starts_at, 'Asia/Yangon'):%a %H}", one.status)
        for one in list_slots(god, provider.locator).items
    ]
    assert [when for when, status in states if status == "BLOCKED"] == ["Mon 12", "Mon 13", "Tue 12", "Tue 13"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"last_day": "2020-01-01"}, "must not be before the first"),
        ({"first": "14:00", "last": "12:00"}, "The end must be later than the start."),
        ({"first": "soon"}, "Enter a time such as 09:30."),
        ({"provider_locator": "all", "clinic_locator": ""}, "Choose a provider or a clinic."),
        ({"provider_locator": ""}, "Choose the provider."),
        ({"provider_locator": "PRV-2026-999999"}, "Not a valid choice"),
    ],
)
def test_a_span_that_cannot_be_is_refused_and_kept(
    god: Actor, front: Desk, provider: Any, clinic: Any, typed: dict[str, str], said: str
) -> None:
    address = f"/slots/block?provider={provider.locator}&clinic={clinic.locator}"
    form = front.forms(address)[address]
    refused = front.open("POST", address, data={**form.values, "reason": "Away", **typed})
    assert refused.status_code == 422
    assert said in refused.text
    assert 'value="Away"' in refused.text


def test_a_clinician_blocks_his_own_time(god: Actor, desk: Callable[..., Desk], provider: Any, clinic: Any) -> None:
    slot, foreign = make.a_slot(god, provider, hours=60, clinic=clinic), make.a_slot(god, hours=60, clinic=clinic)
    doctor = desk(Role.CLINICIAN, provider_id=id_of(god, "providers", provider.locator))
    form = doctor.forms("/slots/block")["/slots/block"]
    assert form.choices["provider_locator"] == [provider.locator]
    day = clock.local(slot.starts_at, "Asia/Yangon").date().isoformat()
    assert doctor.send(form, first_day=day, last_day=day, reason="Away").status_code == 303
    assert [get_slot(god, one.locator).status for one in (slot, foreign)] == ["BLOCKED", "AVAILABLE"]
    assert (
        doctor.open("POST", "/slots/block", data={**form.values, "provider_locator": "", "reason": "x"}).status_code
        == 422
    )


@pytest.mark.parametrize("page", ["new", "block"])
def test_the_provider_looks_like_a_list_and_is_not_called_optional(
    front: Desk, provider: Any, clinic: Any, page: str
) -> None:
    tree = parsed(front.get(f"/slots/{page}?clinic={clinic.locator}").text)
    select = next(one for one in tree.iter("select") if one.get("name") == "provider_locator")
    label = next(one for one in tree.iter("label") if one.get("for") == select.get("id"))
    assert (select.get("class"), "".join(label.itertext()).strip()) == ("form-select", "Provider")


@pytest.mark.parametrize("page", ["new", "block"])
def test_nobody_is_chosen_before_anybody_chooses(
    god: Actor, front: Desk, provider: Any, clinic: Any, page: str
) -> None:
    elsewhere = make.a_provider(god, name="Dr Aye", clinic_locators=[make.a_clinic(god, name="Far").locator])
    address = f"/slots/{page}?clinic={clinic.locator}"
    form = front.forms(address)[address]
    assert form.values["provider_locator"] == ""
    people = [one for one in form.choices["provider_locator"] if one.startswith("PRV")]
    assert people == [provider.locator, elsewhere.locator], "who works at the clinic first"
    refused = front.send(form, first="09:00", last="10:00")
    assert refused.status_code == 422
    assert "Provider: Choose the provider." in refused.text


def test_all_of_a_clinic_are_blocked_where_that_is_chosen(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    there, far = make.a_slot(god, provider, hours=60, clinic=clinic), make.a_slot(god, hours=60)
    address = f"/slots/block?clinic={clinic.locator}"
    day = clock.local(there.starts_at, "Asia/Yangon").date().isoformat()
    done = front.fill(address, provider_locator="all", first_day=day, last_day=day, reason="Away")
    assert done.status_code == 303
    assert "provider_locator" not in done.location
    assert [get_slot(god, one.locator).status for one in (there, far)] == ["BLOCKED", "AVAILABLE"]
