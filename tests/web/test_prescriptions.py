"""The prescription form: finding a medicine, dosage, favourites, earlier orders, checks; with htmx and without."""

import html
import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from careapp import localdb
from careapp.access import Actor, Role
from careapp.commands import record, unit_of
from careapp.patients import history as facts
from careapp.patients.views import PatientView
from careapp.prescriptions import queries, service
from careapp.prescriptions.views import Medication
from careapp.providers import service as providers
from careapp.terminology.loading import load_starter
from careapp.terminology.views import RXNORM
from tests import factories as make
from tests.conftest import everything
from tests.database import TestDatabase
from tests.looking import events, id_of, one, rows
from tests.web.checks import Form, forms_of, parsed
from tests.web.conftest import Desk

AMOXICILLIN, IBUPROFEN, NAPROXEN = "308191", "197805", "198014"
PARTS = {"dose": "1", "unit": "capsule", "route": "oral", "timing": "TID", "duration": "7", "duration_unit": "d"}
SENTENCE = "Take 1 capsule by mouth three times a day for 7 days."


class Sheet:
    """The prescription form of one episode, in one browser."""

    def __init__(self, desk: Desk, locator: str, *, htmx: bool = False) -> None:
        self.desk, self.htmx = desk, htmx
        self.address = f"/episodes/{locator}/prescriptions/new"
        self.take(desk.get(self.address))

    def take(self, answer: Any) -> Any:
        """Go on with the form an answer has, as a browser would send it: an unchecked box is not sent."""
        self.answer = answer
        fragment = not answer.text.lstrip().startswith("<!doctype")
        text = answer.text.split("</title>")[-1] if fragment else answer.text
        found = {form.action: form for form in forms_of(parsed(text, fragment=fragment))}
        self.form: Form = found[self.address]
        for box in ("as_needed", "looked"):
            self.form.values.pop(box, None)
        return answer

    def press(self, step: str, **typed: str) -> Any:
        """Press a button that fills the form in."""
        sent = {**self.form.values, **typed, "press": step}
        return self.take(self.desk.open("POST", f"{self.address}/fill", data=sent, htmx=self.htmx))

    def issue(self, **typed: str) -> Any:
        """Press Issue; what is refused is gone on with."""
        answer = self.desk.open("POST", self.address, data={**self.form.values, **typed})
        if answer.status_code != 303:
            assert answer.text.lstrip().startswith("<!doctype")
            self.htmx, was = False, self.htmx
            self.take(answer)
            self.htmx = was
        return answer

    def issue_unchecked(self, **typed: str) -> Any:
        """Press Issue for what cannot be checked, and again with the tick that is asked for."""
        assert self.issue(**typed).status_code == 422
        assert '<a href="#looked">' in self.answer.text
        return self.issue(looked="y")


@pytest.fixture
def patient(god: Actor) -> PatientView:
    """Somebody to prescribe for; a provider is there as well."""
    make.a_provider(god)
    return make.a_patient(god)


@pytest.fixture
def sheet(god: Actor, doctor: Desk, patient: PatientView) -> Callable[..., Sheet]:
    """sheet(htmx=True) opens the form in a new episode of the patient."""

    def opened(*, htmx: bool = False, desk: Desk = doctor) -> Sheet:
        return Sheet(desk, make.an_episode(god, patient).locator, htmx=htmx)

    return opened


def allergic(god: Actor, patient: PatientView, text: str, code: str | None = None, system: str | None = None) -> None:
    """Put an allergy on the patient's record."""
    patient_id = id_of(god, "patients", patient.locator)
    with unit_of(god, name="test"):
        facts.add_fact(god, patient_id, kind="ALLERGY", text=text, code=code, system=system, status="active")
        record("test.allergy")


def stored(god: Actor, column: str = "*") -> list[Any]:
    """The prescriptions of this tenant, oldest first."""
    return rows(god, f"SELECT {column} FROM prescriptions ORDER BY id")


