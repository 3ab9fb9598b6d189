"""A prescription on paper: print page, PDF, and whoever holds the paper verifies it."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apiflask import APIFlask
from pypdf import PdfReader
from werkzeug.test import TestResponse

from careapp import commands
from careapp.access import Actor, Role
from careapp.clinics import service as clinics
from careapp.db import db, table_of
from careapp.identity import attempts
from careapp.identity.models import SignInAttempts
from careapp.overviews.prescription_paper import Candidates, Head, Visit, choose_head
from careapp.patients.views import HumanName
from careapp.prescriptions import history, papers, service
from careapp.prescriptions.views import Medication, PrescriptionView
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import execute, id_of, rows
from tests.web.checks import parsed
from tests.web.conftest import Desk

KEY = papers.signing_key("a secret of more than thirty-two bytes")
NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
BREAK = "\u200b"  # where a line of Burmese may break
NOT_CONFIRMED = "This paper is not confirmed."


def prescribed(god: Actor, *, patient: dict[str, Any] | None = None, **fields: Any) -> PrescriptionView:
    """A prescription written at a clinic with a head, for a patient with an allergy."""
    clinic = clinics.create_clinic(
        god, name="Riverside Clinic", time_zone="Asia/Yangon", address="12 Strand Road\nYangon", phone="+95 1 234 567"
    )
    person = make.a_patient(god, name=HumanName(family="Testowa", given=["Daw", "Hla"]), **(patient or {}))
    doctor = make.a_provider(god, name="Dr Aung", npi="1234567893")
    episode = make.an_episode(god, person)
    make.an_appointment(god, episode, make.a_slot(god, doctor, clinic=clinic))
    execute(
        god,
        "INSERT INTO patient_facts (tenant_id, patient_id, kind, text) VALUES (:tenant, :patient, 'ALLERGY', :text)",
        tenant=god.tenant_id, patient=id_of(god, "patients", person.locator), text="Peanut",
    )  # fmt: skip
    values = {
        "medication": Medication(text="Amoxicillin 500 mg capsule"), "dosage": "1 capsule three times a day",
        "provider_locator": doctor.locator, "quantity": 21, "refills": 2,
    }  # fmt: skip
    return service.issue(god, episode.locator, **{**values, **fields})


def pdf(answer: TestResponse) -> PdfReader:
    """A PDF that was answered."""
    assert answer.mimetype == "application/pdf", answer.text
    return PdfReader(io.BytesIO(answer.data))


def text_of(answer: TestResponse) -> str:
    """What stands on a PDF's only page, in one line."""
    [page] = pdf(answer).pages
    return " ".join(page.extract_text().split())


def code_on(desk: Desk, locator: str) -> str:
    """The code printed for a prescription."""
    found = re.search(r'paper-code">([0-9A-Z-]{14})<', desk.get(f"/prescriptions/{locator}/paper").text)
    assert found
    return found[1]


@pytest.fixture
def stranger(app: APIFlask) -> Desk:
    """A browser with nobody signed in; nobody has mistyped a code from its network address."""
    with app.app_context(), commands.system_transaction(None):
        db.session.execute(table_of(SignInAttempts).delete())
    return Desk(app, app.test_client())


def verify(stranger: Desk, god: Actor, locator: str, code: str, **typed: str) -> TestResponse:
    """What a stranger is told who types what stands on a paper."""
    form = stranger.forms("/verify")["/verify"]
    sent = {**form.values, "clinic": god.tenant_key, "prescription": locator, "code": code, **typed}
    return stranger.open("POST", "/verify", data=sent)


