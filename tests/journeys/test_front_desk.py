"""The front desk with the mouse: today's list, walk-ins, booking, moving and blocking; interactions are counted."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from careapp import clock
from careapp.access import Actor, Role
from tests import factories as make
from tests.journeys.desk import (
    Hands,
    a_clinic_by_day,
    a_patient,
    a_visit,
    a_visit_under_way,
    expect_status,
    ready,
    rest,
    status_of,
)
from tests.journeys.people import Clinic, sign_in

CHECK_IN = "Check in"


@pytest.fixture
def clinic(god: Actor) -> Clinic:
    """A clinic at work, in this test's tenant."""
    return a_clinic_by_day(god)


@pytest.fixture
def desk(clinic: Clinic, live_url: str, page: Page) -> Callable[[str], Page]:
    """desk("/today") is that page, signed in at the front desk."""
    sign_in(page, live_url, clinic.emails[Role.FRONT_DESK])

    def at(address: str = "/today") -> Page:
        page.goto(live_url + address)
        return page

    return at


def test_check_in_is_one_interaction_and_can_be_taken_back(clinic: Clinic, desk: Callable[..., Page]) -> None:
    visit, other = a_visit(clinic, 0, "Owusu"), a_visit(clinic, 1, "Mensah")
    page = desk()
    hands = Hands(page)
    hands.click(page.get_by_role("button", name="Check in Daw Owusu"))
    expect_status(page, visit.locator, "ARRIVED")
    assert hands.count <= 1
    expect(status_of(page, visit.locator)).to_be_focused()
    expect(page.locator("#notices")).to_contain_text("Daw Owusu")
    expect(page.locator(f"#{visit.locator}")).to_contain_text("by Ma Thandar Test")
    rest(page)
    page.locator("#notices").get_by_role("button", name="Undo").click()
    expect_status(page, visit.locator, "BOOKED")
    expect_status(page, other.locator, "BOOKED")
    expect(page.get_by_role("button", name="Check in Daw Owusu")).to_be_visible()


def test_a_day_goes_from_due_to_done_in_its_tabs(clinic: Clinic, desk: Callable[..., Page]) -> None:
    visit, other = a_visit(clinic, 0, "Owusu"), a_visit_under_way(clinic, "Mensah")
    page = desk()
    tabs = page.get_by_role("navigation", name="Parts of the list")
    row, rows = page.locator(f"#{visit.locator}"), page.locator(".day-list tbody tr")
    expect(tabs.get_by_role("link")).to_have_text(["Due 2", "Arrived 0", "In room 0", "Done 0", "Missed 0", "All 2"])
    for move, tab, count in ((CHECK_IN, "Arrived", "Arrived 1"), ("Start", "In room", "In room 1")):
        row.get_by_role("button", name=move).click()
        tabs.get_by_role("link", name=tab).click()
        expect(tabs.locator("[aria-current]")).to_have_text(count)
        expect(rows).to_have_count(1)
        rest(page)
    row.get_by_role("button", name="Attended").click()
    expect(page.get_by_text("Nobody in this part of the list.")).to_be_visible()
    tabs.get_by_role("link", name="Done").click()
    expect_status(page, visit.locator, "ATTENDED")
    tabs.get_by_role("link", name="Due").click()
    page.locator(f"#{other.locator}").get_by_role("button", name="No-show").click()
    expect(tabs.get_by_role("link", name="Missed")).to_have_text("Missed 1")


def test_the_search_finds_while_somebody_types(clinic: Clinic, desk: Callable[..., Page]) -> None:
    visit, elsewhere = a_visit(clinic, 0, "Owusu"), a_patient(clinic, "Owusansa")
    page = desk()
    page.get_by_role("searchbox").click()
    page.keyboard.type("owus", delay=30)
    results = page.locator("#results")
    expect(results.get_by_role("heading")).to_have_text("1 visit on this day. 1 other patient.")
    expect(results.get_by_role("link", name="Walk-in Daw Owusansa")).to_be_visible()
    page.keyboard.type("u", delay=30)
    expect(results.get_by_role("heading")).to_have_text("1 visit on this day. 0 other patients.")
    assert "owus" not in page.url.lower()
    page.get_by_role("searchbox").fill("1980-05-17")
    expect(results).to_contain_text(elsewhere.locator)
    page.get_by_role("searchbox").fill(visit.party_locator)
    expect(results.locator("li")).to_have_count(1)
    results.get_by_role("button", name=CHECK_IN).click()
    expect_status(page, visit.locator, "ARRIVED")


