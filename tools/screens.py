"""`make screens`: start the demo clinic on a free port and take the pictures in docs/screens."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tools.ports import free_port
from tools.test_setup import installed_browser

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "screens"
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PASSWORD = "careapp demo clinic"
ZONE = "Asia/Yangon"  # the demo clinic's, so that no page says that the device is elsewhere
COLOURS = 128  # enough for pages, and a third of the bytes
SIZES = {"": (1366, 768), "-phone": (360, 740)}


def main() -> None:
    """Take every picture, at each size."""
    with clinic() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_browser(), args=ARGS)
        PICTURES.mkdir(parents=True, exist_ok=True)
        for stale in PICTURES.glob("*.png"):
            stale.unlink()
        for size in SIZES:
            for who, take, options in ROUNDS:
                take(Camera(browser, address, size, f"{who}@demo.clinic", **options))
        browser.close()


class Camera:
    """Somebody's browser at one size, signed in, that takes pictures."""

    def __init__(self, browser: Browser, address: str, size: str, email: str, **options: Any) -> None:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale="en-GB", base_url=address, timezone_id=ZONE, **options
        )
        self.size, self.page = size, context.new_page()
        self.page.on("dialog", lambda dialog: dialog.accept())  # leaving a form that holds something asks first
        self.page.goto("/sign-in")
        self.picture("sign-in")
        sign_in(self.page, email)

    def picture(self, name: str) -> None:
        """Take what is in the window, when its fonts are there."""
        self.page.evaluate("document.fonts.ready.then(() => true)")
        taken = Image.open(BytesIO(self.page.screenshot(animations="disabled")))
        taken.quantize(COLOURS).save(PICTURES / f"{name}{self.size}.png", optimize=True)

    def of(self, name: str, address: str) -> Page:
        """Open a page and take its picture."""
        self.page.goto(address)
        self.picture(name)
        return self.page


def front_desk(camera: Camera) -> None:
    """The day's list, calendars, booking, patients."""
    page = camera.page
    page.goto("/today")
    page.locator(".clinic-choice a").first.click()
    camera.picture("today")
    address = page.url
    page.locator("#today-list th a.locator").first.click()
    camera.picture("patient")
    page.goto(address.replace("/today?", "/calendar?view=day&"))
    while not page.locator("#calendar-grid a.slot-free").count():  # after hours: a day that has free places
        page.goto(str(page.locator("a[rel=next]").first.get_attribute("href")))
    camera.picture("calendar-day")
    free = page.locator("#calendar-grid a.slot-free").first.get_attribute("href")
    page.goto(address.replace("/today?", "/calendar?view=week&"))
    page.locator("th[scope=row] a").first.click()
    camera.picture("calendar-week")
    page.goto(str(free))
    search(page, "#choice", "booking", camera)
    page.goto("/patients")
    search(page, "#found", "patients", camera)
    register_again(page)
    camera.picture("register")


def search(page: Page, found: str, name: str, camera: Camera) -> None:
    """Look for somebody as one types, and take what is found."""
    page.get_by_role("searchbox").fill("mya th")
    page.locator(found).wait_for()
    camera.picture(name)


def register_again(page: Page) -> None:
    """Register the first patient found once more, up to the question whether it is the same one."""
    first = page.locator(".people li").first
    given, _, family = first.locator("a").first.inner_text().rpartition(" ")
    born = datetime.strptime(first.locator(".under").inner_text().partition(" (")[0], "%d %b %Y").date().isoformat()
    page.goto("/patients/new")
    for label, text in (("Given names", given), ("Family name", family), ("Birth date", born)):
        page.get_by_label(label).fill(text)
    page.get_by_role("button", name="Register").first.click()
    page.locator("#likely").wait_for()


def clinician(camera: Camera) -> None:
    """The board, an episode, a prescription with a warning, its paper, referrals, figures, the palette."""
    page = camera.of("board", "/episodes")
    page.keyboard.press("Control+k")
    page.get_by_label("A patient or a place").wait_for()
    camera.picture("palette")
    camera.of("referrals", "/referrals")
    page.goto("/dashboard")
    page.locator(".clinic-choice a, a[href*='/dashboard?clinic=']").first.or_(page.locator("h1")).first.click()
    camera.picture("dashboard")
    page.goto("/episodes?clinician=mine")
    found = page.locator("#board a[href^='/episodes/EPI-']").all()
    episode = warned(page, [str(one.get_attribute("href")) for one in found])
    camera.picture("prescription")
    camera.of("episode", episode)
    paper = page.locator("a[href$='/paper']").first.get_attribute("href")
    camera.of("paper", str(paper))


def warned(page: Page, episodes: list[str]) -> str:
    """Repeat a medicine that somebody takes already, so that the form warns of it; returns the episode."""
    for episode in episodes:
        page.goto(f"{episode}/prescriptions/new")
        again = page.get_by_role("button", name="Repeat this")
        if again.count():
            again.first.click()
            page.locator(".safety > *").first.wait_for()
            if page.get_by_text("Stop and look").count():
                page.locator("#medication").scroll_into_view_if_needed()
                return episode
    raise SystemExit("no patient of the demo clinic takes a medicine that is warned of")


def administration(camera: Camera) -> None:
    """Staff."""
    camera.of("admin-users", "/admin/users")


def audit(camera: Camera) -> None:
    """Who saw and did what."""
    camera.of("audit", "/admin/audit")


def today_in_burmese(camera: Camera) -> None:
    """The day's list for who reads Burmese."""
    page = camera.page
    for language in ("my", ""):
        page.goto("/preferences")
        page.locator(f"input[name=language][value='{language}']").check()
        page.locator("main form button[type=submit]").first.click()
        if language:
            page.goto("/today")
            page.locator(".clinic-choice a").first.click()
            camera.picture("today-burmese")


def board_in_the_dark(camera: Camera) -> None:
    """The board for eyes or systems that like it dark."""
    camera.of("board-dark", "/episodes")


def sign_in(page: Page, email: str) -> None:
    """Sign in through the form."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "sign-in" not in url)


@contextmanager
def clinic() -> Iterator[str]:
    """The application with a new demo clinic of its own, as `make run` starts it; gives its address."""
    port, var = free_port(), ROOT / "var" / "screens"
    shutil.rmtree(var, ignore_errors=True)  # the demo clinic of another day would show another day's list
    settings = {**os.environ, "PORT": str(port), "CAREAPP_VAR": str(var)}
    command = [sys.executable, str(ROOT / "tools" / "run.py")]
    process = subprocess.Popen(command, env=settings, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def wait_for(address: str, process: "subprocess.Popen[bytes]", seconds: float = 180) -> None:
    """Wait until the application answers; raises SystemExit where it ends or never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise SystemExit("the application did not start; its own messages stand above")


# Who takes which pictures, and how his browser is.
ROUNDS: tuple[tuple[str, Callable[[Camera], None], dict[str, Any]], ...] = (
    ("frontdesk", front_desk, {}),
    ("clinician", clinician, {}),
    ("admin", administration, {}),
    ("auditor", audit, {}),
    ("frontdesk", today_in_burmese, {}),
    ("clinician", board_in_the_dark, {"color_scheme": "dark"}),
)

if __name__ == "__main__":
    main()