@pytest.mark.parametrize("htmx", [False, True])
def test_a_medicine_is_found_chosen_dosed_and_issued(god: Actor, sheet: Callable[..., Sheet], htmx: bool) -> None:
    form = sheet(htmx=htmx)
    found = form.desk.open(
        "POST", f"{form.address}/find", data={**form.form.values, "medication": "amox 500"}, htmx=htmx
    )
    assert f'value="medicine:{AMOXICILLIN}"' in found.text
    assert found.text.lstrip().startswith("<div" if htmx else "<!doctype")
    assert "Not coded" in found.text
    chosen = form.press(f"medicine:{AMOXICILLIN}", medication="amox 500")
    assert chosen.text.lstrip().startswith("<div" if htmx else "<!doctype")
    assert form.form.values["medication"] == "amoxicillin 500 MG Oral Capsule"
    assert (form.form.values["unit"], form.form.values["route"]) == ("capsule", "oral")
    assert "RxNorm 308191" in chosen.text
    assert "Checked: no such medicine running." in chosen.text
    shown = form.press("show", **PARTS)
    assert SENTENCE in shown.text
    assert form.form.values["quantity"] == "21"
    issued = form.issue(refills="1")
    assert issued.status_code == 303
    [row] = stored(god)
    assert (row.medication_text, row.medication_code, row.medication_system) == (
        "amoxicillin 500 MG Oral Capsule", AMOXICILLIN, RXNORM,
    )  # fmt: skip
    assert (row.dosage, row.quantity, row.refills, row.checks["state"]) == (SENTENCE, 21, 1, "CLEAR")
    assert row.dosage_parts["timing"]["repeat"]["frequency"] == 3
    page = form.desk.get(form.address.removesuffix("/prescriptions/new")).text
    assert SENTENCE in page
    assert "NOT CHECKED" not in page


def test_the_enter_key_leads_to_the_first_medicine_found(sheet: Callable[..., Sheet]) -> None:
    form = sheet(htmx=False)

    def focused(html: str) -> list[str]:
        return [
            str(one.get("value") or one.get("name")) for one in parsed(html).iter() if one.get("autofocus") is not None
        ]

    assert focused(form.desk.get(form.address).text) == ["medication"]
    shown = form.press("show", medication="amox 500").text
    assert len(focused(shown)) == 1
    assert focused(shown)[0].startswith("medicine:")
    assert "NOT CHECKED" not in shown
    none_found = form.press("show", medication="Herbal tea").text
    assert focused(none_found) == ["Herbal tea"]
    assert "NOT CHECKED" in none_found


def test_a_code_finds_its_medicine(sheet: Callable[..., Sheet]) -> None:
    form = sheet(htmx=True)
    found = form.desk.open(
        "POST", f"{form.address}/find", data={"medication": "308191", "csrf_token": _token(form)}, htmx=True
    )
    assert 'value="medicine:308191"' in found.text
    assert "1 medicine found." in found.text


def test_an_international_name_finds_what_rxnorm_calls_otherwise(sheet: Callable[..., Sheet]) -> None:
    form = sheet(htmx=True)
    found = form.desk.open(
        "POST", f"{form.address}/find", data={"medication": "parac 500", "csrf_token": _token(form)}, htmx=True
    )
    assert "acetaminophen 500 MG Oral Tablet" in found.text


def _token(form: Sheet) -> str:
    return form.form.values["csrf_token"]


def test_who_types_on_after_choosing_has_no_code_any_more(god: Actor, sheet: Callable[..., Sheet]) -> None:
    form = sheet()
    form.press(f"medicine:{AMOXICILLIN}")
    changed = form.press("show", medication="amoxicillin 500 MG Oral Capsule, the blue ones", **PARTS)
    assert "Not coded" in changed.text
    assert "NOT CHECKED" in changed.text
    form.issue_unchecked()
    assert stored(god, "medication_code")[0].medication_code is None


def test_free_text_is_possible_and_says_that_it_was_not_checked(god: Actor, sheet: Callable[..., Sheet]) -> None:
    form = sheet()
    answer = form.issue_unchecked(medication="Herbal tea", dosage="A cup in the evening")
    assert answer.status_code == 303
    [row] = stored(god)
    assert (row.medication_code, row.dosage_parts, row.checks["state"]) == (None, None, "NOT_CHECKED")
    page = form.desk.get(form.address.removesuffix("/prescriptions/new")).text
    assert "NOT CHECKED" in page


