"""Nobody is led to another site, by no parameter and no header of any route; and no route takes a file."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import careapp
from careapp.access import Actor
from tests.attacks.hostile_text import as_a_browser_reads
from tests.attacks.test_foreign_requests import SIGNED
from tests.rules.pages import ask, csrf_token, page_address, rules

Browser = Callable[[], FlaskClient]
EVIL = "evil.example"
TARGETS = (
    f"//{EVIL}", f"///{EVIL}", f"/\\{EVIL}", f"\\\\{EVIL}", f"https://{EVIL}/", f"https:{EVIL}",
    f"javascript:alert('{EVIL}')",
    f"/\t/{EVIL}", f"/%2f{EVIL}", f"/\r\nLocation: https://{EVIL}", f"http://localhost@{EVIL}", f"/%5c{EVIL}",
    f"data:text/html,{EVIL}", f"//localhost.{EVIL}/patients",
)  # fmt: skip
NAMES = (
    "next",
    "back",
    "to",
    "url",
    "return",
    "return_to",
    "redirect",
    "redirect_uri",
    "continue",
    "r",
    "address",
    "here",
)
LEADING = (
    "Location",
    "HX-Redirect",
    "HX-Location",
    "HX-Push-Url",
    "HX-Replace-Url",
    "Refresh",
    "Content-Location",
    "Link",
)
LINKS = ("href", "src", "action", "formaction", "hx-get", "hx-post", "content")


def leads_away(answer: TestResponse) -> list[str]:
    """The headers and links of an answer that name another host where a browser would go to it."""
    found = [name for name in LEADING if away(answer.headers.get(name, ""))]
    if answer.mimetype == "text/html":
        tree = as_a_browser_reads(answer.text)
        found += [f"{one.tag} {name}" for one in tree.iter() for name in LINKS if away(str(one.get(name) or ""))]
    return found


def away(address: str) -> bool:
    """Whether a browser that follows the address asks somebody else, or runs it."""
    plain = address.replace("\t", "").replace("\\", "/").strip().lower()
    return EVIL in plain and not (plain.startswith("/") and not plain.startswith("//"))


@pytest.mark.parametrize("known", [True, False], ids=["signed in", "signed out"])
def test_no_parameter_and_no_header_leads_away(app: APIFlask, god: Actor, browser: Browser, known: bool) -> None:
    pages = {rule.rule: page_address(rule, god) for rule in rules(app, "GET")}
    client = browser() if known else app.test_client()
    for number, address in enumerate(pages.values()):
        for target in TARGETS:
            query = urlencode(dict.fromkeys(NAMES, target))
            said = {"Referer": f"https://{EVIL}/", "HX-Current-URL": f"https://{EVIL}/"}
            if number % 2:
                said["HX-Request"] = "true"
            answer = ask(app, client, "GET", f"{address}?{query}", headers=said)
            assert answer.status_code < 500, (address, target)
            assert leads_away(answer) == [], (address, target)


def test_no_form_leads_away(app: APIFlask, god: Actor, browser: Browser) -> None:
    for rule in rules(app, "POST"):
        client, address = browser(), page_address(rule, god)
        form = {"csrf_token": csrf_token(app, client), "version": "1", "reason": "Fell ill at home"}
        for target in TARGETS[:4]:
            data = {**dict.fromkeys(NAMES, target), **form}
            answer = ask(app, client, "POST", f"{address}?{urlencode({'next': target})}", data=data)
            assert answer.status_code < 500, (address, target)
            assert leads_away(answer) == [], (address, target)


def test_no_route_takes_a_file(app: APIFlask, god: Actor, browser: Browser) -> None:
    for rule in rules(app, "POST"):
        client = browser()
        files = {name: (BytesIO(b"<script>"), f"{name}.html") for name in ("family", "name", "reason", "summary")}
        data = {**files, "csrf_token": csrf_token(app, client)}
        answer = ask(app, client, "POST", page_address(rule, god), data=data, content_type="multipart/form-data")
        expected = {400, 404} if rule.endpoint in SIGNED else {415}
        assert answer.status_code in expected, (rule.rule, answer.status)
        assert "<script>" not in answer.text, rule.rule


def test_nothing_of_ours_reads_or_offers_files() -> None:
    """Whoever adds the first upload changes this, and adds what checks a file and serves it inertly."""
    home = Path(careapp.__file__).parent
    code = {path: path.read_text() for path in home.rglob("*.py")}
    markup = {path: path.read_text() for path in (home / "templates").rglob("*.html")}
    reads = [path.name for path, text in code.items() if "request.files" in text or "FileField" in text]
    assert set(reads) == {"csrf.py", "drafts.py", "htmx.py"}  # which refuse, do not keep and do not show one
    assert not [path.name for path, text in markup.items() if "enctype" in text or 'type="file"' in text]
