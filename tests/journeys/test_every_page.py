"""Every page in light and dark, wide and narrow: no accessibility violation, no sideways scrolling, a clean console."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from careapp.access import Actor, Role
from tests import factories as make
from tests.journeys.people import Clinic, a_clinic_at_work, sign_in


@pytest.fixture
def clinic(god: Actor) -> Clinic:
    """A clinic at work, in this test's tenant."""
    return a_clinic_at_work(god)


def _addresses(clinic: Clinic) -> list[str]:
    """One address of each page, with something to show on it."""
    actor = clinic.actor
    patient = make.a_patient(actor)
    episode = make.an_episode(actor, patient, reason="Cough since Monday")
    booked = make.an_appointment(actor, episode, clinic.slots[0], status="CONFIRMED")
    make.a_prescription(actor, episode)
    make.a_referral(actor, episode)
    make.an_appointment(actor, slot=clinic.slots[1], status="ATTENDED")
    inside, slot = f"/episodes/{episode.locator}", clinic.slots[2].locator
    return [
        "/episodes", "/episodes?stage=SCHEDULED", inside, f"{inside}/prescriptions/new", f"{inside}/referrals/new",
        f"/appointments/{booked.locator}/reschedule", f"/episodes/new?party={patient.locator}", "/patients",
        "/patients/new", f"/patients/{patient.locator}", f"/calendar?provider={clinic.doctor.locator}",
        f"/calendar?clinic={clinic.clinic.locator}&episode={episode.locator}", f"/slots/{slot}/book",
        f"/slots/{slot}/book?episode={episode.locator}", "/slots/new",
    ]  # fmt: skip


def _sound(page: Page, axe: Callable[..., list[Any]], what: str) -> None:
    assert axe(page) == [], what
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, what


def test_pages_of_care(clinic: Clinic, live_url: str, themed_page: Page, axe: Callable[..., list[Any]]) -> None:
    page = themed_page
    addresses = _addresses(clinic)
    sign_in(page, live_url, clinic.emails[Role.CLINICIAN])
    for address in addresses:
        page.goto(live_url + address)
        _sound(page, axe, address)


def test_after_each_kind_of_swap(
    clinic: Clinic, live_url: str, themed_page: Page, axe: Callable[..., list[Any]]
) -> None:
    page = themed_page
    addresses = _addresses(clinic)
    sign_in(page, live_url, clinic.emails[Role.CLINICIAN])
    page.goto(live_url + addresses[2])
    page.get_by_role("button", name="Check in").click()
    page.locator(".note").wait_for()
    for menu in page.locator("summary").all():
        if menu.is_visible():
            menu.click()
            _sound(page, axe, "a menu of the episode page")
            menu.click()
    page.get_by_role("button", name="Close episode").click()
    page.locator("[data-error-summary]").wait_for()
    _sound(page, axe, "a close without a summary")
    page.goto(f"{live_url}/patients")
    page.get_by_label("Name").fill("Testowa")
    page.get_by_role("button", name="Search").click()
    page.locator("#found").wait_for()
    _sound(page, axe, "patients found")
    page.goto(f"{live_url}{addresses[12]}")
    page.get_by_label("Name").fill("Testowa")
    page.get_by_role("button", name="Find").click()
    page.locator("#choice").wait_for()
    _sound(page, axe, "patients to book for")


def test_a_page_that_is_not_there(
    clinic: Clinic, live_url: str, new_page: Callable[..., Page], axe: Callable[..., list[Any]]
) -> None:
    page = new_page(statuses=(404,), viewport={"width": 360, "height": 740})
    sign_in(page, live_url, clinic.emails[Role.CLINICIAN])
    page.goto(f"{live_url}/nowhere")
    _sound(page, axe, "/nowhere")


def test_first_page_of_an_auditor(
    clinic: Clinic, live_url: str, themed_page: Page, axe: Callable[..., list[Any]]
) -> None:
    sign_in(themed_page, live_url, clinic.emails[Role.AUDITOR])
    _sound(themed_page, axe, "/")