def test_the_next_patient_by_two_keys(clinic: Clinic, desk: Callable[..., Page]) -> None:
    first, second = a_visit(clinic, 0, "Owusu"), a_visit(clinic, 1, "Mensah")
    page = desk()
    for visit in (first, second):
        hands = Hands(page)
        hands.press("Alt+N")
        expect(page.locator(f"#{visit.locator}").get_by_role("button", name=CHECK_IN)).to_be_focused()
        hands.press("Enter")
        expect_status(page, visit.locator, "ARRIVED")
        assert hands.count <= 2
        rest(page)


def test_a_double_click_does_not_check_in_the_next_patient(clinic: Clinic, desk: Callable[..., Page]) -> None:
    first, second = a_visit(clinic, 0, "Owusu"), a_visit(clinic, 1, "Mensah")
    page = desk(f"/today?clinic={clinic.clinic.locator}&tab=due")
    page.clock.install()
    page.clock.pause_at(datetime.now() + timedelta(minutes=1))
    box = page.get_by_role("button", name="Check in Daw Owusu").bounding_box()
    assert box
    where = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(*where)
    expect(page.locator(f"#{first.locator}")).to_have_count(0)  # the next patient's row has moved to where it was
    below = page.get_by_role("button", name="Check in Daw Mensah").bounding_box()
    assert below
    assert below["y"] < where[1] < below["y"] + below["height"]
    page.clock.fast_forward(180)
    page.mouse.click(*where)
    expect(page.get_by_role("button", name="Check in Daw Mensah")).to_be_enabled()  # it is not at once when pressed
    page.clock.fast_forward(600)
    expect_status(page, second.locator, "BOOKED")
    page.mouse.click(*where)  # later, this is meant
    expect(page.get_by_text("Nobody in this part of the list.")).to_be_visible()


def test_a_walk_in_of_somebody_new(clinic: Clinic, desk: Callable[..., Page]) -> None:
    page = desk()
    page.get_by_role("link", name="Walk-in").first.click()
    ready(page.get_by_role("searchbox"))
    page.keyboard.type("Aye Chan")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nobody is found.")).to_be_visible()
    expect(page.get_by_label("Given name")).to_have_value("Aye Chan")
    page.get_by_label("Family name").fill("Htut")
    page.get_by_label("Birth date (optional)").fill("2001-02-03")
    page.get_by_label("Reason").fill("Sore throat")
    page.get_by_role("button", name="Book and check in").click()
    expect(page.locator("#notices")).to_contain_text("The walk-in is booked and checked in.")
    row = page.locator(".day-list tr", has_text="Aye Chan Htut")
    expect(row.locator("[data-status]")).to_have_attribute("data-status", "ARRIVED")


def test_a_known_walk_in_is_found_while_one_types(clinic: Clinic, desk: Callable[..., Page]) -> None:
    known = a_patient(clinic, "Owusansa")
    page = desk(f"/walk-in?clinic={clinic.clinic.locator}")
    ready(page.get_by_role("searchbox"))
    page.keyboard.type("owusan", delay=30)
    choose = page.get_by_role("link", name="Choose Daw Owusansa")
    expect(choose).to_be_visible()
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Enter")
    expect(choose).to_be_focused()
    expect(page.get_by_label("Given name")).to_have_value("")
    page.keyboard.press("Enter")
    expect(page.locator(".walk-in-who")).to_contain_text(known.locator)


@pytest.mark.parametrize("known", [True, False], ids=["open-episode", "no-episode"])
def test_from_a_free_slot_to_a_booked_patient_in_three(
    clinic: Clinic, desk: Callable[..., Page], known: bool
) -> None:  # fmt: skip
    patient = a_patient(clinic, "Owusu", "Ama")
    episode = make.an_episode(clinic.actor, patient) if known else None
    page = desk("/calendar")
    hands = Hands(page)
    hands.click(page.locator("a.slot-free").first)
    ready(page.get_by_role("searchbox"))
    hands.type("owusu")
    chosen = page.get_by_role("radio", checked=True)
    expect(chosen).to_have_value(episode.locator if episode else patient.locator)
    hands.click(page.get_by_role("button", name="Ama Owusu"))
    expect(page.locator("#notices")).to_contain_text("The appointment is booked.")
    assert hands.count <= 3
    expect(page.get_by_role("region", name="Patient")).to_contain_text("Ama Owusu")
    expect(page.locator("#still-open + ul [data-status=BOOKED]")).to_be_visible()
    if episode:
        assert page.url.endswith(episode.locator)


