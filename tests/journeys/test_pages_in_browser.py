"""What only a browser shows of single pages: what is hidden, what stands on one line, what stays after signing out."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from careapp.access import Actor, Role
from careapp.patients.views import ContactPoint
from tests import factories as make
from tests.journeys.people import Clinic, a_clinic_at_work, sign_in


@pytest.fixture
def clinic(god: Actor) -> Clinic:
    """A clinic at work, in this test's tenant."""
    return a_clinic_at_work(god)


def test_care_type_is_asked_for_a_new_episode_only(clinic: Clinic, live_url: str, no_js_page: Page) -> None:
    page, episode = no_js_page, make.an_episode(clinic.actor)
    sign_in(page, live_url, clinic.emails[Role.FRONT_DESK])
    page.goto(f"{live_url}/slots/{clinic.slots[0].locator}/book?episode={episode.locator}")
    expect(page.get_by_label("Care type of a new episode")).to_be_hidden()
    page.get_by_role("radio", name="New episode").check()
    expect(page.get_by_label("Care type of a new episode")).to_be_visible()


def test_the_buttons_of_an_appointment_stand_on_one_line(clinic: Clinic, live_url: str, page: Page) -> None:
    booked = make.an_appointment(clinic.actor, slot=clinic.slots[0], status="CONFIRMED")
    sign_in(page, live_url, clinic.emails[Role.CLINICIAN])
    page.goto(f"{live_url}/episodes/{booked.episode_locator}")
    shown = [one.bounding_box() for one in page.locator(".open-list .row-actions .btn").all() if one.is_visible()]
    assert len(shown) == 4
    assert len({box["y"] for box in shown if box}) == 1


def test_what_a_menu_asks_for_stands_inside_it(clinic: Clinic, live_url: str, page: Page) -> None:
    referral = make.a_referral(clinic.actor)
    sign_in(page, live_url, clinic.emails[Role.CLINICIAN])
    page.goto(f"{live_url}/episodes/{referral.episode_locator}")
    page.locator("summary", has_text="Book").click()
    menu, when = page.locator("details[open] .menu").bounding_box(), page.get_by_label("When").bounding_box()
    assert menu
    assert when
    left, right = when["x"] - menu["x"], menu["x"] + menu["width"] - when["x"] - when["width"]
    assert abs(left - right) < 1, (left, right)


def test_a_free_time_alone_in_its_row_fills_it_on_a_phone(clinic: Clinic, live_url: str, page: Page) -> None:
    doctor, noon = make.a_provider(clinic.actor), make.mid_week()
    slots = [make.a_slot(clinic.actor, doctor, hours=noon + hour, clinic=clinic.clinic) for hour in range(4)]
    make.an_appointment(clinic.actor, slot=slots[1], status="CONFIRMED")
    page.set_viewport_size({"width": 360, "height": 740})
    sign_in(page, live_url, clinic.emails[Role.FRONT_DESK])
    page.goto(f"{live_url}/calendar?clinic={clinic.clinic.locator}&day={slots[0].starts_at.date()}")
    wide = [round(box["width"]) for one in page.locator(".day-grid .slots > li").all() if (box := one.bounding_box())]
    assert len(wide) == 4
    assert wide[0] == wide[1], "the one before the visit has no other beside it"
    assert max(wide[2:]) <= wide[1] / 2, "those after it stand in a pair"


def test_a_phone_can_dial_the_patient(clinic: Clinic, live_url: str, page: Page) -> None:
    reached = [ContactPoint(system="phone", value="09 555 0101")]
    episode = make.an_episode(clinic.actor, make.a_patient(clinic.actor, telecom=reached))
    page.set_viewport_size({"width": 360, "height": 740})
    sign_in(page, live_url, clinic.emails[Role.CLINICIAN])
    for address in (f"/episodes/{episode.locator}", f"/patients/{episode.party_locator}"):
        page.goto(f"{live_url}{address}")
        dial = page.locator(".patient-banner").get_by_role("link", name="09 555 0101")
        expect(dial).to_have_attribute("href", "tel:095550101")
        expect(dial).to_be_in_viewport()


def test_every_place_is_in_view_on_a_phone(clinic: Clinic, live_url: str, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    sign_in(page, live_url, clinic.emails[Role.FRONT_DESK])
    page.goto(f"{live_url}/dashboard")
    places = page.locator("header nav a")
    expect(places.last).to_be_visible()
    assert places.count() > 4
    boxes = [one.bounding_box() for one in places.all()]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes), boxes


def test_paper_is_light_where_the_screen_is_dark(clinic: Clinic, live_url: str, page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    sign_in(page, live_url, clinic.emails[Role.FRONT_DESK])
    page.goto(f"{live_url}/calendar?clinic={clinic.clinic.locator}")
    ground = "getComputedStyle(document.querySelector('.slot-free')).backgroundColor"
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="dark", media="print")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    assert page.evaluate(ground) != dark
    page.emulate_media(color_scheme="dark", media="screen")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_what_was_typed_stays_after_signing_out_in_another_tab(clinic: Clinic, live_url: str, page: Page) -> None:
    sign_in(page, live_url, clinic.emails[Role.FRONT_DESK])
    page.goto(f"{live_url}/patients")
    search = page.get_by_role("searchbox")
    search.press_sequentially("Testo")
    expect(page.locator("#results")).not_to_be_empty()
    other = page.context.new_page()
    other.goto(f"{live_url}/patients")
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_label("Password")).to_be_visible()
    search.press_sequentially("wa")
    expect(page.locator("#alerts")).to_contain_text("You are signed out")
    expect(page.locator("#alerts").get_by_role("link")).to_have_attribute("href", "/sign-in?next=/patients")
    expect(search).to_have_value("Testowa")


def test_what_was_typed_stays_after_undo_in_the_corner(clinic: Clinic, live_url: str, page: Page) -> None:
    booked = make.an_appointment(clinic.actor, slot=clinic.slots[0], status="BOOKED")
    sign_in(page, live_url, clinic.emails[Role.CLINICIAN])
    page.goto(f"{live_url}/episodes/{booked.episode_locator}")
    page.get_by_label("Summary").fill("Better since Friday")
    page.get_by_role("button", name="Check in").click()
    expect(page.locator("[data-status=ARRIVED]")).to_be_visible()
    page.locator("#notices").get_by_role("button", name="Undo").press("Enter")
    expect(page.locator("[data-status=BOOKED]")).to_be_visible()
    expect(page.get_by_label("Summary")).to_have_value("Better since Friday")
    expect(page.locator(f"#{booked.episode_locator}")).to_have_count(1)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{live_url}/keys")


def test_without_script_a_notice_covers_nothing(clinic: Clinic, live_url: str, new_page: Callable[..., Page]) -> None:
    page = new_page(java_script_enabled=False, viewport={"width": 360, "height": 740})
    booked = make.an_appointment(clinic.actor, slot=clinic.slots[0], status="CONFIRMED")
    sign_in(page, live_url, clinic.emails[Role.FRONT_DESK])
    page.goto(f"{live_url}/episodes/{booked.episode_locator}")
    page.get_by_role("button", name="Check in").click()
    expect(page.locator(".note")).to_be_visible()
    expect(page.get_by_role("button", name="Close this notice")).to_be_hidden()
    note, main = page.locator(".note").bounding_box(), page.locator("main").bounding_box()
    assert note
    assert main
    assert note["y"] + note["height"] <= main["y"]
