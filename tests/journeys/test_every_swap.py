"""After each kind of change to an open page, in every look: no accessibility violation, no sideways scrolling."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from careapp import clock
from careapp.access import Role
from careapp.identity import drafts
from careapp.identity.actors import actor_of_email
from careapp.scheduling import appointments
from tests import factories as make
from tests.journeys.desk import rest
from tests.journeys.people import sign_in
from tests.journeys.scene import TEN, Scene
from tests.journeys.test_every_page import Axe, sound

# Opens one <details> with those around it, and closes all others.
OPEN_ONE = """number => { const all = [...document.querySelectorAll('main details')];
all.forEach((one) => { one.open = one.contains(all[number]); }); }"""


@pytest.fixture
def page(scene: Scene, scene_url: str, new_page: Callable[..., Page]) -> Page:
    """Somebody signed in who may do everything."""
    page = new_page(statuses=(403, 404, 409, 422))
    sign_in(page, scene_url, scene.everybody)
    return page


def test_todays_list(scene: Scene, scene_url: str, page: Page, axe: Axe) -> None:
    page.goto(f"{scene_url}/today?clinic={scene.clinic.locator}&tab=due")
    row = page.locator("#today-list tr[id]").filter(has=page.get_by_role("button", name="Check in")).first
    about = row.get_attribute("id")
    assert about
    menu = row.locator("summary").first
    menu.click()
    sound(page, axe, "a menu of a row")
    menu.click()
    row.get_by_role("button", name="Check in").click()
    expect(page.locator(".note")).to_be_visible()
    sound(page, axe, "checked in")
    rest(page)
    page.locator(".note").get_by_role("button", name="Undo").click()
    expect(page.locator(f"#{about}").get_by_role("button", name="Check in")).to_be_visible()
    sound(page, axe, "undone")
    page.get_by_role("searchbox").first.fill("Htut")
    expect(page.locator("#results")).to_contain_text("visit on this day")
    sound(page, axe, "found at the desk")
    with clock.at(TEN):
        appointments.act(scene.actor, about, action="arrive")
    rest(page)
    page.locator(f"#{about}").get_by_role("button", name="Check in").click()
    expect(page.locator("#alerts")).to_contain_text("Not done")
    sound(page, axe, "somebody else was faster")


def test_lists_that_keep_themselves_fresh(scene: Scene, scene_url: str, page: Page, axe: Axe) -> None:
    for address, region in ((f"/today?clinic={scene.clinic.locator}", "#today-list"), ("/episodes", "#board")):
        page.goto(scene_url + address)
        before = page.locator(region).get_attribute("data-version")
        with clock.at(TEN):
            slot = make.a_slot(scene.actor, scene.doctors[2], hours=2 + len(region), clinic=scene.clinic)
            make.an_appointment(scene.actor, slot=slot, status="CONFIRMED")
        page.evaluate("region => htmx.trigger(region, 'live')", region)
        expect(page.locator(region)).not_to_have_attribute("data-version", before or "")
        sound(page, axe, f"{address} after a poll")
    page.get_by_label("Care type").select_option("GP")
    page.wait_for_url("**care_type=GP**")
    sound(page, axe, "a filter of the board")


def test_the_prescription_form(scene: Scene, scene_url: str, page: Page, axe: Axe) -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{scene_url}/episodes/{scene.episode.locator}/prescriptions/new")
    page.get_by_role("searchbox").fill("amox 500")
    expect(page.locator(".medicine-list")).to_be_visible()
    sound(page, axe, "medicines found")
    page.locator(".medicine-list button").first.click()
    expect(page.get_by_text("Stop and look")).to_be_visible()
    sound(page, axe, "a warning")
    page.get_by_label("Amount each time").fill("1")
    page.get_by_label("How often").select_option("TID")
    expect(page.locator("#dosage-says strong")).to_contain_text("three times a day")
    sound(page, axe, "the dosage as a sentence")
    for detail in page.locator("details.more-dosage summary").all():
        detail.click()
    sound(page, axe, "more of the dosage")
    page.get_by_role("button", name="Issue prescription").click()
    expect(page.locator("[data-error-summary]")).to_be_visible()
    sound(page, axe, "refused without a reason")


def test_the_episode(scene: Scene, scene_url: str, page: Page, axe: Axe) -> None:
    page.goto(f"{scene_url}/episodes/{scene.episode.locator}?kind=appointment")
    for number in range(page.locator("main details").count()):
        page.evaluate(OPEN_ONE, number)
        sound(page, axe, f"menu {number} of the episode page")
    page.goto(f"{scene_url}/episodes/{scene.visits[9].episode_locator}")
    page.get_by_role("button", name="Check in").first.click()
    expect(page.locator(".note")).to_be_visible()
    sound(page, axe, "checked in")
    rest(page)
    page.get_by_role("button", name="Close episode").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    sound(page, axe, "a close without a summary")


def test_searches_and_refused_forms(scene: Scene, scene_url: str, page: Page, axe: Axe) -> None:
    page.goto(f"{scene_url}/patients")
    page.get_by_role("searchbox").fill("Daw")
    expect(page.locator("#found")).to_be_visible()
    sound(page, axe, "patients found")
    page.goto(f"{scene_url}/slots/{scene.free[0].locator}/book")
    for typed in ("Daw", "Mya Mya Sein", "Nobody"):
        page.get_by_role("searchbox").fill(typed)
        said = page.locator("#found")
        expect(said.get_by_text("Nobody is found") if typed == "Nobody" else said.locator("#choice")).to_be_visible()
        sound(page, axe, f"patients to book for: {typed}")
    page.goto(f"{scene_url}/patients/new")
    page.get_by_role("button", name="Register").first.click()
    expect(page.locator("[data-error-summary]")).to_be_visible()
    sound(page, axe, "a registration without a name")
    page.get_by_label("Given names").fill("Daw Mya Mya")
    page.get_by_label("Family name").fill("Sein")
    page.get_by_label("Birth date").fill("1980-05-17")
    rest(page)
    page.get_by_role("button", name="Register").first.click()
    expect(page.get_by_text("Is it one of these?")).to_be_visible()
    sound(page, axe, "perhaps registered already")


def test_dialogs(scene: Scene, scene_url: str, page: Page, axe: Axe) -> None:
    page.goto(f"{scene_url}/episodes")
    page.keyboard.press("Control+k")
    page.get_by_label("A patient or a place").fill("Mya")
    expect(page.locator("#palette-found")).to_contain_text("Sein")
    sound(page, axe, "the palette")
    rest(page)
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#palette-body")).to_be_empty()
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_contain_text("Alt")
    sound(page, axe, "the keys")


def test_what_is_not_there_not_allowed_or_not_saved(
    scene: Scene, scene_url: str, page: Page, new_page: Callable[..., Page], axe: Axe
) -> None:
    user = actor_of_email(scene.everybody)
    assert user
    assert user.user_id
    kept = drafts.keep(scene.actor.tenant_id, user.user_id, "/patients/new", [("family", "Sein"), ("given", "Mya")])
    page.goto(f"{scene_url}/drafts/{kept}")
    expect(page.get_by_role("button", name="Save now")).to_be_visible()
    sound(page, axe, "not saved yet")
    page.goto(f"{scene_url}/nowhere")
    sound(page, axe, "/nowhere")
    page.goto(f"{scene_url}/verify")
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("[data-error-summary]")).to_be_visible()
    sound(page, axe, "nothing to verify")
    auditor = new_page(statuses=(403,))
    sign_in(auditor, scene_url, scene.emails[Role.AUDITOR])
    sound(auditor, axe, "an auditor’s first page")
    auditor.goto(f"{scene_url}/today")
    sound(auditor, axe, "not for an auditor")
