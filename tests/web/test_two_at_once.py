"""Two people change one record: who comes too late loses nothing he typed, and undoes nothing he never touched."""

import json
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from careapp.access import Actor, Role
from careapp.clinics import service as clinics
from careapp.identity import users
from careapp.operations.settings import change_settings, get_settings
from careapp.patients import service
from careapp.patients.queries import get_patient_details
from careapp.patients.views import ContactPoint, HumanName, PatientDetails
from tests import factories as make
from tests.identity.people import a_user
from tests.looking import id_of, one
from tests.web.checks import Form, forms_of, parsed
from tests.web.conftest import Desk

KNOWN = {"phone": "09 111 1111", "email": "old@example.org"}


def texts(page: Any, tag: str, **attributes: str) -> list[str]:
    """The texts of elements with these attributes."""
    found = [one for one in parsed(page.text).iter(tag) if attributes.items() <= dict(one.attrib).items()]
    return [" ".join("".join(one.itertext()).split()) for one in found]


def stored_now(page: Any) -> dict[str, str]:
    """What a refused page says of the record as it is now."""
    panel: Element = next(
        one for one in parsed(page.text).iter("section") if one.get("aria-labelledby") == "stored-now"
    )
    labels, values = (["".join(one.itertext()) for one in panel.iter(tag)] for tag in ("dt", "dd"))
    return dict(zip(labels, values, strict=True))


def by_another(god: Actor, patient: PatientDetails, **changes: Any) -> PatientDetails:
    """Somebody else saves the patient with changes; `phone` and `email` are ways to reach him."""
    reached = [ContactPoint(system=name, value=changes.pop(name, KNOWN[name])) for name in KNOWN]
    values = {"name": patient.name, "birth_date": None, "gender": patient.gender, "language": None, "identifiers": []}
    return service.update(god, patient.locator, version=patient.version, telecom=reached, **{**values, **changes})


@pytest.fixture
def opened(god: Actor, front: Desk) -> tuple[PatientDetails, Form]:
    """A patient, and his form as somebody has it open."""
    reached = [ContactPoint(system=name, value=value) for name, value in KNOWN.items()]
    patient = make.a_patient(god, name=HumanName(given=["Daw", "Hla"]), birth_date=None, telecom=reached)
    address = f"/patients/{patient.locator}/edit"
    return get_patient_details(god, patient.locator), front.forms(address)[address]


def again(page: Any, form: Form) -> Form:
    """The same form on the page that refused it."""
    return next(one for one in forms_of(parsed(page.text)) if one.action == form.action)


def test_what_nobody_touched_takes_what_was_saved_meanwhile(
    god: Actor, front: Desk, opened: tuple[PatientDetails, Form]
) -> None:
    patient, form = opened
    by_another(god, patient, phone="09 999 9999", language="my")
    late = front.send(form, email="new@example.org")
    assert late.status_code == 409
    assert stored_now(late) == {"Phone": "09 999 9999", "E-mail address": "old@example.org", "Language": "Burmese"}
    values = again(late, form).values
    assert (values["phone"], values["email"], values["language"]) == ("09 999 9999", "new@example.org", "my")
    assert not texts(late, "p", **{"class": "error"}), "nobody has changed the same"
    assert front.send(again(late, form)).status_code == 303
    after = get_patient_details(god, patient.locator)
    assert [point.value for point in after.telecom] == ["09 999 9999", "new@example.org"]
    assert after.language == "my"


def test_a_field_both_have_changed_keeps_what_was_typed_and_says_what_it_is(
    god: Actor, front: Desk, opened: tuple[PatientDetails, Form]
) -> None:
    patient, form = opened
    second = by_another(god, patient, phone="09 999 9999", gender="female")
    late = front.send(form, phone="09 222 2222")
    assert again(late, form).values["phone"] == "09 222 2222"
    said = "Error: Somebody else has changed this meanwhile. It is now: 09 999 9999"
    assert texts(late, "p", id="phone-error") == [said]
    assert texts(late, "p", **{"class": "error"}) == [said]
    assert texts(late, "a", href="#phone"), "the summary leads to it"
    by_another(god, get_patient_details(god, patient.locator), phone="09 999 9999", gender="other")
    later = front.send(again(late, form))
    assert later.status_code == 409, f"somebody was quicker than the second press, too, on {second.version}"
    assert again(later, form).values["gender"] == "other"
    assert texts(later, "p", **{"class": "error"}) == [], "what he has seen of the phone has not changed since"
    assert front.send(again(later, form)).status_code == 303
    after = get_patient_details(god, patient.locator)
    assert (after.telecom[0].value, after.gender) == ("09 222 2222", "other")


