"""Two at once: for one slot, one check-in, one prescription; a tab from before signing in; typing as lists change."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from careapp import clock
from careapp.access import Role
from careapp.overviews.today import EVERYBODY
from careapp.scheduling import appointments
from tests import factories as make
from tests.journeys.people import sign_in
from tests.journeys.scene import TEN, Scene
from tests.looking import one

POST_TWICE = """async () => {
  const form = document.querySelector('form[data-draft]');
  const post = () => fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) });
  return (await Promise.all([post(), post()])).map((answer) => answer.url);
}"""


@pytest.fixture
def desks(scene: Scene, scene_url: str, new_page: Callable[..., Page]) -> tuple[Page, Page]:
    """Two browsers, of the front desk and of somebody who has every role."""
    pages = new_page(), new_page()
    for page, email in zip(pages, (scene.emails[Role.FRONT_DESK], scene.everybody), strict=True):
        sign_in(page, scene_url, email)
    return pages


def test_of_two_presses_for_one_slot_one_is_told_the_next_times(
    scene: Scene, scene_url: str, desks: tuple[Page, Page]
) -> None:
    with clock.at(TEN):
        slot = make.a_slot(scene.actor, scene.doctors[2], hours=3, clinic=scene.clinic)
        for hours in (5, 6, 7, 8):
            make.a_slot(scene.actor, scene.doctors[2], hours=hours, clinic=scene.clinic)
        parties = [make.a_patient(scene.actor).locator for _ in desks]
    for page, party in zip(desks, parties, strict=True):
        page.goto(f"{scene_url}/slots/{slot.locator}/book?party={party}")
        page.get_by_label("Care type").select_option("GP")
        page.get_by_role("textbox", name="Reason (optional)").fill(f"Fever of {party}")
    for page in desks:  # neither waits for the other's answer
        page.evaluate("setTimeout(() => document.querySelector('#choice button[type=submit]').click())")
    for page in desks:
        expect(page.locator("#notices .note").or_(page.get_by_text("Just taken."))).to_be_visible()
    assert sorted(page.locator("#notices .note").count() for page in desks) == [0, 1]
    lost, party = next(pair for pair in zip(desks, parties, strict=True) if "Just taken." in pair[0].inner_text("main"))
    expect(lost.locator("button[formaction]").filter(has_text="Dr Khin Sandar")).to_have_count(3)
    expect(lost.get_by_role("textbox", name="Reason (optional)")).to_have_value(f"Fever of {party}")
    assert one(scene.actor, "SELECT booked FROM provider_slots WHERE locator = :slot", slot=slot.locator) == 1


def test_the_second_check_in_shows_what_is_and_who_did_it(
    scene: Scene, scene_url: str, desks: tuple[Page, Page]
) -> None:
    for page in desks:
        page.goto(f"{scene_url}/today?clinic={scene.clinic.locator}&tab=due&provider={EVERYBODY}")
    row = desks[0].locator("#today-list tr[id]").filter(has=desks[0].get_by_role("button", name="Check in")).first
    about, name = row.get_attribute("id"), row.locator("th a").first.inner_text()
    for page in desks:
        page.locator(f"#{about}").get_by_role("button", name="Check in").click()
        expect(page.locator(".note, #alerts:not(:empty)").first).to_be_visible()
    expect(desks[0].locator(".note")).to_contain_text(f"Checked in: {name}")
    expect(desks[1].locator("#alerts")).to_contain_text(f"Not done: {name} is now “Arrived”")
    expect(desks[1].locator("#alerts")).to_contain_text("Ma Thandar Test")


def test_a_prescription_sent_twice_is_one(scene: Scene, scene_url: str, desks: tuple[Page, Page]) -> None:
    page = desks[1]
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{scene_url}/episodes/{scene.episode.locator}/prescriptions/new")
    page.get_by_label("Medicine", exact=True).fill("Zinc syrup")
    page.get_by_text("In your own words instead").click()
    page.get_by_label("Dosage in your own words").fill("5 ml a day for 10 days")
    page.get_by_role("button", name="Issue prescription").click()
    page.get_by_label("I have looked at this myself").check()  # it is not coded
    first, second = page.evaluate(POST_TWICE)
    assert first == second
    page.get_by_role("button", name="Issue prescription").click()
    expect(page.locator("h1")).not_to_have_text("Prescription")
    assert one(scene.actor, "SELECT count(*) FROM prescriptions WHERE medication_text = 'Zinc syrup'") == 1


def test_a_tab_from_before_signing_in_again_works_after_one_more_press(
    scene: Scene, scene_url: str, new_page: Callable[..., Page]
) -> None:
    page = new_page(statuses=(400, 401))
    sign_in(page, scene_url, scene.emails[Role.FRONT_DESK])
    page.goto(f"{scene_url}/today?clinic={scene.clinic.locator}&tab=due")
    plain = page.context.new_page()
    plain.goto(f"{scene_url}/patients/new")
    plain.get_by_label("Family name").fill("Tabova")
    other = page.context.new_page()
    other.goto(f"{scene_url}/preferences")
    other.get_by_role("button", name="Sign out").click()
    sign_in(other, scene_url, scene.emails[Role.FRONT_DESK])
    button = page.get_by_role("button", name="Confirm").first
    button.click()
    expect(page.locator("#alerts")).not_to_be_empty()
    button.click()
    expect(page.locator(".note")).to_contain_text("Confirm")
    plain.get_by_role("button", name="Register").first.click()
    expect(plain.get_by_role("heading", name="Not saved yet")).to_be_visible()
    expect(plain.locator("main")).to_contain_text("Tabova")


def test_typing_at_the_desk_survives_a_poll(scene: Scene, scene_url: str, desks: tuple[Page, Page]) -> None:
    page = desks[0]
    page.clock.install()
    page.goto(f"{scene_url}/today?clinic={scene.clinic.locator}")
    field = page.get_by_role("searchbox").first
    field.press_sequentially("Hla9")
    page.clock.run_for(400)
    expect(page.locator("#results")).to_contain_text("Hla9")
    field.evaluate("field => field.setSelectionRange(1, 1)")
    about = _somebody_comes(scene)
    expect(page.locator(f"#today-list #{about}")).to_have_count(0)
    page.clock.run_for(15_100)
    expect(page.locator(f"#today-list #{about}")).to_be_visible()
    expect(field).to_be_focused()
    assert field.evaluate("field => [field.value, field.selectionStart]") == ["Hla9", 1]
    expect(page.locator("#results")).to_contain_text("Hla9")


def test_typing_into_an_episode_survives_a_poll(scene: Scene, scene_url: str, desks: tuple[Page, Page]) -> None:
    page = desks[1]
    page.clock.install()
    page.goto(f"{scene_url}/episodes/{scene.episode.locator}")
    summary = page.get_by_label("Summary")
    summary.press_sequentially("Better since Friday")
    summary.evaluate("field => field.setSelectionRange(6, 6)")
    with clock.at(TEN):
        made = make.a_referral(scene.actor, scene.episode)
    page.clock.run_for(30_100)
    expect(page.locator("main")).to_contain_text(made.locator)
    expect(summary).to_be_focused()
    assert summary.evaluate("field => [field.value, field.selectionStart]") == ["Better since Friday", 6]
    page.keyboard.type(", much")
    expect(summary).to_have_value("Better, much since Friday")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{scene_url}/keys")


def test_the_board_keeps_the_focus_while_it_changes(scene: Scene, scene_url: str, desks: tuple[Page, Page]) -> None:
    page = desks[1]
    page.clock.install()
    page.goto(f"{scene_url}/episodes")
    page.get_by_label("Clinician").focus()
    with clock.at(TEN):
        made = make.an_episode(scene.actor)
    page.clock.run_for(15_100)
    expect(page.locator("#board")).to_contain_text(made.locator)
    expect(page.get_by_label("Clinician")).to_be_focused()


def _somebody_comes(scene: Scene) -> str:
    """A visit of today that has just been booked; its locator."""
    with clock.at(TEN):
        slot = make.a_slot(scene.actor, make.a_provider(scene.actor), hours=1, clinic=scene.clinic)
        made = appointments.book(scene.actor, make.an_episode(scene.actor).locator, slot_locator=slot.locator)
    return str(made.locator)
