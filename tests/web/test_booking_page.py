"""Booking from a slot's page: three presses at most, the search while typing, nothing typed is lost, and moving."""

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.episodes.queries import list_episodes
from careapp.patients.views import HumanName
from careapp.scheduling import appointments, slots
from careapp.scheduling.queries import get_appointment, get_slot, list_appointments
from careapp.web.times import moment_at
from tests import factories as make
from tests.looking import one
from tests.web.checks import Form, forms_of, parsed
from tests.web.conftest import Desk


def buttons(html: str, name: str, *, fragment: bool = False) -> list[str]:
    """The values of the buttons of a name."""
    return [one.get("value") or "" for one in parsed(html, fragment=fragment).iter("button") if one.get("name") == name]


def form_to(html: str, action: str) -> Form:
    return {one.action: one for one in forms_of(parsed(html))}[action]


def texts(html: str) -> str:
    return " ".join("".join(parsed(html).itertext()).split())


def test_each_of_several_patients_has_his_own_press(god: Actor, front: Desk, provider: Any) -> None:
    slot = make.a_slot(god, provider)
    known, new = (make.a_patient(god, name=HumanName(family="Thwin", given=[given])) for given in ("Aye", "Mi"))
    episode = make.an_episode(god, known)
    page = f"/slots/{slot.locator}/book"
    form = front.forms(page)[f"/slots/{slot.locator}/patients"]
    found = front.send(form, htmx=True, q="thw").text
    assert set(buttons(found, "choice", fragment=True)) == {episode.locator, known.locator, new.locator}
    assert "<h1" not in found
    book = front.forms(page)[page]
    done = front.open("POST", page, data={**book.values, "choice": new.locator, "care_type": "PREVENTIVE"})
    assert done.status_code == 303
    [opened] = list_episodes(god, party=new.locator).items
    assert (opened.care_type, done.location) == ("PREVENTIVE", f"/episodes/{opened.locator}")


@pytest.mark.parametrize("typed", ["thw", "mi"])
def test_what_the_visit_is_stands_before_the_presses(god: Actor, front: Desk, provider: Any, typed: str) -> None:
    slot = make.a_slot(god, provider)
    for given in ("Aye", "Mi"):
        make.an_episode(god, make.a_patient(god, name=HumanName(family="Thwin", given=[given])))
    page = f"/slots/{slot.locator}/book"
    found = parsed(front.fill(page, f"/slots/{slot.locator}/patients", q=typed).text)
    [book] = [one for one in found.iter("form") if one.get("action") == page]
    order = [
        one.get("name") or "press"
        for one in book.iter()
        if one.tag in ("select", "textarea", "button") or one.get("type") == "radio"
    ]
    assert order[:3] == ["type", "care_type", "reason"]
    assert set(order[3:]) <= {"choice", "press"}
    assert order[3:]


def test_what_is_typed_so_far_may_be_nothing_or_half_a_date(god: Actor, front: Desk, provider: Any) -> None:
    slot = make.a_slot(god, provider)
    form = front.forms(f"/slots/{slot.locator}/book")[f"/slots/{slot.locator}/patients"]
    for typed in ("", "  ", "1980-", "19", "\u200b", "PTY-2026-"):
        answer = front.send(form, htmx=True, q=typed)
        assert answer.status_code == 200, typed
        assert "data-error-summary" not in answer.text, "an error would take the focus away from who is typing"
    assert front.send(form, q=" ").status_code == 422


@pytest.mark.parametrize("typed", ["1980-05-17", "17 May 1980", "mi 1980-05-17", "thwi mi"])
def test_one_field_finds_by_name_and_birth_date(god: Actor, front: Desk, provider: Any, typed: str) -> None:
    slot = make.a_slot(god, provider)
    patient = make.a_patient(god, name=HumanName(family="Thwin", given=["Mi"]))
    found = front.fill(f"/slots/{slot.locator}/book", f"/slots/{slot.locator}/patients", q=typed).text
    assert form_to(found, f"/slots/{slot.locator}/book").values["choice"] == patient.locator


