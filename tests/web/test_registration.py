"""Registering a patient: a look at who is here already, one record for a double click, going on; and changing one."""

from datetime import date
from html import unescape
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.patients.queries import get_patient, get_patient_details
from careapp.patients.views import ContactPoint, HumanName, PatientView
from tests import factories as make
from tests.looking import audits, one
from tests.web.checks import Form, forms_of, parsed, years_since
from tests.web.conftest import Desk

NEW = "/patients/new"


def hla(god: Actor, **fields: Any) -> PatientView:
    """Somebody registered already."""
    phone = [ContactPoint(system="phone", value="+95 9 555 0101", use="mobile")]
    values = {"name": HumanName(given=["Daw", "Hla", "Hla", "Win"]), "birth_date": date(1980, 2, 3), "telecom": phone}
    return make.a_patient(god, **{**values, **fields})


def form_of(page: Any, address: str = NEW) -> Form:
    """The form of an answer."""
    return next(form for form in forms_of(parsed(page.text)) if form.action == address)


def test_register_once_and_see_the_page(god: Actor, front: Desk) -> None:
    form = front.forms(NEW)[NEW]
    typed = {"given": "Nyein Chan", "family": "Aung", "birth_date": "1 Mar 2001", "gender": "male", "phone": "09 123"}
    typed |= {"email": "nc@example.org", "language": "my", "identifier": "12/ABC(N)123", "identifier_system": "NRC"}
    first, second = front.send(form, **typed), front.send(form, **typed)
    assert first.status_code == 303
    assert first.location == second.location, "a double click makes one record, and shows nobody as his own double"
    made = get_patient_details(god, first.location.rsplit("/", 1)[1])
    assert (made.name.text, str(made.birth_date), made.gender) == ("Nyein Chan Aung", "2001-03-01", "male")
    assert (made.language, made.identifiers[0].value) == ("my", "12/ABC(N)123")
    page = front.get(first.location).text
    age = f"1 Mar 2001 ({years_since(2001, 3, 1)} years)"
    for text in ("Nyein Chan Aung", age, "09 123", "Burmese", "NRC", "The patient is registered."):
        assert text in page, text


def test_who_is_likely_here_already_is_shown_before_saving(god: Actor, front: Desk) -> None:
    known = hla(god)
    typed = {
        "given": "Hla Hla",
        "family": "Win",
        "birth_date": "1980-02-03",
        "phone": "09 555 0101",
        "gender": "female",
    }
    asked = front.fill(NEW, **typed)
    assert asked.status_code == 409
    for text in ("Is it one of these?", known.locator, "Very likely the same", "same birth date, same name", "…0101"):
        assert text in unescape(asked.text), text
    assert f'href="/patients/{known.locator}"' in asked.text
    assert one(god, "SELECT count(*) FROM patients") == 1
    form = form_of(asked)
    assert {name: form.values[name] for name in ("given", "family", "birth_date")} == {
        "given": "Hla Hla", "family": "Win", "birth_date": "1980-02-03",
    }  # fmt: skip
    assert front.send(form).status_code == 303
    assert front.send(form).status_code == 303
    assert one(god, "SELECT count(*) FROM patients") == 2, "the second press says that they have been looked at"
    [looked] = [audit for audit in audits(god) if audit.action == "patient.likely" and audit.patients]
    assert looked.patients == [known.locator]


def test_somebody_entered_meanwhile_is_shown_as_well(god: Actor, front: Desk) -> None:
    hla(god)
    asked = front.fill(NEW, given="Hla Hla", family="Win", birth_date="1980-02-03")
    meanwhile = hla(god, birth_date=None)
    again = front.send(form_of(asked))
    assert again.status_code == 409
    assert meanwhile.locator in again.text
    assert front.send(form_of(again)).status_code == 303


def test_nobody_is_shown_who_merely_shares_a_name_or_a_day(god: Actor, front: Desk) -> None:
    hla(god)
    assert front.fill(NEW, given="Hla Hla Win", birth_date="1951-07-08").status_code == 303
    assert front.fill(NEW, given="Kyaw Zin", birth_date="1980-02-03").status_code == 303


def test_registering_goes_on_where_it_was_asked_for(god: Actor, front: Desk) -> None:
    slot = make.a_slot(god)
    back = f"/slots/{slot.locator}/book"
    address = f"{NEW}?next=%2Fslots%2F{slot.locator}%2Fbook"
    assert address in {form.action for form in forms_of(parsed(front.get(f"{NEW}?next={back}").text))}
    made = front.fill(f"{NEW}?next={back}", address, given="Kyaw Zin", birth_date="1990-01-01")
    assert made.location.startswith(f"{back}?party=PTY-")
    assert "Kyaw Zin" in front.get(made.location).text
    known = hla(god)
    asked = front.fill(f"{NEW}?next={back}", address, given="Hla Hla Win", birth_date="1980-02-03")
    assert f"{back}?party={known.locator}" in asked.text
    for foreign in ("https://evil.example/", "//evil.example", "/nowhere"):
        assert NEW in front.forms(f"{NEW}?next={foreign}"), foreign