@pytest.mark.parametrize("htmx", [False, True])
def test_an_allergy_interrupts_once_and_a_reason_goes_on(
    god: Actor, sheet: Callable[..., Sheet], patient: PatientView, htmx: bool
) -> None:
    allergic(god, patient, "Allergy to penicillin", "91936005", "http://snomed.info/sct")
    form = sheet(htmx=htmx)
    form.press(f"medicine:{AMOXICILLIN}", **PARTS)
    refused = form.issue()
    assert refused.status_code == 422
    assert "<title>Error: Prescribe" in refused.text
    assert "Allergy on record: Allergy to penicillin. amoxicillin is one of the penicillins." in refused.text
    assert '<a href="#override_reason">' in refused.text
    assert form.form.values["medication"] == "amoxicillin 500 MG Oral Capsule"
    assert stored(god) == []
    assert form.issue(override_reason="  ").status_code == 422
    assert form.issue(override_reason="Tolerated it last year").status_code == 303
    [row] = stored(god)
    assert (row.override_reason, row.checks["state"]) == ("Tolerated it last year", "WARNED")
    assert row.checks["findings"][0]["against"] == "Allergy to penicillin"
    page = form.desk.get(form.address.removesuffix("/prescriptions/new")).text
    assert "Prescribed all the same: Tolerated it last year" in page
    audited = one(god, "SELECT detail FROM audit_event WHERE action = 'prescription.checks'")
    assert audited["overridden"] is True
    assert audited["findings"] == [{"kind": "ALLERGY", "how": "SAME_GROUP", "group": "PENICILLINS"}]
    told = json.dumps([event.envelope for event in events(god)])
    assert "moxicillin" not in told
    assert "last year" not in told


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(
    ("asked", "unknown"), [(None, True), ("429625007", True), ("409137002", False), ("716186003", False)]
)
def test_what_nobody_wrote_down_is_not_said_to_be_ruled_out(
    god: Actor, sheet: Callable[..., Sheet], patient: PatientView, asked: str | None, unknown: bool, htmx: bool
) -> None:
    if asked:
        allergic(god, patient, "None known", asked, "http://snomed.info/sct")
    said = sheet(htmx=htmx).press(f"medicine:{AMOXICILLIN}").text
    assert ("nobody has written down whether there are any" in said) is unknown
    assert ("Checked: no recorded allergy to it" in said) is not unknown
    assert "no such medicine running" in said


def test_what_is_never_checked_stands_beside_what_is(
    god: Actor, sheet: Callable[..., Sheet], patient: PatientView
) -> None:
    warfarin = service.issue(
        god, make.an_episode(god, patient).locator, medication=Medication(text="warfarin sodium 5 MG Oral Tablet"),
        dosage="1", provider_locator=make.a_provider(god).locator,
    )  # fmt: skip
    assert warfarin.status == "ISSUED"
    form = sheet()
    assert "Never checked here" not in form.answer.text, "there is no medicine yet"
    never = "Never checked here: interactions with other medicines, whether the dose is right, kidneys, pregnancy."
    clear = form.press(f"medicine:{IBUPROFEN}").text
    assert "no such medicine running" in clear
    assert never in clear
    assert never in form.press("show", medication="Herbal tea").text, "beside what could not be checked"
    allergic(god, patient, "NSAID")
    assert never in form.press(f"medicine:{IBUPROFEN}").text, "beside what was found"


def test_a_reason_counts_only_for_what_was_read(god: Actor, sheet: Callable[..., Sheet], patient: PatientView) -> None:
    allergic(god, patient, "NSAID")
    form = sheet()
    form.press(f"medicine:{IBUPROFEN}", **PARTS)
    form.issue()
    again = Sheet(form.desk, form.address.split("/")[2])
    again.press(f"medicine:{NAPROXEN}", **PARTS)
    stale = again.issue(override_reason="It is fine", warned=form.form.values["warned"])
    assert stale.status_code == 422
    assert again.issue(override_reason="It is fine").status_code == 303


@pytest.mark.parametrize("htmx", [False, True])
def test_what_could_not_be_checked_is_issued_with_a_tick_that_is_kept(
    god: Actor, sheet: Callable[..., Sheet], patient: PatientView, htmx: bool
) -> None:
    allergic(god, patient, "penicilin")
    form = sheet(htmx=htmx)
    assert "I have looked at this myself" in form.press(f"medicine:{AMOXICILLIN}", **PARTS).text
    refused = form.issue()
    assert refused.status_code == 422
    assert "Nobody can tell which medicines this allergy is to: penicilin." in refused.text
    assert '<a href="#looked">' in refused.text
    assert stored(god) == []
    assert form.issue(looked="y").status_code == 303
    [row] = stored(god)
    assert (row.checks["state"], row.checks["acknowledged"], row.override_reason) == ("NOT_CHECKED", True, None)
    page = form.desk.get(form.address.removesuffix("/prescriptions/new")).text
    assert "Who entered it ticked: I have looked at this myself." in page
    audited = one(god, "SELECT detail FROM audit_event WHERE action = 'prescription.checks'")
    assert (audited["notChecked"], audited["overridden"]) == (["UNCLEAR_ALLERGY"], True)