def test_the_paper_says_everything(doctor: Desk, god: Actor) -> None:
    one = prescribed(god)
    page, document = (
        doctor.get(f"/prescriptions/{one.locator}/paper"),
        doctor.get(f"/prescriptions/{one.locator}/paper.pdf"),
    )
    seen = text_of(document)
    for text in (
        "Riverside Clinic", "12 Strand Road", "+95 1 234 567", one.locator, "Dr Aung", "1234567893", "General practice",
        "Daw Hla Testowa", "17 May 1980", one.party_locator, "Peanut", "Amoxicillin 500 mg capsule",
        "1 capsule three times a day", "21 (twenty-one)", "2 (two)", "Asia/Yangon, UTC+06:30", "Page 1 of 1.",
        god.tenant_key, "/verify", code_on(doctor, one.locator),
    ):  # fmt: skip
        assert text in page.text, text
        assert text in seen, text
    assert "paper-stamp" not in page.text
    assert "Fits on A5 and A4 paper." in page.text
    assert f'href="/episodes/{one.episode_locator}"' in page.text


def test_the_pdf_is_one_page_under_the_number_with_its_fonts_in_it(doctor: Desk, god: Actor) -> None:
    one = prescribed(god)
    answer = doctor.get(f"/prescriptions/{one.locator}/paper.pdf")
    assert answer.headers["Content-Disposition"] == f'inline; filename="{one.locator}.pdf"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    reader = pdf(answer)
    assert len(reader.pages) == 1
    assert reader.metadata
    assert reader.metadata.title == f"Prescription {one.locator}"
    for font in reader.pages[0]["/Resources"]["/Font"].values():
        inner = font.get_object()["/DescendantFonts"][0].get_object()
        assert "/FontFile2" in inner["/FontDescriptor"].get_object()


def test_an_episode_on_paper_has_no_word_to_be_pressed(doctor: Desk, god: Actor) -> None:
    one = prescribed(god)
    page = parsed(doctor.get(f"/episodes/{one.episode_locator}").text)
    around = {inner: outer for outer in page.iter() for inner in outer}
    leads = [link for link in page.iter("a") if link.get("href") == f"/prescriptions/{one.locator}/paper"]
    assert len(leads) == 2, "in the timeline and in what is not filled yet"
    assert [around[link].get("class") for link in leads] == ["no-print"] * 2


def test_each_print_is_a_read_of_patient_data(doctor: Desk, god: Actor) -> None:
    one = prescribed(god)
    doctor.get(f"/prescriptions/{one.locator}/paper")
    doctor.get(f"/prescriptions/{one.locator}/paper.pdf")
    seen = rows(
        god, "SELECT outcome, patients, detail FROM audit_event WHERE action = 'prescription.print' ORDER BY id"
    )
    assert [(row.outcome, row.patients, row.detail["kind"]) for row in seen] == [
        ("seen", [one.party_locator], "page"), ("seen", [one.party_locator], "pdf"),
    ]  # fmt: skip


def test_who_may_not_read_it_may_not_print_it(
    front: Desk, doctor: Desk, god: Actor, new_tenant: Callable[..., TestTenant]
) -> None:
    one, foreign = prescribed(god), prescribed(everything(new_tenant()))
    for kind in ("paper", "paper.pdf"):
        assert front.open("GET", f"/prescriptions/{one.locator}/{kind}").status_code == 403
        assert doctor.open("GET", f"/prescriptions/{foreign.locator}/{kind}").status_code == 404
        assert doctor.open("GET", f"/prescriptions/RXP-2026-999999/{kind}").status_code == 404


@pytest.mark.parametrize(
    ("action", "stamp", "said"),
    [("void", "VOID", "This prescription is void since"), ("fill", "FILLED", "This prescription was filled on")],
)
def test_what_is_over_says_so_across_the_paper(doctor: Desk, god: Actor, action: str, stamp: str, said: str) -> None:
    one = prescribed(god)
    service.act(god, one.locator, action=action, reason="Wrong strength")
    page = doctor.get(f"/prescriptions/{one.locator}/paper").text
    assert f'data-stamp="{stamp}"' in page
    assert said in page
    reader = pdf(doctor.get(f"/prescriptions/{one.locator}/paper.pdf"))
    assert said in " ".join(reader.pages[0].extract_text().split())
    assert reader.pages[0]["/Resources"]["/ExtGState"], "the stamp is written with its own opacity"
    assert "Wrong strength" not in page


