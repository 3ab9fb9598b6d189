"""Names of one long word: no page scrolls sideways for one, and nothing runs over what stands beside it."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from playwright.sync_api import Page

from careapp import clock
from careapp.access import Role
from careapp.patients.views import HumanName
from careapp.scheduling import appointments, slots
from tests import factories as make
from tests.identity.people import a_user
from tests.journeys.people import sign_in
from tests.journeys.scene import TEN, Scene
from tests.looking import id_of

LONG = "Wolfeschlegelsteinhausenbergerdorff" * 6
SIZES = ((1366, 768), (360, 740))
TOO_WIDE = """() => {
  if (document.documentElement.scrollWidth <= innerWidth) return [];
  const right = (e) => Math.round(e.getBoundingClientRect().right);
  const wide = [...document.querySelectorAll('main *, header *')].filter((e) => right(e) > innerWidth + 1);
  return wide.slice(0, 12).map((e) => `${e.tagName}.${e.className} ${right(e)}`);
}"""
# What holds the name and is narrower than it: text that nothing cuts off would stand over its neighbour.
RUNS_OVER = """(name) => [...document.querySelectorAll('main *')]
  .filter((e) => e.childElementCount === 0 && e.textContent.includes(name) && e.getClientRects().length)
  .flatMap((e) => {
    const range = document.createRange();
    range.selectNodeContents(e);
    const text = Math.max(...[...range.getClientRects()].map((r) => r.right));
    const box = e.closest('td, th, li, section, fieldset, p, h1, .board-item');
    const around = [e, e.parentElement, e.parentElement.parentElement];
    if (around.some((o) => getComputedStyle(o).overflowX !== 'visible')) return [];
    return text <= box.getBoundingClientRect().right + 1 ? [] : [`${box.tagName}.${box.className} ${e.tagName}`];
  })"""


@pytest.fixture(scope="module")
def pages(app: APIFlask, scene: Scene) -> list[str]:
    """The pages on which somebody stands whose names are as long as names may be, without a blank in them."""
    with app.app_context(), clock.at(TEN):
        patient = make.a_patient(scene.actor, name=HumanName(given=[LONG[:200]], family=LONG[:200]))
        episode = make.an_episode(scene.actor, patient, reason=LONG[:200])
        slot = make.a_slot(scene.actor, scene.doctors[2], hours=2, clinic=scene.clinic)
        booked = appointments.book(scene.actor, episode.locator, slot_locator=slot.locator, accepted=True)
        away = make.a_slot(scene.actor, scene.doctors[2], hours=3, clinic=scene.clinic)
        slots.act(scene.actor, away.locator, action="block", reason=LONG[:200])
        make.a_referral(scene.actor, episode)
        other = make.an_episode(scene.actor, make.a_patient(scene.actor, name=HumanName(given=[LONG[:200]])))
    clinic, party = f"clinic={scene.clinic.locator}", f"party={patient.locator}"
    return [
        f"/patients/{patient.locator}", f"/patients/{patient.locator}/edit", f"/patients/{patient.locator}/access",
        f"/patients/{patient.locator}/appointments", f"/patients/{patient.locator}/episodes",
        f"/episodes/{episode.locator}", f"/episodes/{episode.locator}/referrals/new", f"/episodes/new?{party}",
        f"/episodes/{other.locator}", "/episodes", "/episodes?stage=SCHEDULED", "/referrals",
        f"/slots/{scene.free[0].locator}/book?{party}", f"/slots/{slot.locator}/book",
        f"/slots/{scene.free[0].locator}/book?episode={episode.locator}", f"/appointments/{booked.locator}/reschedule",
        f"/today?{clinic}&provider=all", f"/walk-in?{clinic}&{party}", f"/calendar?{clinic}&day=2027-03-10",
        f"/calendar?provider={scene.doctors[2].locator}&week=2027-W10", f"/calendar?move={booked.locator}",
        f"/slots/block?{clinic}&day=2027-03-10", "/slots/to-call",
        f"/slots/to-call?clinic_locator={scene.clinic.locator}&first_day=2027-03-10",
    ]  # fmt: skip


def test_no_page_is_wider_than_its_window(
    scene: Scene, scene_url: str, pages: list[str], new_page: Callable[..., Page]
) -> None:
    page, wrong = new_page(), {}
    sign_in(page, scene_url, scene.everybody)
    for address in pages:
        page.goto(f"{scene_url}{address}")
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            found = page.evaluate(TOO_WIDE) + page.evaluate(RUNS_OVER, LONG[:200])
            if found:
                wrong[address, width] = found
    assert not wrong, "\n".join(f"{where}: {what}" for where, what in wrong.items())


def test_nor_are_those_of_clinics_staff_and_clients(
    app: APIFlask, scene: Scene, scene_url: str, new_page: Callable[..., Page]
) -> None:
    with app.app_context():
        clinic = make.a_clinic(scene.actor, name=LONG[:150]).locator
        client = make.a_service_client(scene.actor, name=LONG[:100]).id
        doctor = make.a_provider(scene.actor, name=LONG[:150], clinic_locators=[clinic]).locator
        his = {"clinic_ids": [id_of(scene.actor, "clinics", clinic)],
               "provider_id": id_of(scene.actor, "providers", doctor)}  # fmt: skip
        user = a_user(scene.actor, name=LONG[:150], **his).id
    page, wrong = new_page(), {}
    sign_in(page, scene_url, scene.everybody)
    for address in (
        f"/today?clinic={clinic}", "/walk-in", f"/walk-in?clinic={clinic}", f"/calendar?clinic={clinic}",
        "/next-free", "/slots/block", f"/dashboard?clinic={clinic}", "/admin/users", f"/admin/users/{user}",
        "/admin/clients", f"/admin/clients/{client}", "/admin/clinics", f"/admin/clinics/{clinic}",
        "/admin/providers", f"/admin/providers/{doctor}",
    ):  # fmt: skip
        page.goto(f"{scene_url}{address}")
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            found = page.evaluate(TOO_WIDE)
            if found:
                wrong[address, width] = found
    assert not wrong, "\n".join(f"{where}: {what}" for where, what in wrong.items())


@pytest.mark.parametrize(
    ("page_of", "goes"), [("/patients", "/patients"), ("/slots/{slot}/book", "/slots/{slot}/patients")]
)
def test_nor_is_what_a_search_finds(
    scene: Scene, scene_url: str, pages: list[str], new_page: Callable[..., Page], page_of: str, goes: str
) -> None:
    assert pages
    page = new_page()
    sign_in(page, scene_url, scene.emails[Role.FRONT_DESK])
    page.goto(f"{scene_url}{page_of.format(slot=scene.free[0].locator)}")
    page.locator(f"form[action='{goes.format(slot=scene.free[0].locator)}'] [type=search]").first.fill(LONG[:10])
    page.get_by_text(LONG[:200]).first.wait_for()
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert not page.evaluate(TOO_WIDE) + page.evaluate(RUNS_OVER, LONG[:200])