def test_a_tick_counts_only_for_what_was_read(god: Actor, sheet: Callable[..., Sheet], patient: PatientView) -> None:
    form = sheet()
    form.press("show", medication="Herbal tea", dosage="A cup")
    allergic(god, patient, "penicilin")
    stale = form.issue(looked="y")
    assert stale.status_code == 422
    assert not [
        box for box in parsed(stale.text).iter("input") if box.get("name") == "looked" and "checked" in box.attrib
    ]
    assert form.issue(looked="y").status_code == 303


def test_what_was_looked_at_is_asked_once_in_an_episode(
    god: Actor, sheet: Callable[..., Sheet], patient: PatientView
) -> None:
    allergic(god, patient, "bees")
    first, elsewhere = sheet(), sheet()
    first.press(f"medicine:{AMOXICILLIN}", **PARTS)
    assert first.issue_unchecked().status_code == 303
    again = Sheet(first.desk, first.address.split("/")[2])
    shown = again.press(f"medicine:{IBUPROFEN}", **PARTS).text
    assert "NOT CHECKED" in shown
    assert "Somebody has looked at this before in this episode." in shown
    assert again.issue().status_code == 303
    elsewhere.press(f"medicine:{NAPROXEN}", **PARTS)
    assert "Somebody has looked" not in elsewhere.answer.text, "in another episode it is asked again"


@pytest.mark.parametrize("htmx", [False, True])
def test_an_amount_that_may_be_a_slip_is_asked_about_once(god: Actor, sheet: Callable[..., Sheet], htmx: bool) -> None:
    form = sheet(htmx=htmx)
    form.press(f"medicine:{AMOXICILLIN}")
    shown = form.press("show", **{**PARTS, "dose": "100"}).text
    assert "One dose is 100 pieces, more than 20. Is that meant?" in shown
    assert "The quantity is 2100, more than 1000. Is that meant?" in shown, "also of the quantity just put in"
    assert form.issue().status_code == 422
    assert stored(god) == []
    less = form.issue(dose="90", quantity="1890", override_reason="Meant")
    assert less.status_code == 422, "the reason was for another amount"
    assert "One dose is 90 pieces" in less.text
    assert form.issue(override_reason="Meant so").status_code == 303
    [row] = stored(god)
    assert (row.override_reason, row.checks["state"]) == ("Meant so", "WARNED")
    page = form.desk.get(form.address.removesuffix("/prescriptions/new")).text
    assert "The quantity is 1890, more than 1000." in page
    assert "Prescribed all the same: Meant so" in page
    audited = one(god, "SELECT detail FROM audit_event WHERE action = 'prescription.checks'")
    assert (audited["slips"], audited["overridden"]) == (["DOSE", "QUANTITY"], True)


def test_a_quantity_put_in_for_who_has_no_script_is_asked_about_at_once(sheet: Callable[..., Sheet]) -> None:
    form = sheet()
    form.press(f"medicine:{AMOXICILLIN}")
    asked = form.issue(**{**PARTS, "dose": "100"})
    assert asked.status_code == 422
    assert "The quantity is 2100, more than 1000." in asked.text
    assert form.issue(override_reason="Meant so").status_code == 303


def test_the_same_therapy_twice_interrupts(god: Actor, sheet: Callable[..., Sheet]) -> None:
    first, second = sheet(), sheet()
    first.press(f"medicine:{IBUPROFEN}", **PARTS)
    first.issue()
    warned = second.press(f"medicine:{NAPROXEN}", **PARTS)
    assert "Already prescribed: ibuprofen 400 MG Oral Tablet" in html.unescape(warned.text)
    assert second.issue().status_code == 422
    service.act(god, stored(god, "locator")[0].locator, action="void", reason="Wrong one")
    assert second.issue().status_code == 303
    assert stored(god)[1].checks["state"] == "CLEAR"


