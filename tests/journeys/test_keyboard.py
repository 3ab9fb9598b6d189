"""The main paths of both roles with the keyboard alone: what has the focus can be seen, and the focus is never lost."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from careapp.access import Actor, Role
from tests import factories as make
from tests.identity.people import PASSWORD
from tests.journeys.desk import (
    a_clinic_by_day,
    a_patient,
    a_visit,
    a_visit_under_way,
    allergic,
    days_ahead,
    expect_status,
    ready,
    rest,
)
from tests.journeys.keys import MOST_TABS, SEEN, WHAT, Keys
from tests.journeys.people import Clinic


@pytest.fixture
def clinic(god: Actor) -> Clinic:
    """A clinic at work, in this test's tenant."""
    return a_clinic_by_day(god)


@pytest.fixture
def keys(page: Page) -> Keys:
    """The hands of somebody without a mouse."""
    return Keys(page)


@pytest.fixture
def sign_in(clinic: Clinic, live_url: str, page: Page, keys: Keys) -> Callable[[Role], Page]:
    """sign_in(Role.CLINICIAN) signs in with the keyboard and is the page that comes."""

    def begin(role: Role = Role.FRONT_DESK) -> Page:
        page.goto(f"{live_url}/sign-in")
        keys.write(page.get_by_label("E-mail address"), clinic.emails[role])
        keys.write(page.get_by_label("Password"), PASSWORD)
        keys.press("Enter")
        keys.at(page.locator("form[action='/sign-out']"))
        return page

    return begin


def test_checking_in_from_the_search_and_taking_it_back(
    clinic: Clinic, sign_in: Callable[..., Page], keys: Keys
) -> None:
    visit, other = a_visit(clinic, 0, "Owusu"), a_visit(clinic, 1, "Mensah")
    page = sign_in()
    keys.press("g", "c")
    keys.at(page.locator("#calendar"))
    keys.press("g", "t")
    keys.at(page.locator("#today-list"))
    keys.press("/")
    keys.seen(page.get_by_role("searchbox"))
    keys.type("owus")
    keys.push(page.locator("#results").get_by_role("button", name="Check in"))
    expect_status(page, visit.locator, "ARRIVED")
    keys.has_not_lost_it()
    rest(page)
    keys.push(page.locator(f"#{visit.locator}").get_by_role("button", name="Undo"))
    expect_status(page, visit.locator, "BOOKED")
    keys.has_not_lost_it()
    for name in ("Check in Daw Owusu", "Check in Daw Mensah"):
        keys.press("Alt+N")
        keys.seen(page.get_by_role("button", name=name))
    keys.press("Enter")
    expect_status(page, other.locator, "ARRIVED")
    keys.has_not_lost_it()
    rest(page)
    keys.push(page.locator("#notices").get_by_role("button", name="Undo"))
    expect_status(page, other.locator, "BOOKED")
    keys.has_not_lost_it()


def test_every_stop_of_the_tab_key_is_seen(
    clinic: Clinic, live_url: str, sign_in: Callable[..., Page], keys: Keys
) -> None:
    for slot, family in enumerate(("Owusu", "Mensah", "Boateng", "Asante")):
        visit = a_visit(clinic, slot, family)
    inside = f"/episodes/{visit.episode_locator}"
    page = sign_in(Role.CLINICIAN)
    for address in (
        "/today",
        "/calendar",
        "/episodes",
        inside,
        f"{inside}/prescriptions/new",
        f"{inside}/referrals/new",
    ):
        page.goto(live_url + address)
        keys.at(page.locator("h1"))
        focus, stops = page.locator(":focus"), []
        for _ in range(MOST_TABS):
            keys.press("Tab")
            if not focus.count():  # past the last: a page that begins in its form goes on at its top
                continue
            if (what := focus.evaluate(WHAT)) in stops[:1]:
                break
            stops.append(what)
            assert focus.evaluate(SEEN) == {"marked": True, "uncovered": True}, (address, what)
        assert len(stops) > 10, address


def test_a_move_from_the_menu_of_a_row(clinic: Clinic, sign_in: Callable[..., Page], keys: Keys) -> None:
    visit = a_visit_under_way(clinic, "Owusu")
    page = sign_in()
    row = page.locator(f"#{visit.locator}")
    keys.push(row.locator("summary", has_text="More"))
    keys.push(row.get_by_role("button", name="Attended"))
    expect_status(page, visit.locator, "ATTENDED")
    keys.has_not_lost_it()


