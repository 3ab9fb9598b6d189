"""A walk-in: found or registered, given a free place and checked in, in one act."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.clinics.views import ClinicView
from careapp.patients.views import HumanName, PatientView
from careapp.scheduling import appointments, slots
from careapp.scheduling.views import SlotView
from tests import factories as make
from tests.looking import id_of, one, rows, topics
from tests.web.checks import forms_of, parsed
from tests.web.conftest import Desk

NINE = datetime(2027, 3, 10, 2, 30, tzinfo=UTC)  # 09:00 in Yangon, a Wednesday


@pytest.fixture(autouse=True)
def nine_o_clock() -> Any:
    """It is nine in the morning in Yangon."""
    with clock.at(NINE):
        yield


@pytest.fixture
def clinic(god: Actor) -> ClinicView:
    """The clinic somebody walks into."""
    return make.a_clinic(god)


@pytest.fixture
def patient(god: Actor) -> PatientView:
    """Who walks in."""
    return make.a_patient(god, name=HumanName(family="Nilarsoe", given=["Ma"]))


def a_place(god: Actor, clinic: ClinicView | None, *, minutes: int = 0, **fields: Any) -> SlotView:
    """A slot of half an hour that begins so many minutes after nine."""
    with clock.at(NINE - timedelta(days=1)):
        start = NINE + timedelta(minutes=minutes)
        return slots.add_slot(
            god, fields.pop("provider", None) or make.a_provider(god).locator, start=start,
            end=start + timedelta(minutes=30), clinic_locator=clinic.locator if clinic else None, **fields,
        )  # fmt: skip


def here(clinic: ClinicView, patient: PatientView | None = None) -> str:
    """The walk-in page of a clinic, for a patient."""
    return f"/walk-in?clinic={clinic.locator}" + (f"&party={patient.locator}" if patient else "")


def test_one_press_opens_books_and_checks_in(god: Actor, front: Desk, clinic: ClinicView, patient: PatientView) -> None:
    begun = a_place(god, clinic, minutes=-10)
    a_place(god, clinic, minutes=30)
    form = front.forms(here(clinic, patient))[here(clinic)]
    assert form.values["slot_locator"] == begun.locator  # it has begun and is not over: a walk-in takes it
    done = front.send(form, care_type="URGENT_CARE", reason="Cut finger")
    row = rows(god, "SELECT a.*, e.care_type FROM appointments a JOIN episodes e ON e.id = a.episode_id")[0]
    assert (row.status, row.care_type, row.reason) == ("ARRIVED", "URGENT_CARE", "Cut finger")
    assert (done.status_code, done.location) == (303, f"/today?clinic={clinic.locator}#{row.locator}")
    assert topics(god)[-3:] == ["care.episode.opened", "care.appointment.booked", "care.appointment.status_changed"]
    page = front.get(f"/today?clinic={clinic.locator}").text
    assert "The walk-in is booked and checked in." in page
    assert "Checked in by Ma Thandar Test, 09:00" in page


def test_an_open_episode_is_gone_on_with(god: Actor, front: Desk, clinic: ClinicView, patient: PatientView) -> None:
    a_place(god, clinic)
    episode = make.an_episode(god, patient)
    form = front.forms(here(clinic, patient))[here(clinic)]
    assert form.values["choice"] == episode.locator
    front.send(form)
    assert one(god, "SELECT count(*) FROM episodes") == 1
    assert one(god, "SELECT status FROM appointments") == "ARRIVED"


def test_somebody_new_is_registered_with_it(god: Actor, front: Desk, clinic: ClinicView) -> None:
    a_place(god, clinic)
    page = front.fill(here(clinic), f"/walk-in/find?clinic={clinic.locator}", q="ma khin lay 3 feb 1990")
    assert "Nobody is found" in page.text
    for typed in ('value="ma khin lay"', 'value="1990-02-03"'):
        assert typed in page.text
    new = {"given": "Ma Khin", "family": "Lay", "birth_date": "1990-02-03"}
    assert front.fill(here(clinic), here(clinic), htmx=False, **new).status_code == 303
    assert rows(god, "SELECT family FROM patients")[0].family == "Lay"
    assert one(god, "SELECT status FROM appointments") == "ARRIVED"


def test_all_of_it_happens_or_nothing(god: Actor, front: Desk, clinic: ClinicView) -> None:
    taken = a_place(god, clinic)
    form = front.forms(here(clinic))[here(clinic)]
    appointments.book(god, make.an_episode(god).locator, slot_locator=taken.locator)
    before = one(god, "SELECT count(*) FROM patients")
    answer = front.send(form, given="Ma Khin", family="Lay")
    assert answer.status_code == 409
    assert one(god, "SELECT count(*) FROM patients") == before
    assert one(god, "SELECT count(*) FROM episodes") == 1
    assert "Nothing is free today" in answer.text
    for typed in ('value="Ma Khin"', 'value="Lay"'):
        assert typed in answer.text
    [again] = [form for form in forms_of(parsed(answer.text)) if form.action == here(clinic)]
    answer = front.send(again)
    assert answer.status_code == 422
    assert 'value="Ma Khin"' in answer.text
    opened = a_place(god, clinic, minutes=30)
    assert front.open("POST", here(clinic), data={**again.values, "slot_locator": opened.locator}).status_code == 303


@pytest.mark.parametrize("choice", [{}, {"choice": ""}, {"choice": "nobody"}])
@pytest.mark.parametrize("free", [True, False])
def test_who_says_for_whom_it_is_in_no_known_way_is_asked_as_for_somebody_new(
    front: Desk, god: Actor, clinic: ClinicView, choice: dict[str, str], free: bool
) -> None:
    if free:
        a_place(god, clinic)
    token = front.forms(here(clinic))[f"/walk-in/find?clinic={clinic.locator}"].values["csrf_token"]
    answer = front.open("POST", here(clinic), data={"csrf_token": token, "family": "Lay", **choice})
    assert answer.status_code == 422
    assert 'value="Lay"' in answer.text
    assert one(god, "SELECT count(*) FROM patients") == 0


def test_who_comes_too_late_keeps_what_was_typed_and_sees_what_is_free(
    god: Actor, front: Desk, clinic: ClinicView, patient: PatientView
) -> None:
    first, second = a_place(god, clinic), a_place(god, clinic, minutes=60)
    form = front.forms(here(clinic, patient))[here(clinic)]
    appointments.book(god, make.an_episode(god).locator, slot_locator=first.locator)
    answer = front.send(form, reason="Cut finger")
    assert answer.status_code == 409
    assert "Cut finger" in answer.text
    assert first.locator not in answer.text
    assert f'value="{second.locator}" checked' in answer.text
    assert "Nilarsoe" in answer.text


def test_a_form_without_a_name_is_shown_again(god: Actor, front: Desk, clinic: ClinicView) -> None:
    a_place(god, clinic)
    answer = front.fill(here(clinic), here(clinic), phone="09 123 456")
    assert answer.status_code == 422
    assert "Give a family name or a given name." in answer.text
    assert 'value="09 123 456"' in answer.text


def test_who_may_be_registered_already_is_shown_first(
    god: Actor, front: Desk, clinic: ClinicView, patient: PatientView
) -> None:
    a_place(god, clinic)
    typed = {"given": "Ma", "family": "Nilarsoe", "birth_date": "1980-05-17"}
    answer = front.fill(here(clinic), here(clinic), htmx=False, **typed)
    assert answer.status_code == 409
    assert "Is it one of these?" in answer.text
    assert f'href="/walk-in?clinic={clinic.locator}&amp;party={patient.locator}"' in answer.text
    assert one(god, "SELECT count(*) FROM patients") == 1
    form = next(form for form in forms_of(parsed(answer.text)) if form.action == here(clinic))
    assert form.values["looked_at"] == patient.locator
    assert front.send(form).status_code == 303
    assert one(god, "SELECT count(*) FROM patients") == 2


def test_a_double_post_makes_one_visit(god: Actor, front: Desk, clinic: ClinicView, patient: PatientView) -> None:
    a_place(god, clinic, capacity=5)
    form = front.forms(here(clinic, patient))[here(clinic)]
    first, second = front.send(form), front.send(form)
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.location == second.location
    assert one(god, "SELECT count(*) FROM appointments") == 1
    assert one(god, "SELECT count(*) FROM episodes") == 1


def test_when_nothing_is_free_the_next_times_are_offered(
    god: Actor, front: Desk, clinic: ClinicView, patient: PatientView
) -> None:
    assert "Nor is anything free" in front.get(here(clinic, patient)).text
    full = a_place(god, clinic)
    appointments.book(god, make.an_episode(god).locator, slot_locator=full.locator)
    a_place(god, clinic, minutes=-30)  # over
    a_place(god, make.a_clinic(god, name="Hill Clinic"))
    tomorrow = a_place(god, clinic, minutes=24 * 60)
    page = front.get(here(clinic, patient)).text
    assert "Nothing is free today" in page
    assert f'href="/slots/{tomorrow.locator}/book?party={patient.locator}"' in page
    assert "Thu 11 Mar 2027, 09:00" in page
    assert page.count("/book?") == 1
    assert f'href="/next-free?clinic={clinic.locator}&amp;party={patient.locator}">Later times' in page


def test_when_nothing_is_free_a_slot_is_added_and_the_walk_in_gone_on_with(
    god: Actor, front: Desk, clinic: ClinicView, patient: PatientView
) -> None:
    provider = make.a_provider(god, clinic_locators=[clinic.locator]).locator
    [lead] = [
        str(one.get("href")) for one in parsed(front.get(here(clinic, patient)).text).iter("a")
        if (one.get("href") or "").startswith("/slots/new")
    ]  # fmt: skip
    assert f'href="{here(clinic, patient).replace("&", "&amp;")}">Back</a>' in front.get(lead).text
    times = {"provider_locator": provider, "first": "09:00", "last": "09:30"}
    assert front.fill(lead, lead, **times).location == here(clinic, patient)
    front.fill(here(clinic, patient), here(clinic))
    assert one(god, "SELECT status FROM appointments") == "ARRIVED"
    elsewhere = lead.replace("next=/", "next=https://example.org/")
    assert (
        "example.org" not in front.fill(elsewhere, elsewhere, **(times | {"first": "10:00", "last": "10:30"})).location
    )


def test_when_nothing_is_free_somebody_new_is_registered_on_the_way(
    god: Actor, front: Desk, clinic: ClinicView
) -> None:
    find = f"/walk-in/find?clinic={clinic.locator}"
    page = front.fill(here(clinic), find, q="ma khin lay 3 feb 1990").text
    assert "Register the patient below" not in page
    [register] = [str(one.get("formaction")) for one in parsed(page).iter("button") if one.get("formaction")]
    form = next(form for form in forms_of(parsed(page)) if form.action == find)
    page = front.open("POST", register, data=form.values).text
    assert 'value="ma khin lay"' in page
    form = next(form for form in forms_of(parsed(page)) if form.action.startswith("/patients/new?"))
    made = front.send(form, given="Ma Khin", family="Lay")
    assert made.location == here(clinic) + "&party=" + rows(god, "SELECT locator FROM patients")[0].locator


def test_places_of_a_provider_who_is_busy_are_not_offered(
    god: Actor, front: Desk, clinic: ClinicView, patient: PatientView
) -> None:
    provider = make.a_provider(god).locator
    taken, free = (a_place(god, clinic, minutes=minutes, provider=provider) for minutes in (0, 60))
    appointments.book(god, make.an_episode(god, patient).locator, slot_locator=taken.locator)
    other = a_place(god, clinic, minutes=15)  # the patient is elsewhere then
    page = front.get(here(clinic, patient)).text
    assert other.locator not in page
    assert free.locator in page
    assert a_place(god, None, minutes=90).locator in front.get(here(clinic, patient)).text


def test_a_visit_of_today_is_checked_in_instead(
    god: Actor, front: Desk, clinic: ClinicView, patient: PatientView
) -> None:
    slot = a_place(god, clinic, minutes=30)
    visit = appointments.book(god, make.an_episode(god, patient).locator, slot_locator=slot.locator, accepted=True)
    page = front.get(here(clinic, patient)).text
    assert "There is a visit today already, at 09:30" in page
    done = front.fill(here(clinic, patient), f"/today/{visit.locator}/arrive?clinic={clinic.locator}")
    assert done.location == f"/today?clinic={clinic.locator}#{visit.locator}"
    assert one(god, "SELECT status FROM appointments") == "ARRIVED"


def test_the_patient_is_found_without_his_name_in_an_address(
    god: Actor, front: Desk, clinic: ClinicView, patient: PatientView
) -> None:
    page = front.fill(here(clinic), f"/walk-in/find?clinic={clinic.locator}", q="nilar")
    assert f'href="/walk-in?clinic={clinic.locator}&amp;party={patient.locator}"' in page.text
    assert front.fill(here(clinic), f"/walk-in/find?clinic={clinic.locator}", q="").status_code == 200


def test_somebody_is_found_while_one_types(god: Actor, front: Desk, clinic: ClinicView, patient: PatientView) -> None:
    a_place(god, clinic)
    find = f"/walk-in/find?clinic={clinic.locator}"
    assert f'hx-post="{find}" hx-trigger="input changed delay:250ms, typed"' in front.get(here(clinic)).text
    found = front.fill(here(clinic), find, htmx=True, q="nilar").text
    assert found.strip().startswith('<div id="found"')
    assert f'href="/walk-in?clinic={clinic.locator}&amp;party={patient.locator}">Choose' in found
    assert "Choose" not in front.fill(here(clinic), find, htmx=True, q="n").text
    nobody = front.fill(here(clinic), find, htmx=True, q="nobody").text
    assert "Nobody is found" in nobody
    assert 'form="walk-in-find"' in nobody


def test_who_is_found_is_not_copied_into_the_form_of_a_new_patient(
    god: Actor, front: Desk, clinic: ClinicView, patient: PatientView
) -> None:
    a_place(god, clinic)
    find = f"/walk-in/find?clinic={clinic.locator}"
    page = front.fill(here(clinic), find, q="nilar").text
    assert f'party={patient.locator}" autofocus>Choose' in page
    assert page.count("autofocus") == 1
    assert page.count('value="nilar"') == 1  # where it was typed
    page = front.fill(here(clinic), find, q="nobody").text
    assert page.count('value="nobody"') == 2
    assert page.count("autofocus") == 1


def test_one_of_both_names_is_enough_and_the_form_says_so(god: Actor, front: Desk, clinic: ClinicView) -> None:
    a_place(god, clinic)
    for page in (front.get(here(clinic)).text, front.get("/patients/new").text):
        assert "One of the two is enough." in page
        assert "Given names</label>" in page
        assert "Family name</label>" in page


def test_the_clinic_is_in_scope(god: Actor, desk: Callable[..., Desk], clinic: ClinicView) -> None:
    other = make.a_clinic(god, name="Hill Clinic")
    scoped = desk(Role.FRONT_DESK, clinic_ids=[id_of(god, "clinics", other.locator)])
    assert "Hill Clinic" in scoped.get("/walk-in").text
    assert scoped.open("GET", here(clinic)).status_code == 404
    assert "Which clinic are you at?" in desk(Role.FRONT_DESK).get("/walk-in").text
    assert desk(Role.AUDITOR).open("GET", "/walk-in").status_code == 403
    assert scoped.open("GET", f"/walk-in?clinic={other.locator}&party=PTY-2026-000000").status_code == 404


def test_a_patient_who_is_gone_is_looked_for_again(
    god: Actor, front: Desk, clinic: ClinicView, patient: PatientView
) -> None:
    a_place(god, clinic)
    form = front.forms(here(clinic, patient))[here(clinic)]
    form.values["choice"] = "PTY-2026-000000"
    answer = front.send(form)
    assert answer.status_code == 422
    assert "Find the patient again" in answer.text
