"""Pages of patients: search by POST, registering, the patient page."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from careapp.access import Actor, Permission, Role
from careapp.overviews.patients import get_patient_chart
from careapp.patients.queries import get_patient
from careapp.patients.views import HumanName
from tests import factories as make
from tests.web.conftest import Desk


@pytest.mark.parametrize("htmx", [False, True])
def test_search(god: Actor, front: Desk, htmx: bool) -> None:
    wanted = make.a_patient(god, name=HumanName(family="Owusu", given=["Ama"]))
    make.a_patient(god, name=HumanName(family="Boateng", given=["Kofi"]))
    for typed in ({"name": "owu am"}, {"locator": wanted.locator.lower()}):
        found = front.fill("/patients", htmx=htmx, **typed)
        assert found.status_code == 200
        assert "Ama Owusu" in found.text
        assert "Boateng" not in found.text
    assert "a patient number" in front.fill("/patients", htmx=htmx).text
    assert "Nobody." in front.fill("/patients", htmx=htmx, name="Nobodyhere").text
    assert front.fill("/patients", htmx=htmx).status_code == 422


def test_register_once_and_see_the_page(god: Actor, front: Desk) -> None:
    form = front.forms("/patients/new")["/patients/new"]
    typed = {"given": "Nyein Chan", "family": "Aung", "birth_date": "1 Mar 2001", "gender": "male", "phone": "09 123"}
    first, second = front.send(form, **typed), front.send(form, **typed)
    assert first.status_code == 303
    assert first.location == second.location
    made = get_patient(god, first.location.rsplit("/", 1)[1])
    assert (made.name.text, str(made.birth_date), made.gender) == ("Nyein Chan Aung", "2001-03-01", "male")
    page = front.get(first.location).text
    for text in ("Nyein Chan Aung", "1 Mar 2001 (25 years)", "09 123", "None recorded"):
        assert text in page
    assert "The patient is registered." in page


def test_a_patient_needs_a_name(front: Desk) -> None:
    refused = front.fill("/patients/new", given=" ", birth_date="2199-01-01")
    assert refused.status_code == 422
    assert "Give a family name or a given name." in refused.text
    assert "future" in front.fill("/patients/new", family="Aung", birth_date="2199-01-01").text


def test_a_birth_date_in_the_year_one_is_a_slip(front: Desk) -> None:
    refused = front.fill("/patients/new", family="Aung", birth_date="0001-01-01")
    assert refused.status_code == 422
    assert "The year must lie between 1800 and 2200." in refused.text
    assert front.fill("/patients", birth_date="0001-01-01").status_code == 422


def test_open_an_episode_from_the_patients_page(god: Actor, front: Desk) -> None:
    patient = make.a_patient(god)
    address = f"/episodes/new?party={patient.locator}"
    assert address in front.get(f"/patients/{patient.locator}").text
    opened = front.fill(address, care_type="GP", reason="Cough")
    assert opened.location.startswith("/episodes/EPI-")
    assert opened.location in front.get(f"/patients/{patient.locator}").text
    assert front.open("GET", "/episodes/new").location == "/patients"
    assert front.open("GET", "/episodes/new?party=PTY-2026-999999").status_code == 404


def test_only_who_gives_care_sees_conditions(
    god: Actor, front: Desk, doctor: Desk, actor_of: Callable[..., Actor]
) -> None:
    patient = make.a_patient(god)
    assert "Conditions" in doctor.get(f"/patients/{patient.locator}").text
    assert "Conditions" not in front.get(f"/patients/{patient.locator}").text
    reader = actor_of(Role.FRONT_DESK)
    reader = replace(reader, permissions=reader.permissions | {Permission.PRESCRIPTION_READ})
    assert get_patient_chart(reader, patient.locator).conditions is None
    reader = replace(reader, permissions=reader.permissions | {Permission.CLINICAL_READ})
    assert get_patient_chart(reader, patient.locator).conditions == []


def test_a_patient_is_found_by_the_number_alone(god: Actor, front: Desk) -> None:
    wanted = make.a_patient(god, name=HumanName(family="Owusu", given=["Ama"]))
    make.a_patient(god, name=HumanName(family="Boateng", given=["Kofi"]))
    _, year, number = wanted.locator.split("-")
    bare = number.lstrip("0")
    for typed in (bare, f" {number} ", f"pty-{year}-{bare}", f"{year}-{bare}", f"0{number}"):
        found = front.fill("/patients", locator=typed).text
        assert wanted.locator in found, typed
        assert "Boateng" not in found, typed
    for typed in (f"PTY-2019-{bare}", f"9{bare}", "no number", "\u1041"):
        assert "Nobody." in front.fill("/patients", locator=typed).text, typed