def test_the_api_is_not_held_up_and_what_the_checks_say_is_stored(
    god: Actor, patient: PatientView, clinician: Actor
) -> None:
    allergic(god, patient, "penicillin")
    issued = service.issue(
        clinician, make.an_episode(god, patient).locator,
        medication=Medication(text="Amoxicillin", code=AMOXICILLIN, system=RXNORM), dosage="1",
        provider_locator=make.a_provider(god).locator,
    )  # fmt: skip
    assert issued.status == "ISSUED"
    assert [(row.checks["state"], row.override_reason) for row in stored(god)] == [("WARNED", None)]


def test_without_a_list_the_check_says_so(god: Actor, sheet: Callable[..., Sheet], database: TestDatabase) -> None:
    form = sheet()
    try:
        with psycopg.connect(localdb.libpq_url(database.owner)) as owner:
            owner.execute("DELETE FROM medicine_words")
            owner.execute("DELETE FROM medicines")
            owner.execute("DELETE FROM code_lists")
        shown = form.press("show", medication="Amoxicillin 500", **PARTS)
        assert "NOT CHECKED" in shown.text
        assert shown.text.count("No list of medicines is loaded.") == 2
        assert form.issue_unchecked().status_code == 303
        assert stored(god)[0].checks["gaps"][0]["why"] == "NO_LIST"
    finally:
        load_starter(database.owner)


def test_favourites_are_kept_used_and_removed(
    god: Actor, sheet: Callable[..., Sheet], desk: Callable[..., Desk]
) -> None:
    form = sheet()
    form.press(f"medicine:{AMOXICILLIN}")
    form.press("show", **PARTS)
    kept = form.press("keep", refills="2")
    assert "Kept among your favourites." in kept.text
    form.press("keep")
    [favourite] = rows(god, "SELECT * FROM prescription_favourites WHERE refills = 2")
    other = sheet(htmx=True)
    used = other.press(f"favourite:{favourite.id}")
    assert (other.form.values["medication"], other.form.values["timing"]) == ("amoxicillin 500 MG Oral Capsule", "TID")
    assert (other.form.values["quantity"], other.form.values["refills"]) == ("21", "2")
    assert "RxNorm 308191" in used.text
    colleague = sheet(desk=desk(Role.CLINICIAN))
    assert "favourite:" not in colleague.answer.text
    for step in ("favourite", "forget"):
        data = {**colleague.form.values, "press": f"{step}:{favourite.id}"}
        assert colleague.desk.open("POST", f"{colleague.address}/fill", data=data).status_code == 404
    removed = other.press(f"forget:{favourite.id}")
    assert "Removed from your favourites." in removed.text
    assert f"favourite:{favourite.id}" not in removed.text


def test_a_favourite_in_own_words_comes_back_in_them(sheet: Callable[..., Sheet]) -> None:
    form = sheet()
    form.press("keep", medication="Ointment", dosage="thinly, at night")
    number = form.answer.text.split('value="favourite:')[1].split('"')[0]
    other = sheet()
    other.press(f"favourite:{number}")
    assert (other.form.values["dosage"], other.form.values["dose"]) == ("thinly, at night", "")


def test_what_is_not_whole_is_no_favourite(god: Actor, sheet: Callable[..., Sheet]) -> None:
    form = sheet()
    answer = form.press("keep", medication="Ointment")
    assert answer.status_code == 422
    assert '<a href="#dose">' in answer.text
    assert rows(god, "SELECT 1 FROM prescription_favourites") == []


@pytest.mark.parametrize("htmx", [False, True])
def test_an_earlier_prescription_is_repeated(god: Actor, sheet: Callable[..., Sheet], htmx: bool) -> None:
    first = sheet()
    first.press(f"medicine:{AMOXICILLIN}", **PARTS)
    first.press("show")
    first.issue(refills="3")
    locator = stored(god)[0].locator
    again = sheet(htmx=htmx)
    assert "Repeat this" in again.answer.text
    repeated = again.press(f"repeat:{locator}")
    assert (again.form.values["dose"], again.form.values["quantity"], again.form.values["refills"]) == ("1", "21", "3")
    assert "Already prescribed" in repeated.text
    assert again.issue(override_reason="The first was lost").status_code == 303


def test_another_patients_prescription_cannot_be_repeated(god: Actor, sheet: Callable[..., Sheet]) -> None:
    foreign = make.a_prescription(god)
    form = sheet()
    data = {**form.form.values, "press": f"repeat:{foreign.locator}"}
    assert form.desk.open("POST", f"{form.address}/fill", data=data).status_code == 404


