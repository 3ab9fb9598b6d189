"""Pages of patients: search as one types, the patient page, his lists, and what is known of him."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html import unescape
from typing import Any

import pytest

from careapp.access import Actor, Permission, Role
from careapp.overviews.patients import get_patient_chart
from careapp.patients.facts import add_fact
from careapp.patients.views import ContactPoint, HumanName, PatientView
from careapp.referrals import service as referrals
from careapp.scheduling import appointments
from tests import factories as make
from tests.looking import audits, id_of, newest, one
from tests.web.checks import forms_of, parsed, years_since
from tests.web.conftest import Desk


def named(god: Actor, family: str, *given: str, **fields: Any) -> PatientView:
    """A patient of that name."""
    return make.a_patient(god, name=HumanName(family=family, given=list(given)), **fields)


@pytest.mark.parametrize("htmx", [False, True])
def test_search(god: Actor, front: Desk, htmx: bool) -> None:
    phone = [ContactPoint(system="phone", value="+95 9 555 0101")]
    wanted = named(god, "Owusu", "Ama", birth_date=date(1981, 2, 3), telecom=phone)
    named(god, "Boateng", "Kofi")
    for typed in ("owu am", wanted.locator.lower(), "3 Feb 1981", "ama 1981-02-03", "09 555 0101", "+9595550101"):
        found = front.fill("/patients", htmx=htmx, q=typed)
        assert found.status_code == 200
        for text in ("Ama Owusu", "phone …0101", "1 found", "3 Feb 1981"):
            assert text in unescape(found.text), (typed, text)
        assert "Boateng" not in found.text
    assert "Nobody found" in front.fill("/patients", htmx=htmx, q="Nobodyhere").text
    assert front.fill("/patients", htmx=htmx).status_code == (200 if htmx else 422)


def test_typing_one_letter_finds_nobody_and_leaves_no_audit(god: Actor, front: Desk) -> None:
    named(god, "Owusu", "Ama")
    form, seen = front.forms("/patients")["/patients"], newest(god)["audits"]
    assert "Owusu" not in front.send(form, htmx=True, q="o").text
    assert audits(god, after=seen) == []
    assert "Owusu" in front.send(form, htmx=True, q="ow").text
    assert [audit.action for audit in audits(god, after=seen)] == ["patient.search"]


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        (HumanName(family=None, given=["မောင်မောင်", "လှ"]), "မောင်"),
        (HumanName(family="Nguyễn", given=["Thị", "Ánh"]), "nguyen anh"),
        (HumanName(family="Đặng", given=["Văn", "Đức"]), "dang duc"),
    ],
)
def test_names_in_other_scripts_are_found(god: Actor, front: Desk, name: HumanName, typed: str) -> None:
    wanted = make.a_patient(god, name=name)
    assert wanted.locator in front.fill("/patients", q=typed, htmx=True).text


@pytest.mark.parametrize("htmx", [False, True])
def test_more_than_25_come_by_cursor(god: Actor, front: Desk, htmx: bool) -> None:
    made = {named(god, f"Many{number}", "Ko").locator for number in range(30)}
    first = front.fill("/patients", q="many")
    form = next(one for one in forms_of(parsed(first.text)) if "cursor" in one.values)
    second = front.send(form, htmx=htmx)
    shown = [{locator for locator in made if locator in page.text} for page in (first, second)]
    assert (len(shown[0]), len(shown[1])) == (25, 5)
    assert shown[0] | shown[1] == made
    assert second.text.lstrip().startswith("<li>") is htmx


def test_a_patient_is_found_by_the_number_alone(god: Actor, front: Desk) -> None:
    wanted = named(god, "Owusu", "Ama")
    named(god, "Boateng", "Kofi")
    _, year, number = wanted.locator.split("-")
    bare = number.lstrip("0")
    for typed in (bare, f" {number} ", f"pty-{year}-{bare}", f"{year}-{bare}", f"0{number}"):
        found = front.fill("/patients", q=typed).text
        assert wanted.locator in found, typed
        assert "Boateng" not in found, typed
    for typed in (f"PTY-2019-{bare}", f"9{bare}", "no number", "\u1041"):
        assert "Nobody found" in front.fill("/patients", q=typed).text, typed


def test_a_birth_date_in_the_year_one_is_a_slip(front: Desk) -> None:
    assert "Nobody found" in front.fill("/patients", q="0001-01-01").text
    refused = front.fill("/patients/new", family="Aung", birth_date="0001-01-01")
    assert refused.status_code == 422
    assert "The year must lie between 1800 and 2200." in refused.text


def test_open_an_episode_from_the_patients_page(god: Actor, front: Desk) -> None:
    patient = make.a_patient(god)
    address = f"/episodes/new?party={patient.locator}"
    page = front.get(f"/patients/{patient.locator}").text
    assert address in page
    assert f"/calendar?party={patient.locator}" in page
    opened = front.fill(address, care_type="GP", reason="Cough")
    assert opened.location.startswith("/episodes/EPI-")
    assert opened.location in front.get(f"/patients/{patient.locator}").text
    assert front.open("GET", "/episodes/new").location == "/patients"
    assert front.open("GET", "/episodes/new?party=PTY-2026-999999").status_code == 404


def test_the_page_shows_what_was_opened_booked_and_ordered(god: Actor, doctor: Desk) -> None:
    patient = named(god, "Owusu", "Ama", birth_date=date(1981, 2, 3))
    provider = make.a_provider(god, name="Dr Mya")
    episode = make.an_episode(god, patient, reason="Cough since Monday")
    for hours, status in ((24, "CONFIRMED"), (26, "NO_SHOW"), (28, "ATTENDED"), (30, "CANCELLED")):
        make.an_appointment(god, episode, make.a_slot(god, provider, hours=hours), status=status)
    make.a_prescription(god, episode)
    referrals.refer(god, episode.locator, type="IMAGING", reason="Knee", facility="City Radiology")
    page = doctor.get(f"/patients/{patient.locator}").text
    for text in (
        "<h1>Ama Owusu</h1>", f"3 Feb 1981 ({years_since(1981, 2, 3)} years)", "No allergies recorded",
        "Cough since Monday", "Dr Mya", "Last 12 months: 1 attended, 1 missed", "Amoxicillin",
        "City Radiology", "Confirmed", "No-show", "/reschedule", "Times: Asia/Yangon",
    ):  # fmt: skip
        assert text in page, text


def test_open_episodes_stand_before_newer_ones_that_are_over(god: Actor, front: Desk, doctor: Desk) -> None:
    patient = make.a_patient(god)
    still_open = make.an_episode(god, patient)
    over = [make.an_episode(god, patient) for _ in range(7)]
    for one_over in over:
        address = f"/episodes/{one_over.locator}"
        assert doctor.fill(address, f"{address}/close", summary="Well").status_code == 303
    page = front.get(f"/patients/{patient.locator}").text
    assert page.index(still_open.locator) < page.index(over[-1].locator)
    assert over[0].locator not in page
    listed = front.get(f"/patients/{patient.locator}/episodes").text
    assert all(one_over.locator in listed for one_over in over)


def test_episodes_of_one_kind_are_told_apart_by_ear(god: Actor, front: Desk) -> None:
    patient = make.a_patient(god)
    episodes = [make.an_episode(god, patient).locator for _ in range(2)]
    links = parsed(front.get(f"/patients/{patient.locator}").text).iter("a")
    said = {one.get("href"): "".join(one.itertext()) for one in links if (one.get("href") or "")[10:] in episodes}
    assert said == {f"/episodes/{one}": f"General practice, {one}" for one in episodes}


def test_lists_at_length_come_by_cursor(god: Actor, doctor: Desk, front: Desk) -> None:
    patient = make.a_patient(god)
    episode = make.an_episode(god, patient)
    for _ in range(27):
        referrals.refer(god, episode.locator, type="LAB", reason="Count of blood")
    assert f"/patients/{patient.locator}/referrals" in doctor.get(f"/patients/{patient.locator}").text
    first = doctor.get(f"/patients/{patient.locator}/referrals").text
    link = first.split('rel="next" href="')[1].split('"')[0]
    assert (first.count("Count of blood"), doctor.get(link).text.count("Count of blood")) == (25, 2)
    for foreign in (
        link.replace("/referrals", "/episodes"),
        link.replace(patient.locator, make.a_patient(god).locator),
    ):
        assert doctor.open("GET", foreign).status_code == 422
    assert "Count of blood" not in front.get(f"/patients/{patient.locator}/referrals").text
    for part in ("appointments", "prescriptions", "episodes"):
        assert "None." in front.get(f"/patients/{patient.locator}/{part}").text


def test_an_admin_sees_no_orders(god: Actor, desk: Callable[..., Desk], front: Desk) -> None:
    episode = make.an_episode(god)
    make.a_prescription(god, episode)
    admin = desk(Role.ADMIN)
    page = admin.get(f"/patients/{episode.party_locator}").text
    assert "Prescriptions" not in page
    assert admin.open("GET", f"/patients/{episode.party_locator}/prescriptions").status_code == 403
    seen = front.get(f"/patients/{episode.party_locator}").text
    assert "Prescriptions" in seen
    assert "Amoxicillin" not in seen


def test_appointments_out_of_the_clinic_scope_are_not_shown(god: Actor, desk: Callable[..., Desk]) -> None:
    here, there = make.a_clinic(god, name="Here"), make.a_clinic(god, name="There")
    episode = make.an_episode(god)
    for hours, clinic in ((24, here), (30, there)):
        slot = make.a_slot(god, hours=hours, clinic=clinic)
        appointments.book(god, episode.locator, slot_locator=slot.locator)
    scoped = desk(Role.FRONT_DESK, clinic_ids=[id_of(god, "clinics", here.locator)])
    page = scoped.get(f"/patients/{episode.party_locator}").text
    assert "Here" in page
    assert "There" not in page


def test_the_page_takes_a_fixed_number_of_statements(god: Actor, doctor: Desk, statements: Callable[[], Any]) -> None:
    patient = make.a_patient(god)
    for hours in (24, 26, 28):
        episode = make.an_episode(god, patient)
        make.an_appointment(god, episode, make.a_slot(god, hours=hours))
        make.a_prescription(god, episode)
        make.a_referral(god, episode)
    with statements() as seen:
        doctor.get(f"/patients/{patient.locator}")
    assert len(seen) <= 12, "\n\n".join(seen)
    assert "patient.page" in {audit.action for audit in audits(god) if audit.patients == [patient.locator]}


def test_only_who_gives_care_sees_and_writes_conditions(
    god: Actor, front: Desk, doctor: Desk, actor_of: Callable[..., Actor]
) -> None:
    patient = make.a_patient(god)
    add_fact(god, patient.locator, kind="CONDITION", text="Asthma")
    add_fact(god, patient.locator, kind="ALLERGY", text="Penicillin")
    assert "Asthma" in doctor.get(f"/patients/{patient.locator}").text
    seen = front.get(f"/patients/{patient.locator}").text
    assert "Asthma" not in seen
    assert "Allergies: Penicillin" in seen
    assert "/facts" not in seen
    reader = actor_of(Role.FRONT_DESK)
    reader = replace(reader, permissions=reader.permissions | {Permission.PRESCRIPTION_READ})
    assert get_patient_chart(reader, patient.locator).conditions is None


@pytest.mark.parametrize("htmx", [False, True])
def test_allergies_are_recorded_and_ended(god: Actor, doctor: Desk, htmx: bool) -> None:
    patient = make.a_patient(god)
    page = f"/patients/{patient.locator}"
    asked = doctor.fill(page, f"{page}/facts/none-known", htmx=htmx)
    assert asked.status_code == (200 if htmx else 303)
    assert "No known allergies" in doctor.get(page).text
    doctor.fill(page, f"{page}/facts", htmx=htmx, kind="ALLERGY", text="Penicillin")
    shown = doctor.get(page).text
    assert "Allergies: Penicillin" in shown
    assert "hold no longer" in shown or "holds no longer" in shown
    again = doctor.fill(page, f"{page}/facts", htmx=htmx, kind="ALLERGY", text="penicillin")
    assert again.status_code == 422
    assert "This is recorded already." in again.text
    assert doctor.fill(page, f"{page}/facts", htmx=htmx, text="").status_code == 422
    pressed = {"csrf_token": token(doctor), "fact": fact_id(god), "ending": "entered-in-error"}
    ended = doctor.open("POST", f"{page}/facts/end", htmx=htmx, data=pressed)
    assert ended.status_code == (200 if htmx else 303)
    assert "entered in error" in doctor.get(page).text
    late = doctor.open("POST", f"{page}/facts/end", htmx=htmx, data=pressed)
    assert late.status_code == 409
    assert "ended already" in late.text


def test_what_is_known_of_a_patient_is_in_no_cookie(god: Actor, doctor: Desk) -> None:
    page = f"/patients/{make.a_patient(god).locator}"
    assert doctor.fill(page, f"{page}/facts", kind="CONDITION", text="Epilepsy").status_code == 303
    with doctor.client.session_transaction() as cookie:
        assert "Epilepsy" not in str(dict(cookie))
    assert "Epilepsy" in doctor.fill(page, f"{page}/facts", htmx=True, kind="CONDITION", text="Epilepsy, treated").text


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(
    ("typed", "unknown", "meant"),
    [
        ("penicilin", "penicilin", "penicillin"),
        ("Severe rash from amoxcilin", "amoxcilin", "amoxicillin"),
        ("ibuprofin", "ibuprofin", "ibuprofen"),
        ("Penicillin and Zyxxq", "zyxxq", None),
        ("Penicillin", None, None),
        ("Latex", None, None),
    ],
)
def test_an_allergy_nothing_is_checked_against_says_so_at_once(
    god: Actor, doctor: Desk, htmx: bool, typed: str, unknown: str | None, meant: str | None
) -> None:
    page = f"/patients/{named(god, 'Owusu').locator}"
    answer = doctor.fill(page, f"{page}/facts", htmx=htmx, kind="ALLERGY", text=typed)
    said = unescape(answer.text if htmx else doctor.get(page).text)
    told = f"Not recognised as a medicine or a group: {unknown}. Prescriptions are not checked against it."
    assert (told in said) if unknown else ("Not recognised" not in said)
    assert (f"Did you mean {meant}" in said) if meant else ("Did you mean" not in said)
    assert typed in said, "it may stay as it is"


def test_a_condition_is_no_allergy_to_recognise(god: Actor, doctor: Desk) -> None:
    page = f"/patients/{named(god, 'Owusu').locator}"
    assert "Not recognised" not in doctor.fill(page, f"{page}/facts", htmx=True, kind="CONDITION", text="Epilepsi").text


def test_facts_refused_say_so_in_the_title(god: Actor, doctor: Desk) -> None:
    page = f"/patients/{make.a_patient(god).locator}"
    assert "<title>Error: " in doctor.fill(page, f"{page}/facts", htmx=True, text="").text


def fact_id(god: Actor) -> str:
    """The id of the newest fact that holds."""
    return str(one(god, "SELECT max(id) FROM patient_facts WHERE abated_at IS NULL"))


def token(desk: Desk) -> str:
    """The token of this browser's forms."""
    return desk.forms("/patients")["/patients"].values["csrf_token"]