def test_the_longest_texts_fit_on_one_page(doctor: Desk, god: Actor) -> None:
    longest = "take one capsule slowly with a full glass of water, "
    one = prescribed(
        god,
        medication=Medication(text="W" * 200),
        dosage=(longest * 80)[:3990] + " THE END.",
        quantity=100_000,
        refills=99,
    )
    seen = text_of(doctor.get(f"/prescriptions/{one.locator}/paper.pdf"))
    assert "THE END." in seen
    assert seen.count("W") >= 200
    assert "100000 (one hundred thousand)" in seen
    page = doctor.get(f"/prescriptions/{one.locator}/paper").text
    assert "paper-a4" in page
    assert "Needs A4 paper." in page


def test_the_longest_burmese_text_fits_on_one_page(doctor: Desk, god: Actor) -> None:
    dosage = ("တစ်နေ့သုံးကြိမ်အစာစားပြီးမှသောက်ပါ။" * 200)[:4000]
    one = prescribed(god, dosage=dosage, patient={"birth_date": None})
    assert len(pdf(doctor.get(f"/prescriptions/{one.locator}/paper.pdf")).pages) == 1


def test_what_does_not_fit_is_refused_and_never_cut(doctor: Desk, god: Actor) -> None:
    one = prescribed(god, dosage="x\n" * 1_990)
    answer = doctor.open("GET", f"/prescriptions/{one.locator}/paper.pdf")
    assert (answer.status_code, answer.mimetype) == (409, "text/html")
    assert answer.text.count("This is more than fits on one page") == 2
    assert "This is more than fits on one page" in doctor.get(f"/prescriptions/{one.locator}/paper").text


def test_letters_the_pdf_cannot_write_are_named_and_the_print_page_has_them(doctor: Desk, god: Actor) -> None:
    one = prescribed(god, dosage="一日三回")
    answer = doctor.open("GET", f"/prescriptions/{one.locator}/paper.pdf")
    assert answer.status_code == 409
    assert "no font for these letters: 一 日 三 回" in answer.text
    assert "一日三回" in doctor.get(f"/prescriptions/{one.locator}/paper").text


@pytest.mark.parametrize(("given", "family"), [("ဒေါ်", "ခင်ဝင်းကြည်"), ("Thị Ánh", "Nguyễn")])
def test_names_in_burmese_and_vietnamese(doctor: Desk, god: Actor, given: str, family: str) -> None:
    one = prescribed(god)
    execute(
        god, "UPDATE patients SET given = ARRAY[:given], family = :family WHERE locator = :locator",
        given=given, family=family, locator=one.party_locator,
    )  # fmt: skip
    assert f"{given} {family}" in doctor.get(f"/prescriptions/{one.locator}/paper").text.replace(BREAK, "")
    reader = pdf(doctor.get(f"/prescriptions/{one.locator}/paper.pdf"))
    if given == "Thị Ánh":
        assert f"{given} {family}" in reader.pages[0].extract_text()
    else:
        fonts = {
            font.get_object()["/BaseFont"].split("+")[1] for font in reader.pages[0]["/Resources"]["/Font"].values()
        }
        assert "PadaukBold" in fonts


def test_a_paper_in_burmese(doctor: Desk, god: Actor) -> None:
    one = prescribed(god)
    spoken = {"Accept-Language": "my"}
    page = doctor.open("GET", f"/prescriptions/{one.locator}/paper", headers=spoken)
    assert "21 (နှစ်ဆယ့်တစ်)" in page.text.replace(BREAK, "")
    document = doctor.open("GET", f"/prescriptions/{one.locator}/paper.pdf", headers=spoken)
    assert len(pdf(document).pages) == 1
    assert pdf(document).trailer["/Root"]["/Lang"] == "my"


def test_a_paper_without_a_clinic_has_the_tenants_name(doctor: Desk, god: Actor) -> None:
    page = doctor.get(f"/prescriptions/{make.a_prescription(god).locator}/paper").text
    assert f'paper-head">Tenant {god.tenant_key}' in page
    assert "None recorded" in page
    assert "NPI not on record" in page