def test_who_is_registered_from_a_slot_comes_back_to_it(god: Actor, front: Desk, provider: Any) -> None:
    slot = make.a_slot(god, provider)
    page = f"/slots/{slot.locator}/book"
    nobody = front.fill(page, f"/slots/{slot.locator}/patients", q="Thiri 1991-04-02").text
    filled = registering(front, nobody, page)
    assert "1991-04-02" in filled.values["birth_date"]
    back = front.send(filled, family="Thiri")
    assert back.status_code == 303
    assert back.location.startswith(f"{page}?typed=1&party=PTY-")
    assert front.forms(back.location)[page].values["choice"] == back.location.split("party=")[1]


def registering(desk: Desk, html: str, page: str, **typed: str) -> Form:
    """Press "Register a new patient" on a slot's page, filled with what is typed; gives the form that follows."""
    [leave] = [one for one in parsed(html).iter("button") if "found-nobody" in (one.get("formaction") or "")]
    form = form_to(html, page)
    form.action = leave.get("formaction") or ""
    followed = parsed(desk.send(form, **typed).text)
    return next(one for one in forms_of(followed) if one.action.startswith("/patients/new?next="))


@pytest.mark.parametrize("searched", [None, "Nobody So Called", "Thwin"])
def test_what_was_typed_before_the_patient_was_registered_is_there_after(
    god: Actor, front: Desk, provider: Any, searched: str | None
) -> None:
    slot = make.a_slot(god, provider)
    page = f"/slots/{slot.locator}/book"
    make.a_patient(god, name=HumanName(family="Thwin", given=["Mi"]))
    html = front.fill(page, f"/slots/{slot.locator}/patients", q=searched).text if searched else front.get(page).text
    typed = {"type": "FOLLOW_UP", "care_type": "PREVENTIVE", "reason": "Cough since Friday"}
    filled = registering(front, html, page, **typed)
    assert "Cough" not in filled.action
    assert "FOLLOW_UP" not in filled.action
    slip = front.send(filled, given="", family="")
    assert slip.status_code == 422
    back = front.send(form_to(slip.text, filled.action), family="Thiri")
    form = front.forms(back.location)[page]
    assert {name: form.values[name] for name in typed} == typed
    assert front.send(form).status_code == 303
    [opened] = list_episodes(god, party=form.values["choice"]).items
    assert (opened.care_type, opened.reason) == ("PREVENTIVE", "Cough since Friday")
    assert one(god, "SELECT count(*) FROM form_drafts") == 0, "what has been booked is kept no longer"


def test_what_was_typed_for_one_patient_is_shown_to_nobody_else_and_not_by_itself(
    god: Actor, front: Desk, desk: Callable[..., Desk], provider: Any
) -> None:
    page = f"/slots/{make.a_slot(god, provider).locator}/book"
    registering(front, front.get(page).text, page, reason="Cough since Friday")
    assert "Cough" in front.get(f"{page}?typed=1").text
    assert "Cough" not in front.get(page).text
    assert "Cough" not in desk(Role.FRONT_DESK).get(f"{page}?typed=1").text


def test_enter_books_and_registers_nobody(god: Actor, front: Desk, provider: Any) -> None:
    page = f"/slots/{make.a_slot(god, provider).locator}/book"
    html = front.get(f"{page}?party={make.a_patient(god).locator}").text
    form = next(one for one in parsed(html).iter("form") if one.get("action") == page)
    first = next(one for one in form.iter("button") if one.get("type") == "submit")
    assert first.get("formaction") is None, "a browser presses the first button of a form"