def test_the_sentence_follows_what_is_typed(sheet: Callable[..., Sheet]) -> None:
    form = sheet()
    token = {"csrf_token": _token(form)}

    def said(**typed: str) -> str:
        answer = form.desk.open("POST", "/medicines/sentence", data={**token, **typed}, htmx=True)
        assert answer.status_code == 200
        return str(answer.text)

    whole = said(**PARTS)
    assert SENTENCE in whole
    assert 'name="quantity" type="number" value="21"' in whole
    assert "Needed for the whole time: 21." in whole
    assert "appears here" in said(dose="1")
    assert "appears here" in said(dose="many", timing="TID")
    assert SENTENCE in said(**(PARTS | {"dose": "၁"}))
    assert "0.5" in said(**(PARTS | {"dose": "၀.၅"}))
    assert "A cup" in said(**PARTS, dosage="A cup")
    typed = said(**PARTS, quantity="30", suggested="21")
    assert 'value="30"' in typed
    followed = said(**{**PARTS, "duration": "10"}, quantity="21", suggested="21")
    assert 'name="quantity" type="number" value="30"' in followed


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"dose": ""}, "dose"),
        ({"dose": "0"}, "dose"),
        ({"dose": "1e3"}, "dose"),
        ({"timing": ""}, "timing"),
        ({"timing": "XXX"}, "timing"),
        ({"unit": "bucket"}, "unit"),
        ({"duration": "0"}, "duration"),
        ({"most_a_day": "0.5"}, "most_a_day"),
        ({"quantity": "many"}, "quantity"),
        ({"provider_locator": "PRV-2026-999999"}, "provider_locator"),
        ({"medication": ""}, "medication"),
    ],
)
def test_what_is_wrong_is_named_and_everything_is_kept(
    god: Actor, sheet: Callable[..., Sheet], typed: dict[str, str], field: str
) -> None:
    form = sheet()
    sent = {"medication": "Ointment", **PARTS, "instruction": "With food", **typed}
    refused = form.issue(**sent)
    assert refused.status_code == 422
    assert f'<a href="#{field}">' in refused.text
    assert form.form.values["instruction"] == "With food"
    assert stored(god) == []


def test_it_is_issued_once_and_voided_with_a_reason(god: Actor, sheet: Callable[..., Sheet]) -> None:
    form = sheet()
    assert form.issue(medication="Ibuprofen 400 mg", dosage="1 if needed").status_code == 422
    sent = {**form.form.values, "looked": "y"}
    for _ in range(2):
        assert form.desk.open("POST", form.address, data=sent).status_code == 303
    assert len(stored(god)) == 1
    changed = form.desk.open("POST", form.address, data={**sent, "dosage": "2 tablets"})
    assert changed.status_code == 422
    assert "saved once already" in changed.text
    form.take(changed)
    assert form.issue(override_reason="Another strength").status_code == 303
    assert len(stored(god)) == 2
    page = form.address.removesuffix("/prescriptions/new")
    void = next(action for action in form.desk.forms(page) if action.endswith("/void"))
    assert form.desk.fill(page, void).status_code == 422
    assert form.desk.fill(page, void, reason="Wrong patient").status_code == 303


def test_a_draft_comes_back_and_goes_with_the_issue(god: Actor, sheet: Callable[..., Sheet]) -> None:
    form = sheet()
    typed = {**form.form.values, "draft": form.address, "medication": "Ointment", "dosage": "thinly"}
    form.desk.open("POST", "/drafts", data=typed)
    form.press("show")
    again = Sheet(form.desk, form.address.split("/")[2])
    assert again.form.values["dosage"] == "thinly", "filling the form in leaves the draft alone"
    assert "/drafts/discard" in again.answer.text
    assert again.issue_unchecked().status_code == 303
    assert Sheet(form.desk, form.address.split("/")[2]).form.values["dosage"] == ""