HERE, THERE, OWN = (Head(name=name, zone="Asia/Yangon") for name in ("Here", "There", "Own"))
TENANT = Head(name="Tenant", zone="UTC")


@pytest.mark.parametrize(
    ("visits", "works_at", "chosen"),
    [
        ([(-48, 1, HERE), (-2, 1, THERE)], [OWN], THERE),
        ([(-48, 1, HERE), (-2, 2, THERE)], [OWN], HERE),
        ([(-48, 2, HERE), (-2, 3, THERE)], [OWN], THERE),
        ([(-2, 1, HERE), (200, 1, THERE)], [OWN], HERE),
        ([(100, 1, HERE), (200, 1, THERE)], [OWN], HERE),
        ([], [OWN], OWN),
        ([], [], TENANT),
    ],
)
def test_which_clinics_head_a_paper_has(
    visits: list[tuple[int, int, Head]], works_at: list[Head], chosen: Head
) -> None:
    candidates = Candidates([Visit(NOW + timedelta(hours=h), by, clinic) for h, by, clinic in visits], works_at)
    assert choose_head(candidates, TENANT, provider_id=1, issued_at=NOW) is chosen


def test_a_cancelled_visit_chooses_no_head(doctor: Desk, god: Actor) -> None:
    one = prescribed(god)
    other = make.a_slot(god, make.a_provider(god), hours=5, clinic=make.a_clinic(god, name="Elsewhere"))
    episode = type("Episode", (), {"locator": one.episode_locator})
    make.an_appointment(god, episode, other, status="CANCELLED")  # type: ignore[arg-type]
    assert "Elsewhere" not in doctor.get(f"/prescriptions/{one.locator}/paper").text


def printed(**changes: Any) -> papers.Printed:
    values: dict[str, Any] = {
        "tenant_key": "demo", "locator": "RXP-2026-000001", "medication_text": "Amoxicillin", "medication_code": None,
        "dosage": "1 a day", "quantity": 21, "refills": 2, "provider_locator": "PRV-2026-000001",
        "party_locator": "PTY-2026-000001", "issued_at": NOW,
    }  # fmt: skip
    return papers.Printed(**{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant_key": "demo2"}, {"locator": "RXP-2026-000002"}, {"medication_text": "Morphine"},
        {"medication_code": "723"}, {"dosage": "2 a day"}, {"quantity": 210}, {"refills": None},
        {"provider_locator": "PRV-2026-000002"}, {"party_locator": "PTY-2026-000002"},
        {"issued_at": NOW + timedelta(seconds=1)}, {"medication_text": "Amoxicillin1", "dosage": " a day"},
    ],
)  # fmt: skip
def test_the_code_depends_on_all_that_is_printed(changes: dict[str, Any]) -> None:
    code = papers.code_of(KEY, printed())
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}", code)
    assert papers.code_of(KEY, printed(**changes)) != code
    assert papers.code_of(papers.signing_key("another secret"), printed()) != code


def test_the_code_does_not_depend_on_the_clock_it_is_told_on() -> None:
    yangon = NOW.astimezone(ZoneInfo("Asia/Yangon"))
    assert papers.code_of(KEY, printed(issued_at=yangon)) == papers.code_of(KEY, printed())


def test_a_code_may_be_typed_as_it_is_read() -> None:
    code = papers.code_of(KEY, printed())
    misread = code.replace("0", "o").replace("1", "l").lower()
    for typed in (code, code.lower(), code.replace("-", ""), f" {code.replace('-', ' – ')} ", misread):
        assert papers.is_code_of(KEY, printed(), typed)
    for typed in ("", code[:-1], code + "0", "x" * 4000, "ä\ud800"):
        assert not papers.is_code_of(KEY, printed(), typed)


@pytest.mark.parametrize(
    ("medicine", "begins"), [("Amoxicillin 500 mg", "Amo…"), ("ပါရာစီတမော", "ပါရာစီ…"), ("5 %", "5…"), ("…", "…")]
)
def test_how_a_medicine_begins(medicine: str, begins: str) -> None:
    assert papers.beginning(medicine) == begins


