"""The main paths of both roles without JavaScript: every form is a form, every answer a page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from careapp.access import Actor, Role
from tests import factories as make
from tests.journeys.desk import a_clinic_by_day, a_patient, a_visit, allergic, days_ahead, expect_status
from tests.journeys.people import Clinic, sign_in

DOSAGE = "Take 1 capsule by mouth three times a day for 7 days."


@pytest.fixture
def clinic(god: Actor) -> Clinic:
    """A clinic at work, in this test's tenant."""
    return a_clinic_by_day(god)


@pytest.fixture
def desk(clinic: Clinic, live_url: str, no_js_page: Page) -> Callable[..., Page]:
    """desk("/today", Role.CLINICIAN) is that page, signed in as somebody of that role."""

    def at(address: str = "/today", role: Role = Role.FRONT_DESK) -> Page:
        sign_in(no_js_page, live_url, clinic.emails[role])
        no_js_page.goto(live_url + address)
        return no_js_page

    return at


def test_checking_in_taking_it_back_and_searching(clinic: Clinic, desk: Callable[..., Page]) -> None:
    visit, other = a_visit(clinic, 0, "Owusu"), a_visit(clinic, 1, "Mensah")
    page = desk()
    page.get_by_role("button", name="Check in Daw Owusu").click()
    expect(page.locator("#notices")).to_contain_text(visit.locator)
    expect_status(page, visit.locator, "ARRIVED")
    page.locator(f"#{visit.locator}").get_by_role("button", name="Undo").click()
    expect_status(page, visit.locator, "BOOKED")
    page.get_by_role("searchbox").fill("mens")
    page.get_by_role("button", name="Find").click()
    results = page.locator("#results")
    expect(results.get_by_role("heading")).to_have_text("1 visit on this day. 0 other patients.")
    assert "mens" not in page.url.lower()
    results.get_by_role("button", name="Check in").click()
    expect_status(page, other.locator, "ARRIVED")
    page.get_by_role("link", name="Arrived").click()
    expect(page.locator(".day-list tbody tr")).to_have_count(1)
    page.locator(".day-list summary", has_text="More").click()
    page.locator("summary", has_text="Cancel visit").click()
    page.get_by_label("Reason").fill("Called away")
    page.get_by_role("button", name="Cancel visit").click()
    expect(page.locator("#notices")).to_contain_text(other.locator)
    expect(page.get_by_text("Nobody in this part of the list.")).to_be_visible()


def test_booking_and_losing_the_race_for_a_place(clinic: Clinic, desk: Callable[..., Page]) -> None:
    a_patient(clinic, "Owusu", "Ama")
    page = desk("/calendar")
    page.locator("a.slot-free").first.click()
    page.get_by_role("searchbox").fill("owusu")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("radio", checked=True)).to_have_count(1)
    page.get_by_role("textbox", name="Reason (optional)").fill("Cough since Monday")
    make.an_appointment(clinic.actor, slot=clinic.slots[0])  # somebody else is quicker
    page.get_by_role("button", name="Ama Owusu").click()
    expect(page.get_by_text("Just taken.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Reason (optional)")).to_have_value("Cough since Monday")
    free = page.locator("button[formaction^='/slots/']")
    expect(free).to_have_count(3)
    free.first.click()
    expect(page.locator("#notices")).to_contain_text("The appointment is booked.")
    expect(page.get_by_role("region", name="Patient")).to_contain_text("Ama Owusu")


def test_a_walk_in_of_somebody_new(clinic: Clinic, desk: Callable[..., Page]) -> None:
    page = desk()
    page.get_by_role("link", name="Walk-in").first.click()
    page.get_by_role("searchbox").fill("Aye Chan")
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Family name").fill("Htut")
    page.get_by_label("Birth date (optional)").fill("2001-02-03")
    page.get_by_role("button", name="Book and check in").click()
    expect(page.locator("#notices")).to_contain_text("The walk-in is booked and checked in.")
    row = page.locator(".day-list tr", has_text="Aye Chan Htut")
    expect(row.locator("[data-status]")).to_have_attribute("data-status", "ARRIVED")


