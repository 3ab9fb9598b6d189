"""The calendar, adding and blocking slots, and booking from a free one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from careapp import clock, commands
from careapp.access import Actor, Role
from careapp.db import db
from careapp.episodes.queries import list_episodes
from careapp.patients.views import HumanName
from careapp.providers.models import PROVIDERS
from careapp.scheduling import appointments, slots
from careapp.scheduling.changes import UNDO_WINDOW
from careapp.scheduling.queries import get_slot, list_appointments, list_slots
from tests import factories as make
from tests.web.checks import forms_of, parsed
from tests.web.conftest import Desk


def week_of(slot: Any) -> str:
    year, week, _ = clock.local(slot.starts_at, "Asia/Yangon").date().isocalendar()
    return f"{year}-W{week:02d}"


def test_a_providers_week_tells_slots_apart_in_words(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    free, full, group, blocked = (
        make.a_slot(god, provider, hours=make.mid_week() + hours, capacity=capacity, clinic=clinic)
        for hours, capacity in ((0, 1), (1, 1), (2, 10), (3, 1))
    )
    make.an_appointment(god, slot=full)
    make.an_appointment(god, slot=group)
    slots.act(god, blocked.locator, action="block", reason="Leave")
    page = front.get(f"/calendar?provider={provider.locator}&week={week_of(free)}").text
    for word in ("Free", "Held", "9 of 10 left", "Blocked", "Leave"):
        assert f">{word}<" in page, word
    assert "Times: Asia/Yangon, UTC+06:30" in page
    assert f'href="/slots/{free.locator}/book"' in page


def test_a_clinics_week_lists_its_providers(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    slot = make.a_slot(god, provider, hours=200, clinic=clinic, capacity=3)
    page = front.get(f"/calendar?clinic={clinic.locator}&week={week_of(slot)}").text
    assert "Dr Hla Hla" in page
    assert "3 free" in page
    assert f'href="/slots/{slot.locator}/book"' in page


@pytest.mark.parametrize("query", ["week=2026-W60", "week=now", "provider=EPI-2026-000001", "clinic=<b>"])
def test_an_unreadable_address_is_refused(front: Desk, query: str) -> None:
    assert front.open("GET", f"/calendar?{query}").status_code == 422


def test_there_may_be_nothing_yet(front: Desk) -> None:
    assert "There is no provider here yet" in front.get("/calendar").text
    assert front.open("GET", "/calendar?provider=PRV-2026-999999").status_code == 404


def test_it_opens_at_the_first_clinic_where_somebody_works(god: Actor, front: Desk, clinic: Any) -> None:
    make.a_clinic(god, name="An imported hospital")
    assert "<h1>An imported hospital</h1>" in front.get("/calendar").text
    make.a_provider(god, active=False, clinic_locators=[clinic.locator])
    assert "<h1>An imported hospital</h1>" in front.get("/calendar").text
    make.a_provider(god, clinic_locators=[clinic.locator])
    assert "<h1>Riverside Clinic</h1>" in front.get("/calendar").text


@pytest.mark.parametrize("year", ["0001", "1799", "9999"])
def test_a_day_far_off_is_refused(front: Desk, provider: Any, clinic: Any, year: str) -> None:
    address = f"/slots/new?provider={provider.locator}&clinic={clinic.locator}"
    refused = front.fill(address, day=f"{year}-01-01", first="09:00", last="11:00", minutes="30", capacity="1")
    assert refused.status_code == 422
    assert "Day: The year must lie between 1800 and 2200." in refused.text


def test_times_are_on_the_clinics_clock(god: Actor, front: Desk) -> None:
    clinic = make.a_clinic(god, name="Hudson Clinic", time_zone="America/New_York")
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    slot = make.a_slot(god, provider, hours=200, clinic=clinic)
    local = clock.local(slot.starts_at, "America/New_York")
    year, week, _ = local.date().isocalendar()
    page = front.get(f"/calendar?provider={provider.locator}&week={year}-W{week:02d}").text
    assert f"<span>{local:%H:%M}</span>" in page
    assert "America/New_York" in page


def test_slots_are_added_blocked_and_unblocked(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    day = (clock.local(clock.now(), "Asia/Yangon") + timedelta(days=8)).date().isoformat()
    address = f"/slots/new?provider={provider.locator}&clinic={clinic.locator}"
    typed = {"day": day, "first": "09:00", "last": "11:15", "minutes": "30", "capacity": "2"}
    form = front.forms(address)[address]
    assert front.send(form, **typed).status_code == front.send(form, **typed).status_code == 303
    made = list_slots(god, provider.locator).items
    assert [one.starts_at.strftime("%H:%M") for one in made] == ["02:30", "03:00", "03:30", "04:00"]
    overlapping = front.fill(address, **typed)
    assert overlapping.status_code == 409
    assert "4 of these times overlap slots that are there already" in overlapping.text
    assert front.fill(address, **{**typed, "minutes": "200"}).status_code == 422
    page = f"/slots/{made[0].locator}/book"
    assert front.fill(page, f"/slots/{made[0].locator}/block", reason="").status_code == 422
    assert front.fill(page, f"/slots/{made[0].locator}/block", reason="Training").status_code == 303
    assert get_slot(god, made[0].locator).status == "BLOCKED"
    assert "Blocked: Training" in front.get(page).text
    front.fill(page, f"/slots/{made[0].locator}/unblock")
    assert get_slot(god, made[0].locator).status == "AVAILABLE"


def test_a_clinician_adds_only_his_own(god: Actor, desk: Callable[..., Desk], provider: Any, clinic: Any) -> None:
    with commands.system_transaction(god.tenant_id):
        own = db.session.execute(select(PROVIDERS.id).where(PROVIDERS.locator == provider.locator)).scalar_one()
    make.a_provider(god)
    doctor = desk(Role.CLINICIAN, provider_id=own)
    assert "Dr Hla Hla" in doctor.get("/calendar").text
    form = doctor.forms("/slots/new")["/slots/new"]
    assert form.choices["provider_locator"] == [provider.locator]


def test_booking_for_a_patient_found_by_name(god: Actor, front: Desk, provider: Any) -> None:
    slot = make.a_slot(god, provider)
    patient = make.a_patient(god, name=HumanName(family="Thwin", given=["Mi", "Mi"]))
    episode = make.an_episode(god, patient)
    page = f"/slots/{slot.locator}/book"
    found = front.fill(page, f"/slots/{slot.locator}/patients", q="thw")
    form = {one.action: one for one in forms_of(parsed(found.text))}[page]
    assert form.values["choice"] == episode.locator
    assert form.choices["choice"] == [episode.locator, patient.locator]
    done = front.send(form, type="FOLLOW_UP", reason="Cough")
    assert (done.status_code, done.location) == (303, f"/episodes/{episode.locator}")
    assert front.send(form, type="FOLLOW_UP", reason="Cough").location == done.location
    booked = list_appointments(god, episode.locator).items
    assert [(one.status, one.type, one.reason) for one in booked] == [("BOOKED", "FOLLOW_UP", "Cough")]


def test_booking_opens_an_episode_on_the_spot(god: Actor, front: Desk, provider: Any) -> None:
    slot, patient = make.a_slot(god, provider), make.a_patient(god)
    page = f"/slots/{slot.locator}/book"
    found = front.fill(page, f"/slots/{slot.locator}/patients", q=patient.locator)
    form = {one.action: one for one in forms_of(parsed(found.text))}[page]
    done = front.send(form, care_type="PREVENTIVE", reason="Check-up")
    assert done.status_code == 303
    opened = list_episodes(god, party=patient.locator).items
    assert [(one.care_type, one.stage) for one in opened] == [("PREVENTIVE", "SCHEDULED")]


def test_the_loser_of_a_race_books_another_time_with_one_press(god: Actor, front: Desk, provider: Any) -> None:
    slot = make.a_slot(god, provider)
    others = [make.a_slot(god, provider, hours=hours) for hours in (3, 4, 5, 6)]
    patient = make.a_patient(god)
    page = f"/slots/{slot.locator}/book"
    form = front.forms(f"{page}?party={patient.locator}")[page]
    make.an_appointment(god, slot=slot)
    lost = front.send(form, care_type="CHRONIC_CARE", reason="Blood pressure")
    assert lost.status_code == 409
    assert "Just taken" in lost.text
    assert not list_episodes(god, party=patient.locator).items
    buttons = [one.get("formaction") for one in parsed(lost.text).iter("button") if one.get("formaction")]
    assert buttons == [f"/slots/{one.locator}/book" for one in others[:3]]
    again = {one.action: one for one in forms_of(parsed(lost.text))}[page]
    assert (again.values["care_type"], again.values["reason"]) == ("CHRONIC_CARE", "Blood pressure")
    again.action = buttons[0]
    assert front.send(again).status_code == 303
    assert get_slot(god, others[0].locator).status == "BOOKED"


def test_nothing_is_booked_without_a_patient(god: Actor, front: Desk, provider: Any) -> None:
    slot = make.a_slot(god, provider)
    page = f"/slots/{slot.locator}/book"
    assert front.fill(page, f"/slots/{slot.locator}/patients").status_code == 422
    form = front.forms(f"{page}?party={make.a_patient(god).locator}")[page]
    del form.values["choice"]
    refused = front.send(form)
    assert refused.status_code == 422
    assert "Find the patient" in refused.text
    for locator in ("EPI-2026-999999", "PTY-2026-999999", "nonsense"):
        assert front.send(form, choice=locator).status_code == 422


def test_a_refused_booking_keeps_the_patient(god: Actor, front: Desk, provider: Any) -> None:
    patient = make.a_patient(god)
    episode = make.an_episode(god, patient)
    slot = make.a_slot(god, provider)
    make.an_appointment(god, episode, slot=make.a_slot(god))
    page = f"/slots/{slot.locator}/book"
    refused = front.fill(f"{page}?episode={episode.locator}", page, reason="Cough")
    assert refused.status_code == 409
    assert "The patient has APT-" in refused.text
    form = {one.action: one for one in forms_of(parsed(refused.text))}[page]
    assert (form.values["choice"], form.values["reason"]) == (episode.locator, "Cough")


def test_who_may_not_book_is_refused(god: Actor, desk: Callable[..., Desk], provider: Any) -> None:
    slot = make.a_slot(god, provider)
    auditor = desk(Role.AUDITOR)
    for address in (f"/slots/{slot.locator}/book", "/calendar", "/slots/new"):
        assert auditor.open("GET", address).status_code == 403


def test_a_slot_shows_who_is_booked_in_it(front: Desk, god: Actor) -> None:
    slot = make.a_slot(god, capacity=2)
    there, gone = make.an_appointment(god, slot=slot), make.an_appointment(god, slot=slot)
    appointments.act(god, gone.locator, action="cancel")
    page = front.get(f"/slots/{slot.locator}/book").text
    assert there.locator in page
    assert gone.locator in page, "to be taken back"
    with clock.at(clock.now() + UNDO_WINDOW + timedelta(seconds=1)):
        page = front.get(f"/slots/{slot.locator}/book").text
    assert there.locator in page
    assert gone.locator not in page


def test_a_provider_is_shown_at_one_clinic_or_at_any(god: Actor, front: Desk, clinic: Any) -> None:
    other = make.a_clinic(god, name="Silom Clinic", time_zone="Asia/Bangkok")
    idle = make.a_clinic(god, name="An imported hospital")
    provider = make.a_provider(god, name="Dr Hla Hla", clinic_locators=[clinic.locator, other.locator])
    here, there = (
        make.a_slot(god, provider, hours=make.mid_week() + hours, clinic=at) for hours, at in ((0, clinic), (2, other))
    )
    address = f"/calendar?week={week_of(here)}&provider={provider.locator}&clinic="
    anywhere, at_one = front.get(address).text, front.get(address + other.locator).text
    assert "<h1>Dr Hla Hla</h1>" in anywhere
    assert here.locator in anywhere
    assert there.locator in anywhere
    assert "<h1>Dr Hla Hla at Silom Clinic</h1>" in at_one
    assert there.locator in at_one
    assert here.locator not in at_one
    all_of_it = front.get(f"/calendar?provider=&clinic={clinic.locator}").text
    assert "Any clinic" in anywhere
    assert "Any clinic" not in all_of_it
    assert idle.name not in all_of_it
    assert f'<option value="{idle.locator}" selected>' in front.get(f"/calendar?clinic={idle.locator}").text


def test_a_clinician_gets_to_all_providers(god: Actor, desk: Callable[..., Desk], provider: Any, clinic: Any) -> None:
    with commands.system_transaction(god.tenant_id):
        own = db.session.execute(select(PROVIDERS.id).where(PROVIDERS.locator == provider.locator)).scalar_one()
    doctor = desk(Role.CLINICIAN, provider_id=own)
    assert "<h1>Dr Hla Hla</h1>" in doctor.get("/calendar").text
    assert "<h1>Riverside Clinic</h1>" in doctor.get("/calendar?clinic=&provider=").text


def test_booking_from_the_calendar_names_the_patient(god: Actor, front: Desk, provider: Any) -> None:
    patient = make.a_patient(god, name=HumanName(family="Thwin", given=["Mi", "Mi"]))
    episode = make.an_episode(god, patient)
    assert "<strong>Mi Mi Thwin</strong>" in front.get(f"/calendar?episode={episode.locator}").text
    assert front.open("GET", "/calendar?episode=EPI-2026-999999").status_code == 404


def test_a_slots_notice_is_a_sentence(god: Actor, front: Desk, provider: Any) -> None:
    page = f"/slots/{make.a_slot(god, provider).locator}/book"
    front.fill(page, page.replace("/book", "/block"), reason="Leave")
    assert "Blocked.</span>" in front.get(page).text


def test_the_menu_says_where_one_is_beside_the_calendar_and_the_list(
    god: Actor, front: Desk, provider: Any, clinic: Any
) -> None:
    slot = make.a_slot(god, provider, clinic=clinic).locator
    pages = {
        "Calendar": ("/calendar", "/next-free", "/slots/new", "/slots/block", "/slots/to-call", f"/slots/{slot}/book"),
        "Today": ("/today", f"/walk-in?clinic={clinic.locator}"),
    }
    for name, addresses in pages.items():
        for address in addresses:
            links = parsed(front.get(address).text).iter("a")
            assert [one.text for one in links if one.get("aria-current") == "page" and one.get("data-go")] == [name]
