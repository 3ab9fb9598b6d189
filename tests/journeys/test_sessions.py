"""When a session ends: nothing typed is lost, and nothing about a patient stays behind in the browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Response, expect

from careapp import clock
from careapp.access import Role
from tests import factories as make
from tests.identity.people import PASSWORD
from tests.journeys.people import sign_in
from tests.journeys.scene import TEN, Scene
from tests.journeys.test_every_page import addresses
from tests.looking import execute

EVENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
STORED = """async () => JSON.stringify([
  Object.entries(localStorage), Object.entries(sessionStorage), await indexedDB.databases(), await caches.keys(),
  document.cookie,
])"""


def run_out(scene: Scene) -> None:
    """Let every session of the clinic be idle for too long."""
    execute(
        scene.actor, "UPDATE user_session SET last_seen_at = last_seen_at - interval '1 hour' WHERE tenant_id = :t",
        t=scene.actor.tenant_id,
    )  # fmt: skip


def sign_in_again(page: Page, email: str) -> None:
    """The form somebody was led to, and where it leads."""
    page.wait_for_url("**/sign-in?next=**")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Not saved yet")).to_be_visible()


FORMS: dict[str, tuple[Callable[[Scene], str], dict[str, str], str, str]] = {
    "registration": (
        lambda scene: "/patients/new",
        {"Given names": "Nyein Chan", "Family name": "Idleova", "Birth date": "2001-03-01"},
        "Register", "The patient is registered.",
    ),
    "close": (
        lambda scene: f"/episodes/{an_episode(scene)}", {"Summary": "Cough gone after a week of rest."},
        "Close episode", "The episode is closed.",
    ),
    "prescription": (
        lambda scene: f"/episodes/{an_episode(scene)}/prescriptions/new",
        {"Medicine": "Oral rehydration salts", "Dosage in your own words": "1 sachet after each loose stool"},
        "Issue prescription", "The prescription is issued.",
    ),
}  # fmt: skip


def an_episode(scene: Scene) -> str:
    """An open episode with nothing in it; its locator."""
    with clock.at(TEN):
        return str(make.an_episode(scene.actor).locator)


@SCRIPT
@pytest.mark.parametrize("form", FORMS)
def test_a_form_sent_too_late_is_there_after_signing_in_again(
    scene: Scene, scene_url: str, new_page: Callable[..., Page], form: str, script: bool
) -> None:
    page = new_page(java_script_enabled=script)
    page.on("dialog", lambda dialog: dialog.accept())
    sign_in(page, scene_url, scene.everybody)
    where, typed, press, done = FORMS[form]
    page.goto(scene_url + where(scene))
    if form == "prescription":
        page.get_by_text("In your own words instead").click()
    for label, text in typed.items():
        page.get_by_label(re.compile(f"^{label}")).fill(text if script else text + " ")
    if form == "prescription":
        page.get_by_role("button", name=press).click()
        page.get_by_label("I have looked at this myself").check()  # it is not coded
    if form == "registration":
        page.get_by_label("Given names").fill(f"Nyein {'Chan' if script else 'Aye'}")
    run_out(scene)
    page.get_by_role("button", name=press, exact=form != "registration").first.click()
    sign_in_again(page, scene.everybody)
    for label, text in typed.items():
        if label != "Given names":
            expect(page.locator("main")).to_contain_text(text)
    page.get_by_role("button", name="Save now").click()
    expect(page.locator("#notices")).to_contain_text(done)


def test_a_draft_outlives_the_browser_and_is_its_writers_alone(
    scene: Scene, scene_url: str, new_page: Callable[..., Page]
) -> None:
    text, address = "Half a summary, then the power went", f"{scene_url}/episodes/{an_episode(scene)}"
    page = new_page()
    sign_in(page, scene_url, scene.emails[Role.CLINICIAN])
    page.goto(address)
    page.get_by_label("Summary").fill(text)
    expect(page.locator("[data-draft-state]")).to_have_text("Draft saved.")
    again = new_page()  # a browser that knows nothing of the first
    sign_in(again, scene_url, scene.emails[Role.CLINICIAN])
    again.goto(address)
    expect(again.get_by_label("Summary")).to_have_value(text)
    expect(again.locator(".draft-line")).to_contain_text("is back in the form")
    again.on("dialog", lambda dialog: dialog.accept())
    again.get_by_role("button", name="Sign out").click()
    sign_in(again, scene_url, scene.everybody)  # somebody else at the same desk
    again.goto(address)
    expect(again.get_by_label("Summary")).to_have_value("")
    expect(again.locator(".draft-line")).to_have_count(0)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{scene_url}/keys")


@SCRIPT
def test_back_after_signing_out_shows_no_patient(
    scene: Scene, scene_url: str, new_page: Callable[..., Page], script: bool
) -> None:
    page = new_page(java_script_enabled=script)
    sign_in(page, scene_url, scene.everybody)
    for address in (f"/patients/{scene.patient.locator}", f"/episodes/{scene.episode.locator}"):
        page.goto(scene_url + address)
        expect(page.locator("main")).to_contain_text("Mya Mya Sein")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    for _ in range(2):
        page.go_back()
        page.wait_for_url("**/sign-in?next=**")
        expect(page.get_by_label("Password")).to_be_visible()
        assert "Sein" not in page.content()


def test_nothing_about_a_patient_stays_in_the_browser_or_stands_in_an_address(
    scene: Scene, scene_url: str, new_page: Callable[..., Page]
) -> None:
    page = new_page(statuses=(404,))
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    sign_in(page, scene_url, scene.everybody)
    for part in addresses(scene).values():
        for address in part:
            page.goto(scene_url + address)
    _search(page, scene_url)
    stored = page.evaluate(STORED) + str(page.context.cookies())
    assert not known_of(stored), stored
    local, session, databases, caches, cookie = page.evaluate(STORED.replace("JSON.stringify", ""))
    assert (local, databases, caches, cookie) == ([], [], [], ""), "and no cookie a script could read"
    assert {key for key, _ in session} <= {"htmx-current-path-for-history"}
    assert [one.url for one in answers if known_of(one.url) or not one.url.startswith(f"{scene_url}/")] == []
    shown = [one for one in answers if "/static/" not in one.url]
    assert len(shown) > 60
    assert [one.url for one in shown if "no-store" not in one.headers.get("cache-control", "")] == []
    pages = [one for one in shown if "text/html" in one.headers.get("content-type", "")]
    assert [one.url for one in pages if "script-src 'self'" not in one.headers.get("content-security-policy", "")] == []


def known_of(text: str) -> list[str]:
    """What of a patient's name or birth date stands in a text; ids of events may hold any four digits."""
    return re.findall(r"Mya|Sein|Htut|Testowa|Hla\d|1980|17 May", EVENT_ID.sub("", text))


def _search(page: Page, url: str) -> None:
    """Look for somebody in each of the places where one can."""
    page.goto(f"{url}/patients")
    page.get_by_role("searchbox").fill("Sein")
    expect(page.locator("#found")).to_be_visible()
    page.goto(f"{url}/today")
    page.keyboard.press("Control+k")
    page.get_by_label("A patient or a place").fill("Sein")
    expect(page.locator("#palette-found")).to_contain_text("Sein")
    page.locator("#palette-found a").first.click()
    expect(page.locator("h1")).to_contain_text("Sein")