def test_the_kind_of_appointment_comes_along(god: Actor, front: Desk, provider: Any) -> None:
    slot, patient = make.a_slot(god, provider), make.a_patient(god)
    found = front.get(f"/next-free?provider={provider.locator}&party={patient.locator}&type=PROCEDURE").text
    [link] = [one.get("href") for one in parsed(found).iter("a") if slot.locator in (one.get("href") or "")]
    assert link == f"/slots/{slot.locator}/book?party={patient.locator}&type=PROCEDURE"
    assert front.forms(link or "")[f"/slots/{slot.locator}/book"].values["type"] == "PROCEDURE"


def test_a_slot_that_takes_no_booking_offers_the_next_free(god: Actor, front: Desk, provider: Any) -> None:
    slot, other = make.a_slot(god, provider, hours=40), make.a_slot(god, provider, hours=41)
    slots.act(god, slot.locator, action="block", reason="Fire drill")
    page = front.get(f"/slots/{slot.locator}/book")
    assert "Blocked: Fire drill" in page.text
    assert f'href="/slots/{other.locator}/book"' in page.text


def ways_of(page: str) -> dict[str, str]:
    """The links of a page by their words."""
    return {"".join(one.itertext()): one.get("href") or "" for one in parsed(page).iter("a")}


def test_every_way_on_from_a_slot_knows_for_whom_a_time_is_looked_for(god: Actor, front: Desk, clinic: Any) -> None:
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    slot, visit = (make.a_slot(god, provider, hours=hours, clinic=clinic) for hours in (40, 41))
    slots.act(god, slot.locator, action="block", reason="Fire drill")
    episode, day = make.an_episode(god).locator, clock.local(slot.starts_at, "Asia/Yangon").date()
    booking = front.get(f"/slots/{slot.locator}/book?episode={episode}&type=PROCEDURE").text
    ways = ways_of(booking)
    assert ways["Other providers"] == f"/next-free?specialty=GENERAL_PRACTICE&episode={episode}&type=PROCEDURE"
    assert ways["Day"] == f"/calendar?clinic={clinic.locator}&day={day}&episode={episode}&type=PROCEDURE"
    week = f"/calendar?provider={provider.locator}&week={day:%G-W%V}&episode={episode}&type=PROCEDURE"
    assert ways["Back to the week"] == week
    calendar = front.get(ways["Day"]).text
    assert "Booking for <strong>" in calendar
    ways = ways_of(calendar)
    assert "type=PROCEDURE" in ways["Next free"]
    calendar = front.get(ways_of(front.get(ways["Next free"]).text)["Calendar"]).text
    assert f"/slots/{slot.locator}/book?episode={episode}&amp;type=PROCEDURE" in calendar
    moved = make.an_appointment(god, slot=visit).locator
    page = front.get(f"/appointments/{moved}/reschedule?back=/today?clinic={clinic.locator}").text
    ways = ways_of(page)
    assert f'href="/today?clinic={clinic.locator}">Back</a>' in front.get(ways["Other providers"]).text


def targets(html: str) -> list[Element]:
    return [one for one in parsed(html).iter("button") if one.get("name") == "slot_locator"]


def test_an_appointment_is_moved_on_the_grid_with_one_press(
    god: Actor, front: Desk, provider: Any, clinic: Any
) -> None:
    noon = make.mid_week()
    here, goal, full = (make.a_slot(god, provider, hours=noon + hours, clinic=clinic) for hours in range(3))
    booked, _ = make.an_appointment(god, slot=here, status="BOOKED"), make.an_appointment(god, slot=full)
    day = f"day={clock.local(here.starts_at, 'Asia/Yangon').date()}"
    plain = front.get(f"/calendar?clinic={clinic.locator}&{day}").text
    [move] = [one.get("href") for one in parsed(plain).iter("a") if f"move={booked.locator}" in (one.get("href") or "")]
    moving = front.get(move or "").text
    assert goal.locator in [one.get("value") for one in targets(moving)]
    assert full.locator not in [one.get("value") for one in targets(moving)]
    assert here.locator not in [one.get("value") for one in targets(moving)]
    assert "Now here" in moving
    form = form_to(moving, f"/appointments/{booked.locator}/reschedule")
    done = front.open("POST", form.action, data={**form.values, "slot_locator": goal.locator})
    assert done.status_code == 303
    assert done.location.startswith(f"/calendar?clinic={clinic.locator}")
    assert "move=" not in done.location
    assert get_appointment(god, booked.locator).slot_locator == goal.locator
    stale = front.open("POST", form.action, data={**form.values, "slot_locator": here.locator})
    assert stale.status_code == 409


