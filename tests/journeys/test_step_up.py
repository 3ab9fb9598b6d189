"""A dangerous act late in the day, in the browser: asked in the corner, and on a page of its own without script."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from careapp.access import Actor, Role
from tests.identity.people import PASSWORD, a_user
from tests.journeys.people import sign_in
from tests.journeys.scene import Scene
from tests.looking import execute, one

NAME = "Ko Aung Min"
# A machine with no time: what a script puts off for a few milliseconds happens a second later. Who types at once must
# not find a form in the page that htmx does not yet know, which the browser would send by itself, leaving the page.
SHORT_TIMERS_ARE_LATE = """
  const later = window.setTimeout;
  window.setTimeout = (act, delay, ...given) => later(act, delay > 0 && delay < 100 ? 1000 : delay, ...given);
"""


def an_hour_later(god: Actor) -> None:
    """Put back when everybody proved who he is; from what stands there, as the scene's clock is not the database's."""
    execute(god, "UPDATE user_session SET confirmed_at = confirmed_at - interval '1 hour'")


def test_the_corner_asks_and_the_page_keeps_what_was_typed(
    scene: Scene, scene_url: str, new_page: Callable[..., Page]
) -> None:
    page, user = new_page(statuses=(403, 422)), a_user(scene.actor, Role.FRONT_DESK)
    page.add_init_script(SHORT_TIMERS_ARE_LATE)
    sign_in(page, scene_url, scene.everybody)
    page.goto(f"{scene_url}/admin/users/{user.id}")
    page.get_by_label("Name", exact=True).fill(NAME)
    an_hour_later(scene.actor)
    page.get_by_role("button", name="Save").click()
    corner = page.locator("#alerts")
    expect(corner.get_by_label("Confirm that it is you: your password")).to_be_visible()
    corner.get_by_role("textbox").fill("the wrong words entirely")
    corner.get_by_role("textbox").press("Enter")  # a new button is dead for a moment, against double clicks
    expect(corner).to_contain_text("This is not your password.")
    corner.get_by_role("textbox").fill(PASSWORD)
    corner.get_by_role("textbox").press("Enter")
    expect(corner).to_contain_text("Now press the button once more.")
    expect(page.get_by_label("Name", exact=True)).to_have_value(NAME)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(corner).to_be_empty()
    assert one(scene.actor, "SELECT name FROM users WHERE id = :id", id=user.id) == NAME


def test_without_script_a_page_asks_and_the_form_comes_back(
    scene: Scene, scene_url: str, new_page: Callable[..., Page]
) -> None:
    page, user = new_page(java_script_enabled=False), a_user(scene.actor, Role.FRONT_DESK)
    sign_in(page, scene_url, scene.everybody)
    page.goto(f"{scene_url}/admin/users/{user.id}")
    page.get_by_label("Name", exact=True).fill(NAME)
    an_hour_later(scene.actor)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm that it is you")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not saved yet")
    expect(page.locator("main")).to_contain_text(NAME)
    page.get_by_role("button", name="Save now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