def test_who_is_a_provider_prescribes_himself_or_on_behalf_of_somebody(
    god: Actor, sheet: Callable[..., Sheet], desk: Callable[..., Desk]
) -> None:
    thandar, nurse = make.a_provider(god, name="Dr Thandar"), make.a_provider(god, name="Nurse Ei Ei Mon")
    provider_id = id_of(god, "providers", thandar.locator)
    signed_in = desk(Role.CLINICIAN, name="Thandar Hlaing", provider_id=provider_id)
    own, other = sheet(desk=signed_in), sheet(desk=signed_in)
    assert own.form.values["provider_locator"] == thandar.locator
    choices = {one.text: one.get("value") for one in parsed(own.answer.text).iter("option")}
    assert choices["Dr Thandar"] == thandar.locator
    assert choices["Nurse Ei Ei Mon (on behalf of)"] == nurse.locator
    episode = own.address.removesuffix("/prescriptions/new")
    assert own.issue_unchecked(medication="Ointment", dosage="thinly").status_code == 303
    assert "on behalf of" not in signed_in.get(episode).text
    issued = other.issue_unchecked(medication="Eye drops", dosage="1", provider_locator=nurse.locator)
    assert issued.status_code == 303
    page = signed_in.get(other.address.removesuffix("/prescriptions/new")).text
    assert page.count("Thandar Hlaing on behalf of Nurse Ei Ei Mon") == 2, (
        "in the list of open things, and the timeline"
    )


def test_who_takes_no_part_any_more_is_not_chosen_and_nobody_in_his_place(
    god: Actor, sheet: Callable[..., Sheet], desk: Callable[..., Desk]
) -> None:
    gone, there = make.a_provider(god, name="Dr Thandar"), make.a_provider(god, name="Dr Aung")
    signed_in = desk(Role.CLINICIAN, name="Thandar Hlaing", provider_id=id_of(god, "providers", gone.locator))
    open_before = sheet(desk=signed_in)
    providers.act(god, gone.locator, action="deactivate")
    for form, medicine in ((open_before, "Ointment"), (sheet(desk=signed_in), "Eye drops")):
        refused = form.issue(medication=medicine, dosage="1")
        assert refused.status_code == 422
        assert form.form.values["provider_locator"] == "", "no other one stands there by himself"
        assert gone.locator not in refused.text
        assert form.issue_unchecked(provider_locator=there.locator).status_code == 303
    assert {row.provider_id for row in stored(god)} == {id_of(god, "providers", there.locator)}


def test_who_is_no_provider_is_told_apart_from_none(sheet: Callable[..., Sheet]) -> None:
    assert "on behalf of" not in sheet().answer.text


def test_nothing_is_prescribed_in_an_ended_episode(god: Actor, sheet: Callable[..., Sheet]) -> None:
    from careapp.episodes import service as episodes

    form = sheet()
    episodes.close(god, form.address.split("/")[2], summary="Well")
    refused = form.issue(medication="Ointment", dosage="thinly")
    assert refused.status_code == 409
    assert form.form.values["medication"] == "Ointment"


def test_the_front_desk_sees_nothing_of_it(
    god: Actor, sheet: Callable[..., Sheet], front: Desk, patient: PatientView
) -> None:
    allergic(god, patient, "NSAID")
    form = sheet()
    form.press(f"medicine:{IBUPROFEN}", **PARTS)
    form.issue(override_reason="Only choice")
    locator = stored(god)[0].locator
    page = front.get(form.address.removesuffix("/prescriptions/new")).text
    assert locator in page
    for hidden in ("ibuprofen", "Only choice", "NOT CHECKED", "three times"):
        assert hidden not in page
    assert front.open("GET", form.address).status_code == 403
    seen = queries.get_prescription(god, locator)
    assert seen.dosage == SENTENCE


def test_how_many_statements_the_form_takes(
    god: Actor, sheet: Callable[..., Sheet], statements: Callable[[], Any]
) -> None:
    for medicine in (AMOXICILLIN, IBUPROFEN, "310325"):
        form = sheet()
        form.press(f"medicine:{medicine}", **PARTS)
        form.press("keep")
        form.issue()
    with statements() as seen:
        form.desk.get(form.address)
    assert len(seen) <= 32, "\n".join(seen)
    with statements() as seen:
        form.desk.open(
            "POST", f"{form.address}/find", data={"medication": "amox", "csrf_token": _token(form)}, htmx=True
        )
    assert len(seen) <= 6, "\n".join(seen)


def test_a_foreign_episode_is_not_there(sheet: Callable[..., Sheet], new_tenant: Callable[..., Any]) -> None:
    form = sheet()
    foreign = make.an_episode(everything(new_tenant()))
    for end in ("", "/find", "/fill"):
        for htmx in (False, True):
            address = f"/episodes/{foreign.locator}/prescriptions/new{end}"
            assert form.desk.open("POST", address, data={**form.form.values}, htmx=htmx).status_code == 404