def test_a_stranger_is_told_that_a_paper_is_genuine_and_of_no_patient(doctor: Desk, stranger: Desk, god: Actor) -> None:
    one = prescribed(god)
    answer = verify(stranger, god, one.locator.lower(), code_on(doctor, one.locator).lower().replace("-", " "))
    assert answer.status_code == 200
    for text in (
        "This paper is genuine", one.locator, "Issued", "Dr Aung", "Riverside Clinic", "+95 1 234 567", "Amo…",
        "21 (twenty-one)", "It has been neither filled nor voided.",
    ):  # fmt: skip
        assert text in answer.text, text
    for text in ("Amoxicillin", "capsule", "Testowa", "1980", one.party_locator, one.episode_locator, "Peanut"):
        assert text not in answer.text, text
    [row] = rows(god, "SELECT * FROM audit_event WHERE action = 'prescription.verify'")
    assert (row.actor, row.outcome, row.subject, row.patients) == ("public", "seen", one.locator, [one.party_locator])


@pytest.mark.parametrize(("action", "said"), [("void", "Nothing may be handed out on it."), ("fill", "was filled on")])
def test_a_stranger_is_told_how_it_stands_now(doctor: Desk, stranger: Desk, god: Actor, action: str, said: str) -> None:
    one = prescribed(god)
    code = code_on(doctor, one.locator)
    service.act(god, one.locator, action=action, reason="Wrong strength")
    answer = verify(stranger, god, one.locator, code)
    assert said in answer.text
    assert "Wrong strength" not in answer.text
    assert code_on(doctor, one.locator) == code, "the paper that is out stays the same paper"


def test_nothing_can_be_found_out_by_trying(
    doctor: Desk, stranger: Desk, god: Actor, new_tenant: Callable[..., TestTenant]
) -> None:
    one = prescribed(god)
    code = code_on(doctor, one.locator)
    wrong = ("0" if code[0] != "0" else "2") + code[1:]
    other = new_tenant()
    tries = [
        {"code": wrong}, {"prescription": "RXP-2026-999999"}, {"prescription": "nonsense"}, {"clinic": "nobody"},
        {"clinic": other.key},
    ]  # fmt: skip
    answers = [verify(stranger, god, **{"locator": one.locator, "code": code, **typed}) for typed in tries]
    for typed, answer in zip(tries, answers, strict=True):
        assert answer.status_code == 422, typed
        assert NOT_CONFIRMED in answer.text
        assert "Dr Aung" not in answer.text
    plain = {re.sub(r'value="[^"]*"', "", re.sub(r'content="[^"]*"', "", answer.text)) for answer in answers}
    assert len(plain) == 1
    kept = rows(god, "SELECT actor, outcome, subject, patients FROM audit_event WHERE action = 'verify_paper'")
    assert {(row.actor, row.outcome, tuple(row.patients)) for row in kept} == {("public", "refused", ())}
    assert [row.subject for row in kept] == [one.locator, "RXP-2026-999999", "NONSENSE"]


def test_what_is_missing_is_asked_for_and_counts_as_no_try(stranger: Desk, god: Actor) -> None:
    for _ in range(attempts.ADDRESS_FAILURES + 1):
        answer = verify(stranger, god, "", "")
        assert answer.status_code == 422
    assert NOT_CONFIRMED not in answer.text
    assert "Fill this in." in answer.text


def test_who_tries_too_often_waits(doctor: Desk, stranger: Desk, god: Actor) -> None:
    one = prescribed(god)
    for _ in range(attempts.ADDRESS_FAILURES):
        assert verify(stranger, god, one.locator, "0000-0000-0000").status_code == 422
    answer = verify(stranger, god, one.locator, code_on(doctor, one.locator))
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "Too many tries" in answer.text
    assert "genuine</h2>" not in answer.text
    refused = rows(god, "SELECT 1 FROM audit_event WHERE action = 'verify_paper'")
    assert len(refused) == attempts.ADDRESS_FAILURES


