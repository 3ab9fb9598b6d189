"""What a page costs the first time it is opened, and how much of the day's list stands on one screen."""

import gzip

import pytest
from apiflask import APIFlask
from playwright.sync_api import Page, Response, expect

from careapp import clock
from careapp.access import Role
from careapp.identity.actors import actor_of_email
from careapp.identity.preferences import set_preferences
from tests.journeys.people import sign_in
from tests.journeys.scene import TEN, Scene, a_scene, a_tenant

MOST = 70 * 1024  # bytes of a page with everything it loads, gzip, into an empty cache
LETTERS = 21 * 1024  # bytes of the Burmese letters, which come on top the first time, and then stay for a year
ROWS = {"en": 15, "my": 14}  # of the day's list, whole, on a screen of 1366 by 768; Burmese lines are higher


@pytest.fixture(scope="module")
def scene(app: APIFlask) -> Scene:
    """A clinic with forty visits in its day."""
    with app.app_context():
        return a_scene(a_tenant(app, "weight"), visits=40)


def weighed(page: Page, address: str) -> dict[str, int]:
    """The bytes of what an empty browser loads for a page: gzip, but for what is packed already, by name."""
    loaded: set[str] = set()

    def note(answer: Response) -> None:
        loaded.add(answer.url)

    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    page.on("response", note)
    page.goto(address, wait_until="networkidle")
    page.evaluate("document.fonts.ready.then(() => true)")
    page.remove_listener("response", note)
    bodies = {one.partition("?")[0].rsplit("/", 1)[1]: page.request.get(one).body() for one in loaded}
    return {name: min(len(body), len(gzip.compress(body, 6))) for name, body in bodies.items()}


@pytest.mark.parametrize("language", ["en", "my"])
def test_main_pages_weigh_little(scene: Scene, scene_url: str, page: Page, language: str) -> None:
    prefer(scene.everybody, language)
    sign_in(page, scene_url, scene.everybody)
    day, week = f"{clock.local(TEN, 'Asia/Yangon'):%Y-%m-%d}", "2027-W10"
    inside = f"/episodes/{scene.episode.locator}"
    addresses = {
        "today, 40 rows": f"/today?clinic={scene.clinic.locator}", "board": "/episodes",
        "calendar, day": f"/calendar?clinic={scene.clinic.locator}&day={day}",
        "calendar, week": f"/calendar?provider={scene.doctors[0].locator}&week={week}",
        "episode": inside, "prescription": f"{inside}/prescriptions/new", "referrals": "/referrals",
        "dashboard": f"/dashboard?clinic={scene.clinic.locator}", "patient": f"/patients/{scene.patient.locator}",
    }  # fmt: skip
    sizes = {}
    for name, address in addresses.items():
        parts = weighed(page, scene_url + address)
        assert {"app.css", "htmx-2.0.11.min.js"} <= set(parts), "what comes along is counted, too"
        letters = sum(size for part, size in parts.items() if part.endswith(".woff2"))
        sizes[name] = sum(parts.values())
        assert bool(letters) == (language == "my")
        assert letters <= LETTERS
        assert sizes[name] - letters <= MOST, (name, parts)
    print(f"\n{language}:", {name: f"{size / 1024:.1f} KB" for name, size in sizes.items()})


def prefer(email: str, language: str) -> None:
    """Let this member of staff read that language."""
    user = actor_of_email(email)
    assert user
    set_preferences(user, language=language, theme="system", density="normal", shortcuts=True)


@pytest.mark.parametrize("tab", ["", "&tab=due"])
@pytest.mark.parametrize("language", ["en", "my"])
def test_fifteen_visits_on_a_screen(scene: Scene, scene_url: str, page: Page, tab: str, language: str) -> None:
    """Also where the page says that the device is on another clock than the clinic."""
    prefer(scene.emails[Role.FRONT_DESK], language)
    sign_in(page, scene_url, scene.emails[Role.FRONT_DESK])
    page.goto(f"{scene_url}/today?clinic={scene.clinic.locator}{tab}")
    expect(page.locator("#today-list [data-utc-minutes]")).to_be_visible()
    boxes = [row.bounding_box() for row in page.locator("#today-list tbody tr[id]").all()]
    whole = [box for box in boxes if box and box["y"] >= 0 and box["y"] + box["height"] <= 768]
    print(f"\n{len(whole)} of {len(boxes)} rows are whole on the screen")
    assert len(whole) >= ROWS[language]