def test_booking_from_the_calendar(clinic: Clinic, sign_in: Callable[..., Page], keys: Keys) -> None:
    patient = a_patient(clinic, "Owusu", "Ama")
    episode = make.an_episode(clinic.actor, patient)
    page = sign_in()
    keys.press("g", "c")
    keys.push(page.locator("a.slot-free").first)
    ready(page.get_by_role("searchbox"))
    keys.type("owusu")
    expect(page.get_by_role("radio", checked=True)).to_have_value(episode.locator)
    keys.to(page.get_by_role("radio", checked=True))
    keys.press("ArrowDown")
    expect(page.get_by_role("radio", checked=True)).to_have_value(patient.locator)
    keys.press("ArrowUp")
    keys.push(page.get_by_role("button", name="Ama Owusu"))
    expect(page.locator("#notices")).to_contain_text("The appointment is booked.")
    expect(page.locator("h1")).to_have_text("General practice")
    keys.push(page.get_by_role("button", name="Check in"))
    expect(page.locator("[data-status=ARRIVED]")).to_be_focused()


def test_moving_on_the_grid(clinic: Clinic, sign_in: Callable[..., Page], keys: Keys) -> None:
    visit = a_visit(clinic, 0, "Owusu")
    page = sign_in()
    keys.press("g", "c")
    keys.push(page.get_by_role("link", name="Move Daw Owusu"))
    keys.push(page.get_by_role("button", name="Move to Dr Thiri Aung").nth(1))
    expect(page.locator("#notices")).to_contain_text(f"{visit.locator} has moved to another time.")
    expect(page.locator("section ul.slots > li").nth(2)).to_contain_text("Daw Owusu")


def test_a_walk_in(clinic: Clinic, sign_in: Callable[..., Page], keys: Keys) -> None:
    page = sign_in()
    keys.press("w")
    ready(page.get_by_role("searchbox"))
    keys.type("Aye Chan")
    keys.press("Enter")
    expect(page.get_by_label("Given name")).to_be_focused()
    keys.write(page.get_by_label("Family name"), "Htut")
    keys.write(
        page.get_by_label("Birth date (optional)"), "03032001"
    )  # the browser's own order of day and month does not matter
    keys.push(page.get_by_role("button", name="Book and check in"))
    expect(page.locator("#notices")).to_contain_text("The walk-in is booked and checked in.")
    row = page.locator(".day-list tr", has_text="Aye Chan Htut")
    expect(row).to_contain_text("3 Mar 2001")
    expect(row.locator("[data-status]")).to_have_attribute("data-status", "ARRIVED")


def test_the_palette_finds_a_patient_and_a_place(clinic: Clinic, sign_in: Callable[..., Page], keys: Keys) -> None:
    patient = a_patient(clinic, "Owusu", "Ama")
    a_patient(clinic, "Owusansa", "Kofi")
    page = sign_in()
    keys.press("Control+K")
    palette = page.get_by_role("dialog")
    ready(palette.get_by_role("searchbox"))
    keys.type("owus")
    expect(palette.locator("#palette-found a")).to_have_count(2)
    keys.press("ArrowDown")
    expect(palette.locator("#palette-found a").first).to_be_focused()
    keys.press("ArrowDown", "ArrowUp", "Escape")
    expect(palette).to_have_count(0)
    expect(page.locator("#palette-body")).to_be_empty()
    keys.press("Control+K")
    ready(palette.get_by_role("searchbox"))
    keys.type("owusu")
    expect(palette.locator("#palette-found a")).to_have_count(1)
    keys.press("Enter")
    expect(page).to_have_url(re.compile(f"/patients/{patient.locator}$"))
    keys.at(page.get_by_role("heading", name="Ama Owusu"))
    keys.press("Control+K")
    ready(palette.get_by_role("searchbox"))
    keys.type("calen")
    expect(palette.locator("[data-place]:visible")).to_have_count(1)
    keys.press("Enter")
    expect(page.locator("#calendar")).to_be_visible()


def test_the_list_of_keys_and_switching_them_off(clinic: Clinic, sign_in: Callable[..., Page], keys: Keys) -> None:
    a_visit(clinic, 0, "Owusu")
    page = sign_in()
    keys.at(page.locator(".day-list"))
    keys.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Next patient who waits for something")
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    keys.push(page.get_by_role("link", name="Ma Thandar Test"))
    keys.push(page.get_by_role("link", name="Preferences"))
    box = page.get_by_role("checkbox", name="Single keys are shortcuts")
    keys.to(box)
    keys.press("Space")
    keys.push(page.get_by_role("button", name="Save"))
    keys.at(page.locator("#notices").get_by_text("Your preferences are saved."))
    expect(box).not_to_be_checked()
    address = page.url
    for pressed in (("g", "t"), ("?",), ("/",), ("w",)):
        keys.press(*pressed)
    expect(page.get_by_role("dialog")).to_have_count(0)
    keys.press("Control+K")  # no single key: it stays
    expect(page.get_by_role("dialog").get_by_role("searchbox")).to_be_focused()
    keys.press("Escape")
    assert page.url == address


