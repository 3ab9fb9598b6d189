"""Small promises of docs/security/asvs.md that nothing else tests: signing out, no expiry, the log of attempts."""

import io
import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import structlog
from apiflask import APIFlask
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.exceptions import RequestTimeout

from careapp import clock
from careapp.access import Actor
from careapp.identity.sign_in import SignedIn, sign_in
from careapp.logs import configure_logs
from careapp.surface import slow_bodies
from careapp.surface.slow_bodies import ArrivingBody
from tests.api.client import speaking_for
from tests.attacks.hostile_text import as_a_browser_reads
from tests.identity.people import PASSWORD, a_user
from tests.identity.test_sign_in import PEERS
from tests.looking import one
from tests.rules.pages import ask, csrf_token, page_address, rules

Browser = Callable[[], FlaskClient]


def test_signing_out_stands_on_every_page(app: APIFlask, god: Actor, browser: Browser) -> None:
    """ASVS 5.0 7.4.4."""
    client, seen = browser(), 0
    for rule in rules(app, "GET"):
        page = ask(app, client, "GET", page_address(rule, god))
        if page.mimetype == "text/html" and page.status_code == 200 and "<html" in page.text:
            forms = [form.get("action") for form in as_a_browser_reads(page.text).iter() if form.tag.endswith("form")]
            assert "/sign-out" in forms or 'class="paper' in page.text, rule.rule
            seen += 1
    assert seen > 40


def test_a_password_is_good_for_years(god: Actor, app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    """ASVS 5.0 6.2.10."""
    user, later = a_user(god), clock.now() + timedelta(days=5 * 365)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert isinstance(sign_in(user.email, PASSWORD, address=next(PEERS)), SignedIn)
    assert one(god, "SELECT needs_new_password FROM users WHERE id = :id", id=user.id) is False


LINES = ("a\nb", "a\r\n{}", "a\x1b[2J", "a\u2028b", '","status":200,"x":"', "a\x00b", "\u202e")


@pytest.mark.parametrize("value", LINES)
def test_whatever_is_logged_is_one_line_of_json_in_utc(capsys: pytest.CaptureFixture[str], value: str) -> None:
    """ASVS 5.0 16.2.2, 16.2.4, 16.4.1."""
    kept = structlog.get_config()
    try:
        configure_logs(readable=False)
        structlog.get_logger().info("request", status=403, actor=value, route=value)
    finally:
        structlog.configure(**kept)
    written = capsys.readouterr().out
    assert written.endswith("\n")
    assert len(written[:-1].splitlines()) == 1
    assert written[:-1].isprintable()
    line = json.loads(written)
    assert (line["actor"], line["status"]) == (value, 403)
    assert line["timestamp"].endswith("Z")


def attempts(send: Callable[[], Any]) -> list[str]:
    """What is logged of attempts while something is sent."""
    with capture_logs() as lines:
        send()
    found = [line for line in lines if line["event"] == "attempt"]
    assert all(set(line) == {"event", "log_level", "refused", "request_id"} for line in found)
    return [line["refused"] for line in found]


def test_attempts_to_get_round_are_logged_as_such(app: APIFlask, god: Actor, browser: Browser) -> None:
    """ASVS 5.0 16.3.3: each by its kind, with the number of the request whose line says who and where."""
    client, api = browser(), speaking_for(app, god)
    token = csrf_token(app, client)
    foreign = {"Sec-Fetch-Site": "cross-site"}

    def post(**sent: Any) -> Any:
        return ask(app, client, "POST", "/patients/new", **sent)

    large = {"data": b"x" * 1_100_000, "content_type": "application/x-www-form-urlencoded"}
    assert attempts(lambda: post(data={"csrf_token": "x"})) == ["FORGED_FORM"]
    assert attempts(lambda: post(data={"csrf_token": token}, headers=foreign)) == ["FOREIGN_SITE"]
    assert attempts(lambda: post(headers={"X-CSRFToken": token}, **large)) == ["TOO_LARGE"]
    assert attempts(lambda: ask(app, client, "GET", "/patients/PTY%00")) == ["MALFORMED_REQUEST"]
    broken = attempts(lambda: api.raw("POST", "/patients", b"{", Content_Type="application/json"))
    assert broken == ["MALFORMED_REQUEST"]
    assert attempts(lambda: ask(app, client, "GET", "/patients/new")) == []
    assert attempts(lambda: post(data={"csrf_token": token})) == [], "a mistake in a form is none"


class Never:
    """A body that does not come."""

    def read(self, size: int) -> bytes:
        """Nothing, for as long as the test runs."""
        threading.Event().wait()
        return b""


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real server's part is in tests/processes/test_hostile_connections.py."""
    monkeypatch.setattr("careapp.surface.slow_bodies.PATIENCE", 0.01)
    body = ArrivingBody(Never(), 10)
    for _ in range(2):
        with pytest.raises(RequestTimeout):
            body.read(10)
    assert body.late


def test_threads_that_fetch_bodies_are_used_again() -> None:
    def fetchers() -> set[int | None]:
        return {one.ident for one in threading.enumerate() if isinstance(one, slow_bodies._Fetcher)}

    def read(text: bytes) -> bytes:
        return bytes(ArrivingBody(io.BytesIO(text), len(text)).read())

    assert read(b"first") == b"first"
    before = fetchers()
    for number in range(50):
        while not slow_bodies._idle:  # it hands over the body before it says that it is free
            time.sleep(0.001)
        assert read(b"%d" % number) == b"%d" % number
    assert fetchers() == before
    broken = io.BytesIO()
    broken.close()
    assert ArrivingBody(broken, 5).read() == b"", "what broke off is short, which is refused later"
    assert read(b"after it") == b"after it"