@pytest.mark.parametrize(
    "claim", ["", "{", "[]", "7", '{"phone": {"a": 1}}', "[" * 100_000, '{"phone": "\\ud800"}', None]
)
def test_what_no_page_of_ours_said_counts_as_nothing(
    god: Actor, front: Desk, opened: tuple[PatientDetails, Form], claim: str | None
) -> None:
    patient, form = opened
    by_another(god, patient, phone="09 999 9999")
    sent = {name: text for name, text in form.values.items() if name != "opened"}
    late = front.open("POST", form.action, data=sent if claim is None else {**sent, "opened": claim})
    assert late.status_code == 409
    assert again(late, form).values["phone"] == "09 111 1111", "all counts as typed: nothing is put in its place"
    assert "It is now: 09 999 9999" in late.text
    assert json.loads(again(late, form).values["opened"])["phone"] == "09 999 9999"


def test_a_slip_keeps_what_the_form_was_opened_with(front: Desk, opened: tuple[PatientDetails, Form]) -> None:
    form = opened[1]
    refused = front.send(form, phone="none")
    assert refused.status_code == 422
    assert again(refused, form).values["opened"] == form.values["opened"]


def test_a_clinic_keeps_its_new_zone_and_nobody_is_asked_about_the_old_one(
    god: Actor, desk: Callable[..., Desk]
) -> None:
    office, clinic = desk(Role.ADMIN), make.a_clinic(god)
    make.an_appointment(god, slot=make.a_slot(god, clinic=clinic))
    given = {"name": clinic.name, "phone": None}
    first = clinics.change_clinic(
        god, clinic.locator, version=clinic.version, time_zone=clinic.time_zone, address="1 Hill Road\nBagan", **given
    )
    url = f"/admin/clinics/{clinic.locator}"
    form = office.forms(url)[url]
    clinics.change_clinic(
        god, clinic.locator, version=first.version, time_zone="Asia/Bangkok", address="1 Hill Road\r\nBagan", **given
    )
    late = office.send(form, phone="+95 1 234", address="1 Hill Road\r\nBagan")
    assert late.status_code == 409
    assert stored_now(late) == {"Time zone": "Asia/Bangkok", "Phone": "–"}, "lines end as browsers end them"
    assert office.send(again(late, form)).status_code == 303
    assert one(god, "SELECT time_zone || ' ' || phone FROM clinics") == "Asia/Bangkok +95 1 234"


def test_a_member_of_staff_keeps_the_roles_somebody_else_gave(god: Actor, desk: Callable[..., Desk]) -> None:
    office, clinic = desk(Role.ADMIN), make.a_clinic(god, name="Hill Clinic")
    user = a_user(god, Role.FRONT_DESK, name="Before", clinic_ids=[id_of(god, "clinics", clinic.locator)])
    url = f"/admin/users/{user.id}"
    form = office.forms(url)[url]
    users.change_user(
        god, user.id, version=user.version, name="Before", roles=[Role.AUDITOR, Role.CLINICIAN], clinic_ids=[]
    )
    ticked = {"roles": ["front_desk"], "clinics": [clinic.locator]}
    late = office.open("POST", url, data={**form.values, **ticked, "name": "Typed By Me"})
    assert late.status_code == 409
    assert stored_now(late) == {"Name": "Before", "Roles": "Clinician, Auditor", "Clinics": "All"}
    boxes = [one for one in parsed(late.text).iter("input") if one.get("type") == "checkbox"]
    assert {one.get("value") for one in boxes if one.get("checked") is not None} == {"clinician", "auditor"}
    refused = office.open("POST", url, data={**form.values, "roles": ["admin"], "clinics": [clinic.locator]})
    assert "Somebody else has changed this meanwhile. It is now: Clinician, Auditor" in refused.text


def test_settings_keep_the_minutes_somebody_else_set(god: Actor, desk: Callable[..., Desk]) -> None:
    office = desk(Role.ADMIN)
    form = office.forms("/admin/settings")["/admin/settings"]
    change_settings(god, version=1, name=get_settings(god).name, buffer_minutes=5, language="my")
    late = office.send(form, name="Typed By Me")
    assert late.status_code == 409
    assert again(late, form).values["buffer_minutes"] == "5"
    assert office.send(again(late, form)).status_code == 303
    stored = get_settings(god)
    assert (stored.name, stored.buffer_minutes, stored.language) == ("Typed By Me", 5, "my")
