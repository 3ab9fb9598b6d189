"""A clinician with the mouse: from the own board through a visit, a prescription and a referral to a closed episode."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from careapp.access import Actor, Role
from tests import factories as make
from tests.journeys.desk import a_clinic_by_day, a_patient, allergic, days_ahead, ready, rest
from tests.journeys.people import Clinic, sign_in

DOSAGE = "Take 1 capsule by mouth three times a day for 7 days."


@pytest.fixture
def clinic(god: Actor) -> Clinic:
    """A clinic at work, in this test's tenant."""
    return a_clinic_by_day(god)


@pytest.fixture
def desk(clinic: Clinic, live_url: str, page: Page) -> Callable[[str], Page]:
    """desk("/episodes") is that page, signed in as the clinic's doctor."""
    sign_in(page, live_url, clinic.emails[Role.CLINICIAN])
    page.on("dialog", lambda dialog: dialog.accept())  # leaving a form that holds something asks first

    def at(address: str) -> Page:
        page.goto(live_url + address)
        return page

    return at


def test_from_the_own_board_to_a_closed_episode(clinic: Clinic, desk: Callable[..., Page]) -> None:
    patient = a_patient(clinic, "Owusu", "Ama")
    episode = make.an_episode(clinic.actor, patient, reason="Cough since Monday")
    make.an_appointment(clinic.actor, episode, clinic.slots[0], status="ARRIVED")
    make.an_episode(clinic.actor, a_patient(clinic, "Mensah"))  # nobody's yet, so not on the own board
    page = desk("/today")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Board", exact=True).click()
    expect(page.get_by_label("Clinician")).to_have_value("mine")
    cards = page.locator(".board-item")
    expect(cards).to_have_count(1)
    cards.get_by_role("link", name="Ama Owusu").click()
    expect(page.get_by_role("region", name="Patient")).to_contain_text("Ama Owusu")
    page.wait_for_load_state()  # the focus is moved by the script
    page.get_by_role("button", name="Attended").click()
    expect(page.locator("[data-status=ATTENDED]")).to_be_focused()
    _refer(page)
    _is_refused(page)
    _sees_to_the_referral(page, clinic)
    page.locator(".board-item", has_text="Ama Owusu").get_by_role("link").first.click()
    _closes(page)


def _refer(page: Page) -> None:
    page.get_by_role("link", name="Refer", exact=True).click()
    page.get_by_label("Kind").select_option("Imaging")
    page.get_by_label("Reason").fill("Chest X-ray, to rule out pneumonia")
    page.get_by_role("button", name="Make referral").click()
    expect(page.locator("#notices")).to_contain_text("The referral is made.")


def _is_refused(page: Page) -> None:
    """The list of what stands open is the checklist for closing: with a referral open the episode stays open."""
    page.get_by_label("Summary").fill("Bronchitis, rest and fluids.")
    page.get_by_role("button", name="Close episode").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    expect(page.locator("[data-error-summary]").get_by_role("link")).to_contain_text(": Imaging")
    expect(page.get_by_label("Summary")).to_have_value("Bronchitis, rest and fluids.")
    expect(page.locator("#still-open + ul > li")).to_have_count(1)


def _sees_to_the_referral(page: Page, clinic: Clinic) -> None:
    """Book it and complete it on the referral board."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Referrals").click()
    referred, booked = page.locator("#column-REFERRED"), page.locator("#column-BOOKED")
    expect(referred).to_be_visible()
    page.wait_for_load_state()  # the focus is kept by the script
    referred.locator("summary", has_text="Book").click()
    referred.get_by_label("When").fill(f"{days_ahead(10)}T10:30")
    referred.get_by_label("Where").fill("City Imaging")
    referred.get_by_role("button", name="Book REF").click()
    expect(booked.get_by_role("listitem")).to_contain_text("City Imaging")
    expect(booked.get_by_role("listitem")).to_contain_text("10:30")  # on the clinic's clock, not the browser's
    expect(page.locator(":focus")).to_have_count(1)
    rest(page)
    booked.locator("summary", has_text="Complete").click()
    booked.get_by_label("Outcome").fill("No pneumonia")
    booked.get_by_role("button", name="Complete REF").click()
    expect(page.locator("#column-COMPLETED")).to_contain_text("No pneumonia")


def _closes(page: Page) -> None:
    expect(page.get_by_text("Nothing: this episode can be closed.")).to_be_visible()
    page.get_by_label("Summary").fill("Bronchitis, rest and fluids.")
    page.get_by_role("button", name="Close episode").click()
    expect(page.locator("#notices")).to_contain_text("The episode is closed.")
    expect(page.locator("[data-status=CLOSED]")).to_be_visible()
    expect(page.locator("#main")).to_contain_text("Bronchitis, rest and fluids.")
    expect(page.get_by_role("link", name="Prescribe")).to_have_count(0)


def test_a_prescription_is_coded_dosed_warned_of_once_and_printed(clinic: Clinic, desk: Callable[..., Page]) -> None:
    patient = a_patient(clinic, "Owusu", "Ama")
    allergic(clinic, patient, "Penicillin")
    episode = make.an_episode(clinic.actor, patient)
    page = desk(f"/episodes/{episode.locator}")
    page.get_by_role("link", name="Prescribe").click()
    page.get_by_label("Medicine", exact=True).click()
    ready(page.get_by_label("Medicine", exact=True))
    page.keyboard.type("amox 500", delay=20)
    page.get_by_role("button", name="amoxicillin 500 MG Oral Capsule").click()
    expect(page.get_by_text("RxNorm 308191")).to_be_visible()
    expect(page.get_by_label("Medicine", exact=True)).to_have_value("amoxicillin 500 MG Oral Capsule")
    expect(page.get_by_text("Allergy on record: Penicillin.")).to_be_visible()
    page.get_by_label("Amount each time").fill("1")
    page.get_by_label("How often").select_option("three times a day")
    page.get_by_label("For how long").fill("7")
    expect(page.get_by_text(DOSAGE)).to_be_visible()
    expect(page.get_by_label("Quantity")).to_have_value("21")
    page.get_by_role("button", name="Issue prescription").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()  # the one interruption
    expect(page.get_by_label("Amount each time")).to_have_value("1")
    page.get_by_label("Reason to prescribe it all the same").fill("Took it last year without a reaction")
    page.get_by_role("button", name="Issue prescription").click()
    expect(page.locator("#notices")).to_contain_text("The prescription is issued.")
    timeline = page.get_by_role("region", name="Timeline")
    expect(page.locator("#main")).to_contain_text(DOSAGE)
    expect(page.locator("#main")).to_contain_text("Prescribed all the same: Took it last year without a reaction")
    timeline.get_by_role("link", name="Print prescription").click()
    expect(page.get_by_role("article")).to_contain_text("amoxicillin 500 MG Oral Capsule")
    expect(page.get_by_role("article")).to_contain_text(DOSAGE)
    link = page.get_by_role("link", name="Open as PDF").get_attribute("href")
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
    answer = page.context.request.get(f"{origin}{link}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.body().startswith(b"%PDF-")
