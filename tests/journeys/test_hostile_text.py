"""Text that tries to be a script, in every text column of a clinic, looked at in a browser: on no page does it run."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from apiflask import APIFlask
from playwright.sync_api import Browser, Page

from tests.attacks.hostile_text import (
    MARK,
    SHOWN,
    TEXTS,
    WITHOUT,
    a_full_scene,
    in_the_log,
    poison,
    stood,
    where_it_stands,
)
from tests.database import TestDatabase
from tests.journeys.people import sign_in
from tests.journeys.scene import Scene

# All at once, as a walk takes seconds; tests/attacks/test_stored_text.py has each by itself. An address has to begin.
ALL = " ".join([TEXTS["an address"], *(text for name, text in TEXTS.items() if name != "an address")])
OPEN_ALL = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
RUN = f"window.{MARK} = () => {{ window.ran = true; }};"


def watched(page: Page) -> tuple[list[str], list[str]]:
    """What the page says in dialogs, and the other hosts it asks; the test's fixture watches policy and console."""
    said, asked = [], []
    page.on("dialog", lambda dialog: [said.append(dialog.message), dialog.dismiss()])
    page.on("request", lambda request: asked.append(request.url) if not at_home(request.url) else None)
    page.context.add_init_script(RUN)
    return said, asked


def at_home(address: str) -> bool:
    """Whether an address is one of the application under test."""
    parts = urlsplit(address)
    return parts.hostname == "127.0.0.1" or (parts.scheme == "data" and address.startswith("data:image/svg+xml"))


@pytest.fixture(scope="module")
def scene(app: APIFlask, database: TestDatabase) -> Scene:
    """A clinic with something in every table."""
    with app.app_context():
        return a_full_scene(app, database, "hostile-text")


def test_no_stored_text_runs(
    scene: Scene, scene_url: str, database: TestDatabase, new_page: Callable[..., Page]
) -> None:
    page = new_page(statuses=(403, 404, 409, 422))
    said, asked = watched(page)
    sign_in(page, scene_url, scene.everybody)
    assert poison(database, scene.actor.tenant_id, ALL) == WITHOUT
    places: set[str] = set()
    for address in (*where_it_stands(scene), in_the_log(ALL)):
        answer = page.goto(scene_url + address)
        assert answer
        assert answer.status == 200, address
        page.evaluate(OPEN_ALL)
        assert page.evaluate("[window.ran, window.policyViolations]") == [None, []], address
        assert (said, asked) == ([], []), address
        places |= stood(page.content())
    assert SHOWN - places == set(), "on no page"


def test_the_watch_sees_what_runs(scene_url: str, browser: Browser) -> None:
    """On a page of its own, as the one of the tests above fails for what this one provokes."""
    page = browser.new_page()
    said, _ = watched(page)
    page.goto(f"{scene_url}/sign-in")
    page.evaluate(f"""() => new Promise((done) => {{
      addEventListener('securitypolicyviolation', done, {{once: true}}); {MARK}(); alert('seen');
      const one = document.createElement('img'); one.src = '//{MARK}.example/'; document.body.append(one); }})""")
    assert page.evaluate("window.ran")
    assert said == ["seen"]
    page.close()
