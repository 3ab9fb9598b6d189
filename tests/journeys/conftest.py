"""Fixtures for journeys: Playwright drives an installed Chromium, axe-core looks at every page.

Needs two fixtures from tests/conftest.py: `app`, and `sign_in(context, live_url, role)`, which puts a session's cookie
into the browser context. The server runs in a thread with its own database connections, so what a journey needs must
be committed: each journey has its own tenant.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from werkzeug.serving import make_server

from careapp import localdb
from careapp.terminology.loading import load_starter
from tests.database import TestDatabase
from tests.journeys.scene import Scene, StoppedClock, a_scene, a_tenant
from tools.test_setup import installed_browser

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
AXE_OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 20_000  # milliseconds: a machine that tests, serves and draws on two slow cores is waited for
# htmx says so of a request it gave up for a newer one (hx-sync); of one that failed, htmx:sendError.
GIVEN_UP = ("htmx:afterRequest", "htmx:sendAbort")
POLICY_WATCH = (
    "window.policyViolations = []; addEventListener('securitypolicyviolation', (e) => policyViolations.push("
    "e.violatedDirective + ' ' + e.blockedURI + ' ' + (e.sample || '')));"
)


@contextmanager
def _serving(app: Flask | StoppedClock) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def serving() -> Callable[[Flask], Any]:
    """`with serving(app) as url`: the app answers there, in a thread, until the block ends."""
    return _serving


@pytest.fixture(scope="session")
def live_url(app: Flask) -> Iterator[str]:
    """The address of the application under test."""
    with _serving(app) as url:
        yield url


@pytest.fixture(scope="module")
def scene(app: APIFlask, database: TestDatabase, request: pytest.FixtureRequest) -> Scene:
    """A clinic in the middle of its morning with something on each page, for all tests of a file."""
    with app.app_context():
        load_starter(database.owner)
        return a_scene(a_tenant(app, request.module.__name__.rpartition(".")[2].replace("_", "-")))


@pytest.fixture(scope="module")
def stopped(app: APIFlask) -> StoppedClock:
    """The application at ten past ten; a test may set its `moment`."""
    return StoppedClock(app)


@pytest.fixture(scope="module")
def scene_url(stopped: StoppedClock) -> Iterator[str]:
    """Where the scene's clinic answers, at its own time."""
    with _serving(stopped) as address:
        yield address


@pytest.fixture(autouse=True)
def nobody_has_failed_to_sign_in(database: TestDatabase) -> None:
    """Whoever signs in comes from one network address, as those of the tests before, some of which fail on purpose."""
    with psycopg.connect(localdb.libpq_url(database.whole)) as connection:
        connection.execute("DELETE FROM care.sign_in_attempts")


@pytest.fixture(autouse=True)
def no_loop_of_a_browser() -> None:
    """Leave the mark of Playwright's event loop where it is: its calls need it here."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """An installed Chromium if there is one (CHROMIUM names it), else the one Playwright downloaded."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=installed_browser(), headless=True, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """new_page(statuses=(409, 422), logs=("htmx:timeout",), **context options) -> page.

    The test fails on a script error, a console error or a breach of the content security policy. Browser and htmx log
    every 4xx and 5xx; `statuses` names the expected ones, `logs` how other expected lines begin.
    """
    opened = []

    def make(statuses: tuple[int, ...] = (401, 409, 422), logs: tuple[str, ...] = (), **options: Any) -> Page:
        settings = {
            "viewport": {"width": 1366, "height": 768},
            "locale": "en-GB",
            "reduced_motion": "reduce",
            "timezone_id": "America/New_York",  # never the clinic's zone: its times must show all the same
        }
        context = browser.new_context(**settings | options)
        context.add_init_script(POLICY_WATCH)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console", lambda message: errors.append(message.text) if _unexpected(message, statuses, logs) else None
        )
        opened.append((context, page, errors))
        return page

    yield make
    for context, page, errors in opened:
        errors += page.evaluate("window.policyViolations || []")
        context.close()
        assert errors == []


def _unexpected(message: ConsoleMessage, statuses: tuple[int, ...], logs: tuple[str, ...]) -> bool:
    if message.text.startswith((*GIVEN_UP, *logs)):
        return False
    status = re.search(r"(?:status of|Error Code) (\d{3})", message.text)
    return message.type == "error" and not (status and int(status[1]) in statuses)


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """One page at a desk's size."""
    return new_page()


@pytest.fixture
def no_js_page(new_page: Callable[..., Page]) -> Page:
    """One page without JavaScript."""
    return new_page(java_script_enabled=False)


@pytest.fixture
def axe() -> Callable[..., list[Any]]:
    """axe(page, selector=None) -> list of violations.

    Under a strict policy page.evaluate works; add_script_tag does not, nor does wait_for_function with an expression
    (it needs eval in the page). Wait with playwright's expect(locator) instead.
    """

    def run(page: Page, selector: str | None = None) -> list[Any]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE)
        found = page.evaluate("([where, options]) => axe.run(where || document, options)", [selector, AXE_OPTIONS])
        return [(v["id"], v["impact"], [n["target"] for n in v["nodes"]][:3]) for v in found["violations"]]

    return run


@pytest.fixture(params=[("light", 1366), ("dark", 1366), ("light", 320), ("dark", 320)], ids=lambda p: f"{p[0]}-{p[1]}")
def themed_page(request: pytest.FixtureRequest, new_page: Callable[..., Page]) -> Page:
    """One page for each theme and width every screen must pass: axe clean, no sideways scrolling."""
    scheme, width = request.param
    return new_page(color_scheme=scheme, viewport={"width": width, "height": 768})