def test_an_episode_from_the_board_to_its_close(clinic: Clinic, sign_in: Callable[..., Page], keys: Keys) -> None:
    episode = make.an_episode(clinic.actor, a_patient(clinic, "Owusu", "Ama"))
    make.an_appointment(clinic.actor, episode, clinic.slots[0], status="ARRIVED")
    page = sign_in(Role.CLINICIAN)
    keys.press("g", "b")
    keys.at(page.locator(".board-item"))
    keys.press("Alt+N")
    keys.seen(page.get_by_role("link", name="Ama Owusu"))
    keys.press("Enter")
    keys.push(page.get_by_role("button", name="Attended"))
    expect(page.locator("[data-status=ATTENDED]")).to_be_focused()
    keys.push(page.get_by_role("link", name="Refer", exact=True))
    keys.write(page.get_by_label("Kind"), "Imaging")
    expect(page.get_by_label("Kind")).to_have_value("IMAGING")
    keys.write(page.get_by_label("Reason"), "Chest X-ray")
    keys.push(page.get_by_role("button", name="Make referral"))
    expect(page.locator("#notices")).to_contain_text("The referral is made.")
    keys.write(page.get_by_label("Summary"), "Bronchitis, rest and fluids.")
    keys.push(page.get_by_role("button", name="Close episode"))
    expect(page.locator("[data-error-summary]")).to_be_focused()
    still_open = page.locator("#still-open + ul")
    _see_to_the_referral(page, keys, still_open)
    keys.push(page.get_by_role("button", name="Close episode"))
    expect(page.locator("#notices")).to_contain_text("The episode is closed.")
    expect(page.locator("[data-status=CLOSED]")).to_be_visible()


def _see_to_the_referral(page: Page, keys: Keys, still_open: Locator) -> None:
    """Book it and complete it in the list of what stands open; the summary typed before stays."""
    keys.to(still_open.locator("summary", has_text="Book"), "Shift+Tab")
    keys.press("Enter")
    keys.to(still_open.get_by_label("When"))
    keys.type(f"0101{days_ahead(400):%Y}")  # the browser's own order of day and month does not matter
    keys.press("Tab")
    keys.type("1030AM")
    keys.write(still_open.get_by_label("Where"), "City Imaging")
    keys.push(still_open.get_by_role("button", name="Book REF"))
    expect(still_open.locator("[data-status=BOOKED]")).to_be_focused()
    expect(still_open).to_contain_text("10:30")
    rest(page)
    keys.push(still_open.locator("summary", has_text="Complete"))
    keys.write(still_open.get_by_label("Outcome"), "No pneumonia")
    keys.push(still_open.get_by_role("button", name="Complete REF"))
    expect(page.locator("[data-status=COMPLETED]")).to_be_visible()
    keys.has_not_lost_it()
    expect(page.get_by_label("Summary")).to_have_value("Bronchitis, rest and fluids.")
    rest(page)


def test_a_prescription(clinic: Clinic, sign_in: Callable[..., Page], keys: Keys) -> None:
    patient = a_patient(clinic, "Owusu", "Ama")
    allergic(clinic, patient, "Penicillin")
    episode = make.an_episode(clinic.actor, patient)
    make.an_appointment(clinic.actor, episode, clinic.slots[0], status="ARRIVED")
    page = sign_in(Role.CLINICIAN)
    keys.press("g", "b")
    keys.at(page.locator("#board"))
    keys.press("Alt+N", "Enter")
    keys.push(page.get_by_role("link", name="Prescribe"))
    keys.at(page.get_by_label("Medicine", exact=True))
    keys.press("/")
    keys.seen(page.get_by_label("Medicine", exact=True))
    keys.type("amox 500")
    medicines = page.locator("#medicines button")
    expect(medicines.filter(has_text="amoxicillin 500 MG Oral Capsule")).to_be_visible()
    keys.press("ArrowDown")
    expect(medicines.nth(0)).to_be_focused()
    keys.press("ArrowDown", "ArrowUp", "ArrowUp")
    expect(page.get_by_label("Medicine", exact=True)).to_be_focused()
    keys.push(medicines.filter(has_text="amoxicillin 500 MG Oral Capsule"))
    expect(page.get_by_text("RxNorm 308191")).to_be_visible()
    keys.seen(page.get_by_label("Amount each time"))  # where it goes on
    keys.type("1")
    keys.write(page.get_by_label("How often"), "three times")
    expect(page.get_by_label("How often")).to_have_value("TID")
    keys.write(page.get_by_label("For how long"), "7")
    expect(page.get_by_text("Take 1 capsule by mouth three times a day for 7 days.")).to_be_visible()
    keys.push(page.get_by_role("button", name="Issue prescription"))
    expect(page.locator("[data-error-summary]")).to_be_focused()
    keys.push(page.locator("[data-error-summary]").get_by_role("link"))
    expect(page.get_by_label("Reason to prescribe it all the same")).to_be_focused()
    keys.type("Took it last year without a reaction")
    keys.push(page.get_by_role("button", name="Issue prescription"))
    expect(page.locator("#notices")).to_contain_text("The prescription is issued.")
    keys.push(page.get_by_role("link", name="Print prescription").first)
    expect(page.get_by_role("link", name="Open as PDF")).to_be_visible()