@pytest.mark.parametrize("view", ["view=day", "view=week", "provider={provider}"])
def test_moving_works_in_every_view(god: Actor, front: Desk, provider: Any, clinic: Any, view: str) -> None:
    day = clock.local(clock.now(), "Asia/Yangon").date() + timedelta(days=3)
    nine = moment_at(day, time(9), "Asia/Yangon")
    with clock.at(nine - timedelta(hours=2)):  # so that both are of one day, whatever the hour of this test
        here, goal = (make.a_slot(god, provider, hours=hours, clinic=clinic) for hours in (1, 2))
    booked = make.an_appointment(god, slot=here)
    address = (
        f"/calendar?{view.format(provider=provider.locator)}&clinic={clinic.locator}&move={booked.locator}&day={day}"
    )
    assert goal.locator in [one.get("value") for one in targets(front.get(address).text)]
    alone = front.get(f"/calendar?move={booked.locator}").text
    assert f"<h1>{provider.name}</h1>" in alone
    found = front.get(f"/next-free?move={booked.locator}").text
    assert [one.get("value") for one in targets(found)] == [goal.locator]
    appointments.act(god, booked.locator, action="arrive")
    stays = front.get(address).text
    assert not targets(stays)
    assert "cannot be moved: its status is Arrived" in texts(stays)


def test_who_loses_the_race_for_a_move_gets_three_times_and_keeps_the_reason(
    god: Actor, front: Desk, provider: Any, clinic: Any
) -> None:
    here, goal, *others = (make.a_slot(god, provider, hours=40 + n, clinic=clinic) for n in range(6))
    booked = make.an_appointment(god, slot=here)
    page = f"/appointments/{booked.locator}/reschedule"
    form = front.forms(f"/calendar?move={booked.locator}")[page]
    make.an_appointment(god, slot=goal)
    lost = front.open("POST", page, data={**form.values, "slot_locator": goal.locator, "reason": "Cannot come"})
    assert lost.status_code == 409
    assert [one.get("value") for one in targets(lost.text)] == [one.locator for one in others[:3]]
    again = form_to(lost.text, page)
    assert (again.values["reason"], again.values["back"]) == ("Cannot come", form.values["back"])
    assert "slot_locator" not in again.values
    data = {**again.values, "slot_locator": others[0].locator}
    done = front.open("POST", page, data=data)
    assert (done.status_code, done.location) == (303, form.values["back"])
    assert get_slot(god, others[0].locator).booked == 1


def test_only_a_calendar_is_gone_back_to(god: Actor, front: Desk, provider: Any) -> None:
    booked, goal = make.an_appointment(god, slot=make.a_slot(god, provider)), make.a_slot(god, provider, hours=9)
    page = f"/appointments/{booked.locator}/reschedule"
    form = front.forms(page)[page]
    data = {**form.values, "slot_locator": goal.locator, "back": "https://elsewhere.example/"}
    assert front.open("POST", page, data=data).location == f"/episodes/{booked.episode_locator}"


def test_the_patients_other_visit_closes_a_time_for_him(god: Actor, front: Desk, provider: Any, clinic: Any) -> None:
    patient = make.a_patient(god)
    episode = make.an_episode(god, patient)
    slot = make.a_slot(god, provider, hours=40, clinic=clinic)
    make.an_appointment(god, episode, make.a_slot(god, hours=40))
    address = f"/calendar?provider={provider.locator}&day={clock.local(slot.starts_at, 'Asia/Yangon').date()}"
    assert "patient busy" in front.get(f"{address}&party={patient.locator}").text
    assert "patient busy" not in front.get(address).text
    assert slot.locator not in front.get(f"/next-free?episode={episode.locator}").text