def test_an_episode_from_the_visit_to_its_close(clinic: Clinic, desk: Callable[..., Page]) -> None:
    episode = make.an_episode(clinic.actor, a_patient(clinic, "Owusu", "Ama"))
    make.an_appointment(clinic.actor, episode, clinic.slots[0], status="ARRIVED")
    page = desk("/episodes?clinician=mine", Role.CLINICIAN)
    page.get_by_role("link", name="Ama Owusu").click()
    page.get_by_role("button", name="Attended").click()
    expect(page.locator("[data-status=ATTENDED]")).to_be_visible()
    page.get_by_role("link", name="Refer", exact=True).click()
    page.get_by_label("Kind").select_option("Imaging")
    page.get_by_role("button", name="Make referral").click()
    expect(page).to_have_title("Error: Refer - careapp")
    page.get_by_label("Reason").fill("Chest X-ray")
    page.get_by_role("button", name="Make referral").click()
    page.get_by_label("Summary").fill("Bronchitis, rest and fluids.")
    page.get_by_role("button", name="Close episode").click()
    expect(page.locator("[data-error-summary]").get_by_role("link")).to_contain_text(": Imaging")
    page.get_by_role("link", name="Referrals", exact=True).first.click()
    page.locator("summary", has_text="Book").click()
    page.get_by_label("When").fill(f"{days_ahead(10)}T10:30")
    page.get_by_role("button", name="Book REF").click()
    page.locator("#column-BOOKED summary", has_text="Complete").click()
    page.get_by_label("Outcome").fill("No pneumonia")
    page.get_by_role("button", name="Complete REF").click()
    expect(page.locator("#column-COMPLETED")).to_contain_text("No pneumonia")
    page.locator("#column-COMPLETED").get_by_role("link", name="Ama Owusu").click()
    page.get_by_label("Summary").fill("Bronchitis, rest and fluids.")
    page.get_by_role("button", name="Close episode").click()
    expect(page.locator("#notices")).to_contain_text("The episode is closed.")
    expect(page.locator("[data-status=CLOSED]")).to_be_visible()


def test_a_prescription_with_its_warning(clinic: Clinic, desk: Callable[..., Page]) -> None:
    patient = a_patient(clinic, "Owusu", "Ama")
    allergic(clinic, patient, "Penicillin")
    episode = make.an_episode(clinic.actor, patient)
    page = desk(f"/episodes/{episode.locator}/prescriptions/new", Role.CLINICIAN)
    page.get_by_label("Medicine", exact=True).fill("amox 500")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("button", name="amoxicillin 500 MG Oral Capsule").click()
    expect(page.get_by_text("RxNorm 308191")).to_be_visible()
    expect(page.get_by_text("Allergy on record: Penicillin.")).to_be_visible()
    page.get_by_label("Amount each time").fill("1")
    page.get_by_label("How often").select_option("three times a day")
    page.get_by_label("For how long").fill("7")
    page.get_by_label("For how long").press("Enter")  # shows the sentence, and never issues
    expect(page.get_by_text(DOSAGE)).to_be_visible()
    expect(page.get_by_label("Quantity")).to_have_value("21")
    page.get_by_role("button", name="Issue prescription").click()
    expect(page).to_have_title("Error: Prescribe - careapp")
    page.get_by_label("Reason to prescribe it all the same").fill("Took it last year without a reaction")
    page.get_by_role("button", name="Issue prescription").click()
    expect(page.locator("#notices")).to_contain_text("The prescription is issued.")
    expect(page.locator("#main")).to_contain_text(DOSAGE)


def test_pages_in_burmese(clinic: Clinic, desk: Callable[..., Page]) -> None:
    page = desk("/preferences")
    page.get_by_role("radio", name="မြန်မာ").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("html")).to_have_attribute("lang", "my")
    page.goto(page.url.replace("/preferences", "/today"))
    expect(page.locator("html")).to_have_attribute("lang", "my")
    expect(page.locator("[data-go=t]")).to_have_count(1)
