"""`make screens`: start the demo clinic on a free port and take the pictures in docs/screens."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "screens"
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PASSWORD = "careapp demo clinic"
SIZES = {"": (1366, 768), "-phone": (360, 740)}


def main() -> None:
    """Take every picture, as front desk and as clinician."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with clinic() as address, sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        for suffix, (width, height) in SIZES.items():
            take(browser, address, suffix, width, height)
        browser.close()


def take(browser: Browser, address: str, suffix: str, width: int, height: int) -> None:
    """All pictures at one size."""
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB", base_url=address)
    page = context.new_page()

    def picture(name: str) -> None:
        page.evaluate("document.fonts.ready.then(() => true)")
        page.screenshot(path=PICTURES / f"{name}{suffix}.png")

    page.goto("/sign-in")
    picture("sign-in")
    sign_in(page, "clinician@demo.clinic")
    page.goto("/episodes")
    picture("board")
    page.locator('a[href*="/episodes/EPI-"]').last.click()
    picture("episode")
    page.goto(page.url.split("?")[0] + "/prescriptions/new")
    picture("prescription")
    page.goto("/calendar")
    picture("calendar")
    page.get_by_role("link", name="free").first.click()
    picture("booking")
    page.goto("/patients")
    picture("patients")
    page.goto("/api/docs")
    picture("api")
    context.close()


def sign_in(page: Page, email: str) -> None:
    """Sign in through the form."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "sign-in" not in url)


@contextmanager
def clinic() -> Iterator[str]:
    """The application with a demo clinic of its own, as `make run` starts it; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {**os.environ, "PORT": str(port), "CAREAPP_VAR": str(ROOT / "var" / "screens")}
    command = [sys.executable, str(ROOT / "tools" / "run.py")]
    process = subprocess.Popen(command, env=settings, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", process)
        yield f"http://127.0.0.1:{port}"
    finally:
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


if __name__ == "__main__":
    main()