def test_the_next_free_page_searches_without_script(god: Actor, desk: Callable[..., Desk], clinic: Any) -> None:
    skin = make.a_provider(god, name="Dr Skin", specialty="DERMATOLOGY", clinic_locators=[clinic.locator])
    slot, other = make.a_slot(god, skin, hours=40, clinic=clinic), make.a_slot(god, hours=41)
    doctor = desk(Role.CLINICIAN)
    everything = doctor.get("/next-free").text
    assert slot.locator in everything
    assert other.locator in everything
    narrowed = doctor.get(f"/next-free?specialty=DERMATOLOGY&clinic={clinic.locator}&part=&minutes=30&type=").text
    assert slot.locator in narrowed
    assert other.locator not in narrowed
    assert "<html" not in doctor.get("/next-free?specialty=DERMATOLOGY", htmx=True).text
    assert "Nothing free within 90 days" in doctor.get("/next-free?specialty=NONE").text
    for wrong in ("minutes=none", "since=tomorrow"):
        refused = doctor.open("GET", f"/next-free?{wrong}")
        assert refused.status_code == 422
        assert "There is something to correct" in refused.text
    assert doctor.open("GET", "/next-free?party=PTY-2026-999999").status_code == 404


def test_long_lists_of_free_times_go_on(god: Actor, front: Desk, provider: Any) -> None:
    made = [make.a_slot(god, provider, hours=40 + n) for n in range(22)]
    first = front.get("/next-free?part=").text
    [later] = [one.get("href") for one in parsed(first).iter("a") if "cursor=" in (one.get("href") or "")]
    last = front.get(later or "").text
    assert made[19].locator in first
    assert made[20].locator not in first
    assert made[21].locator in last


def test_booking_keeps_to_one_record_with_a_double_press(god: Actor, front: Desk, provider: Any) -> None:
    slot = make.a_slot(god, provider, capacity=5)
    patient = make.a_patient(god)
    page = f"/slots/{slot.locator}/book"
    form = front.forms(f"{page}?party={patient.locator}")[page]
    assert front.send(form).location == front.send(form).location
    [episode] = list_episodes(god, party=patient.locator).items
    assert len(list_appointments(god, episode.locator).items) == 1


def test_who_has_a_visit_with_the_provider_that_day_is_hinted_at(god: Actor, front: Desk, provider: Any) -> None:
    nine = moment_at(clock.local(clock.now(), "Asia/Yangon").date() + timedelta(days=2), time(9), "Asia/Yangon")
    with clock.at(nine - timedelta(hours=2)):  # two of one day, whatever the hour of this test
        slot, later, tomorrow = (make.a_slot(god, provider, hours=hours) for hours in (1, 2, 49))
    patient = make.a_patient(god)
    episode = make.an_episode(god, patient)
    booked = make.an_appointment(god, episode, slot)
    at = clock.local(slot.starts_at, "Asia/Yangon")
    hint = f"Already booked on {at:%a} {at.day} {at:%b %Y}, {at:%H:%M} with Dr Hla Hla {booked.locator}"
    page = f"/slots/{later.locator}/book"
    for address in (f"{page}?episode={episode.locator}", f"{page}?party={patient.locator}"):
        assert hint in texts(front.get(address).text)
    found = front.fill(page, f"/slots/{later.locator}/patients", q=patient.locator)
    assert hint in texts(found.text)
    assert "Already booked" not in front.get(f"/slots/{tomorrow.locator}/book?party={patient.locator}").text
    assert front.fill(f"{page}?episode={episode.locator}", page).status_code == 303, "a hint refuses nothing"