def test_next_free_over_providers(clinic: Clinic, desk: Callable[..., Page]) -> None:
    skin = make.a_provider(
        clinic.actor, name="Dr Min Thu", specialty="DERMATOLOGY", clinic_locators=[clinic.clinic.locator]
    )
    slot = make.a_slot(clinic.actor, skin, hours=30, clinic=clinic.clinic)
    a_patient(clinic, "Owusu")
    page = desk("/calendar")
    page.get_by_role("link", name="Next free").click()
    expect(page.locator("#free li")).to_have_count(7)
    page.get_by_label("Specialty").select_option("DERMATOLOGY")
    expect(page.locator("#free li")).to_have_count(1)
    assert "DERMATOLOGY" in page.url
    page.locator("#free a.slot-free").click()
    expect(page).to_have_url(re.compile(f"/slots/{slot.locator}/book"))
    ready(page.get_by_role("searchbox"))
    page.keyboard.type("owusu")
    page.get_by_role("button", name="Daw Owusu").click()
    expect(page.locator("#notices")).to_contain_text("The appointment is booked.")
    expect(page.locator("#still-open + ul")).to_contain_text("Dr Min Thu")


def test_an_appointment_moves_on_the_grid(clinic: Clinic, desk: Callable[..., Page]) -> None:
    visit = a_visit(clinic, 0, "Owusu", status="CONFIRMED")
    page = desk("/calendar")
    page.get_by_role("link", name="Move Daw Owusu").click()
    expect(page.get_by_text("Press a free time.")).to_be_visible()
    page.get_by_role("button", name="Move to Dr Thiri Aung").nth(2).click()
    expect(page.locator("#notices")).to_contain_text(f"{visit.locator} has moved to another time.")
    expect(page.locator("a.slot-free")).to_have_count(5)
    expect(page.locator("section ul.slots > li").nth(3)).to_contain_text("Daw Owusu")


def test_a_span_is_blocked_and_says_whom_to_call(clinic: Clinic, desk: Callable[..., Page]) -> None:
    a_visit(clinic, 0, "Owusu")
    page = desk("/calendar")
    page.get_by_role("link", name="Block a time").click()
    expect(page.get_by_label("Provider")).to_have_value("")
    page.get_by_label("Provider").select_option("Dr Thiri Aung")
    page.get_by_role("button", name="Block these times").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    page.get_by_label("Reason").fill("Doctor is ill")
    page.get_by_role("button", name="Block these times").click()
    expect(page.get_by_role("heading", name="Patients to call")).to_be_visible()
    expect(page.locator("#notices")).to_contain_text("6 slots are blocked.")
    row = page.get_by_role("row", name="Daw Owusu")
    expect(row.get_by_role("link", name="09 555 0101")).to_have_attribute("href", "tel:095550101")
    expect(row).to_contain_text("Doctor is ill")
    page.get_by_role("link", name="Back to the calendar").click()
    expect(page.locator(".slot-blocked", has_text="Doctor is ill")).to_have_count(6)


def test_the_loser_of_a_race_keeps_what_was_typed(clinic: Clinic, desk: Callable[..., Page]) -> None:
    patient = a_patient(clinic, "Owusu", "Ama")
    page = desk(f"/slots/{clinic.slots[0].locator}/book")
    ready(page.get_by_role("searchbox"))
    page.keyboard.type("owusu")
    expect(page.get_by_role("radio", checked=True)).to_have_value(patient.locator)
    page.get_by_label("Care type of a new episode").select_option("Urgent care")
    reason = page.get_by_role("textbox", name="Reason (optional)")
    reason.fill("Cough since Monday")
    make.an_appointment(clinic.actor, slot=clinic.slots[0])  # somebody else is quicker
    page.get_by_role("button", name="Ama Owusu").click()
    expect(page.get_by_text("Just taken.")).to_be_visible()
    free = page.locator("button[formaction^='/slots/']")
    expect(free).to_have_count(3)
    expect(reason).to_have_value("Cough since Monday")
    expect(page.get_by_label("Care type of a new episode")).to_have_value("URGENT_CARE")
    expect(page.get_by_role("radio", checked=True)).to_have_value(patient.locator)
    free.first.click()
    expect(page.locator("#notices")).to_contain_text("The appointment is booked.")
    expect(page.locator("h1")).to_have_text("Urgent care")
    expect(page.locator("#main")).to_contain_text("Cough since Monday")
    at = clock.local(clinic.slots[1].starts_at, clinic.clinic.time_zone)
    expect(page.locator("#still-open + ul")).to_contain_text(f"{at:%H:%M}")