def test_nobody_types_twice_what_he_searched_for(god: Actor, front: Desk) -> None:
    nobody = front.fill("/patients", q="Kyaw Zin 1990-01-02")
    filled = front.send(form_of(nobody, f"{NEW}/found-nobody"))
    assert filled.status_code == 200
    values = form_of(filled).values
    assert (values["given"], values["birth_date"]) == ("Kyaw Zin", "1990-01-02")
    assert front.send(form_of(filled)).status_code == 303


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("phone", "call me", "Enter a phone number"),
        ("phone", "1234", "Enter a phone number"),
        ("phone", "1234567890123456", "Enter a phone number"),
        ("email", "nobody", "Enter an e-mail address"),
        ("email", "a@b", "Enter an e-mail address"),
        ("birth_date", "2199-01-01", "future"),
        ("birth_date", "1800-01-01", "The birth date lies more than 130 years ago."),
        ("birth_date", "11/12/1990", "Enter a day such as"),
        ("language", "klingon", "Choose one of the list."),
    ],
)
def test_slips_are_named_and_nothing_typed_is_lost(front: Desk, field: str, typed: str, message: str) -> None:
    refused = front.open("POST", NEW, data={**front.forms(NEW)[NEW].values, "family": "Aung", field: typed})
    assert refused.status_code == 422
    assert message in refused.text
    values = form_of(refused).values
    assert values["family"] == "Aung"
    assert field == "language" or values[field] == typed


def test_a_patient_needs_a_name(front: Desk) -> None:
    refused = front.fill(NEW, given=" ", birth_date="1990-01-01")
    assert refused.status_code == 422
    assert "Give a family name or a given name." in refused.text


def test_burmese_digits_of_a_phone_number_are_kept_as_latin_ones(god: Actor, front: Desk) -> None:
    made = front.fill(NEW, given="မောင်မောင်", phone="၀၉ ၅၅၅ ၀၁၀၁")
    assert made.status_code == 303
    assert get_patient(god, made.location.rsplit("/", 1)[1]).telecom[0].value == "09 555 0101"


def test_changing_a_patient(god: Actor, front: Desk) -> None:
    more = [ContactPoint(system="phone", value="09 111 222", use="home"), ContactPoint(system="fax", value="1")]
    patient = hla(god, telecom=[ContactPoint(system="phone", value="09 555 0101", use="mobile"), *more])
    address = f"/patients/{patient.locator}/edit"
    form = front.forms(address)[address]
    assert front.send(form, given="Hla Hla Wynn", phone="09 555 0999", language="my").status_code == 303
    after = get_patient_details(god, patient.locator)
    assert (after.name.text, after.language, after.version) == ("Hla Hla Wynn", "my", 2)
    assert [(one.value, one.use) for one in after.telecom] == [
        ("09 555 0999", "mobile"), ("09 111 222", "home"), ("1", None),
    ]  # fmt: skip
    assert patient.locator in front.fill("/patients", q="wynn").text
    assert patient.locator in front.fill("/patients", q="09 555 0999").text
    assert "Nobody found" in front.fill("/patients", q="09 555 0101").text
    audit = next(audit for audit in audits(god) if audit.action == "patient.update")
    assert set(audit.detail["changed"]) == {"given", "language", "telecom"}
    late = front.send(form, given="Too Late")
    assert late.status_code == 409
    assert "Hla Hla Wynn" in late.text
    assert form_of(late, address).values["given"] == "Too Late"
    assert front.send(form_of(late, address)).status_code == 303
    assert get_patient(god, patient.locator).name.text == "Too Late"


def test_an_auditor_registers_and_changes_nobody(god: Actor, desk: Any) -> None:
    patient, auditor = hla(god), desk(Role.AUDITOR)
    for address in (NEW, f"/patients/{patient.locator}/edit"):
        assert auditor.open("GET", address).status_code == 403


def test_a_language_is_named_and_never_a_code(front: Desk) -> None:
    page = front.get("/patients/new").text
    for tag, name in (("ksw", "S’gaw Karen"), ("mnw", "Mon"), ("rki", "Rakhine"), ("kac", "Kachin")):
        assert f'<option value="{tag}">{name}</option>' in page