def test_the_form_takes_clinic_and_number_from_the_address(stranger: Desk) -> None:
    form = stranger.forms("/verify?clinic=demo&prescription=RXP-2026-000001")["/verify"]
    assert (form.values["clinic"], form.values["prescription"], form.values["code"]) == ("demo", "RXP-2026-000001", "")


def test_a_form_from_elsewhere_is_refused_and_an_old_one_asks_again(stranger: Desk) -> None:
    sent = {"clinic": "demo", "prescription": "RXP-2026-000001", "code": "0000"}
    foreign = stranger.open("POST", "/verify", data=sent, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    old = stranger.open("POST", "/verify", data=sent, headers={"Sec-Fetch-Site": "same-origin"})
    assert old.status_code == 400
    assert "/sign-in" not in old.text


def test_the_episode_leads_to_the_paper(doctor: Desk, front: Desk, god: Actor) -> None:
    one = prescribed(god)
    link = f'href="/prescriptions/{one.locator}/paper"'
    assert link in doctor.get(f"/episodes/{one.episode_locator}").text
    assert link not in front.get(f"/episodes/{one.episode_locator}").text


@pytest.mark.parametrize("kind", ["page", "pdf"])
def test_a_print_asks_the_database_a_few_times(
    doctor: Desk, god: Actor, statements: Callable[[], Any], kind: str
) -> None:
    one = prescribed(god)
    with statements() as seen:
        doctor.get(f"/prescriptions/{one.locator}/paper{'.pdf' if kind == 'pdf' else ''}")
    assert len(seen) <= 8, seen


@pytest.mark.parametrize("himself", [True, False])
def test_the_paper_says_who_entered_it_unless_it_was_the_prescriber(doctor: Desk, god: Actor, himself: bool) -> None:
    prescriber = make.a_provider(god, name="Nurse Ei Ei Mon")
    own = prescriber if himself else make.a_provider(god, name="Dr Thandar")
    person = make.a_person(god, Role.CLINICIAN, provider=own)
    one = service.issue(
        person, make.an_episode(god).locator, medication=Medication(text="Ointment"), dosage="thinly",
        provider_locator=prescriber.locator,
    )  # fmt: skip
    page = doctor.get(f"/prescriptions/{one.locator}/paper").text
    assert re.search(r"<dt>Signature</dt><dd>Nurse Ei Ei Mon", page)
    assert bool(re.search(r"<dt>Entered by</dt><dd[^>]*>Person \d+</dd>", page)) is not himself
    assert ("Entered by Person" in text_of(doctor.get(f"/prescriptions/{one.locator}/paper.pdf"))) is not himself
    service.act(god, one.locator, action="fill")
    assert ("Entered by" in doctor.get(f"/prescriptions/{one.locator}/paper").text) is not himself, "whoever fills it"


def test_what_was_stored_as_it_was_elsewhere_was_entered_by_nobody(doctor: Desk, god: Actor) -> None:
    known = prescribed(god)
    row = rows(god, "SELECT episode_id, patient_id, provider_id FROM prescriptions")[0]
    importing = replace(god, name="import")
    with commands.unit_of(importing, name="test"):
        one = history.enter(
            importing, **row._mapping, medication=Medication(text="Ointment"), dosage="thinly", status="ISSUED",
            issued_at=NOW,
        )  # fmt: skip
        commands.record("test")
    assert "Entered by" in doctor.get(f"/prescriptions/{known.locator}/paper").text
    assert "Entered by" not in doctor.get(f"/prescriptions/{one.locator}/paper").text


def test_a_clinician_prints_in_his_own_name(desk: Callable[..., Desk], god: Actor) -> None:
    one = prescribed(god)
    page = desk(Role.CLINICIAN, name="Aye Chan").get(f"/prescriptions/{one.locator}/paper").text
    assert re.search(r"Printed .* by Aye Chan\. Page 1 of 1\.", page)
