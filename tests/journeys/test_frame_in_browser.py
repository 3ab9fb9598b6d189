"""The frame in a real browser, with sample pages instead of the clinic: look, focus, notices, morphs, unsaved input."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, Response
from flask_babel import Babel
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError, generate_csrf
from htmx_flask import Htmx
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader, StrictUndefined
from playwright.sync_api import Locator, Page, expect

from careapp.errors import Invalid
from careapp.identity.preferences import Preferences
from careapp.web import assets, htmx
from careapp.web.context import arranged
from careapp.web.forms import fields
from careapp.web.words import label
from tests.journeys.desk import rest

CAREAPP = Path(assets.__file__).parents[1]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
TEMPLATES = {
    "sample.html": """{% extends "base.html" %}
{% block title %}Sample{% endblock %}
{% block content %}
<section class="patient-banner" aria-label="Patient">
<strong>Daw Khin Mya</strong><span class="allergy">Penicillin</span></section>
<div class="page-head"><h1>Sample</h1><a class="btn btn-primary" href="/">Book</a></div>
<section class="panel"><h2>Rows</h2><table class="table table-hover stack">
<thead><tr><th scope="col">Patient</th><th scope="col">Status</th><th scope="col">Actions</th></tr></thead>
<tbody>{% include "_row.html" %}</tbody></table></section>
{% include "_form.html" %}{% include "_board.html" %}
<div class="panel week"><ol class="hours slots" aria-hidden="true"><li class="at-1">09:00</li></ol>
{% for day in range(7) %}<section><h3>Day {{ day }}</h3><ul class="slots">
<li class="at-1 for-2"><a class="slot slot-available" href="/">09:00</a></li>
<li class="at-3"><span class="slot slot-booked">10:00 <span>Ama Owusu</span></span></li>
<li class="at-4"><span class="slot slot-blocked">Blocked</span></li></ul></section>{% endfor %}</div>
{% endblock %}""",
    "_row.html": """{% from "_macros/actions.html" import actions %}{% from "_macros/status.html" import badge %}
<tr id="APT-1"><th scope="row">Ama Owusu</th><td data-label="Status">{{ badge(state, state, tone, focus=True) }}</td>
<td data-label="Actions">
{{ actions(moves, "/rows", 1, "Ama Owusu", "APT-1", csrf_token(), target="APT-1") }}</td></tr>""",
    "_form.html": """{% from "_macros/forms.html" import hidden, summary, field, submit %}
<form id="note" method="post" action="/note" hx-post="/note" hx-swap="outerHTML" novalidate data-guard
hx-disabled-elt="find button">{{ hidden(form) }}{{ summary(form) }}
{{ field(form.text, "Short") }}{{ submit("Save") }}</form>""",
    "_board.html": """{% from "_macros/forms.html" import hidden, submit %}
<section id="board"><p id="shown">Version {{ version }}</p>
<details><summary>Filter</summary><p>Care type</p></details>
<form id="read" method="post" action="/board" hx-post="/board" hx-target="#board" hx-swap="keep">
{{ hidden() }}{{ submit("Read again") }}</form>
<form id="find"><label>Find <input name="find" id="find-text"></label></form></section>""",
}
MOVES = {
    "BOOKED": [("arrive", "Check in", False), ("confirm", "Confirm", False), ("cancel", "Cancel", True)],
    "ARRIVED": [("start", "Start", False)],
    "STARTED": [],
}


class NoteForm(fields.CareForm):
    """One field is enough here."""

    text = fields.TextField("Note", required=True)


class Sample:
    """The sample application's only state: one row and a board version."""

    def __init__(self) -> None:
        self.status, self.version, self.pressed = "BOOKED", 1, []

    def context(self) -> dict[str, Any]:
        """What the sample pages print."""
        moves = [SimpleNamespace(name=n, label=t, dangerous=d, needs_reason=d) for n, t, d in MOVES[self.status]]
        tone = {"BOOKED": "primary", "ARRIVED": "warning", "STARTED": "success"}[self.status]
        return {"state": self.status, "moves": moves, "tone": tone, "version": self.version}

    def show(self) -> Response:
        """The whole page."""
        return htmx.page_or_fragment("sample.html", "_row.html", form=NoteForm(formdata=None), **self.context())

    def move(self, name: str) -> Response:
        """A press of a row's button; confirming is refused here."""
        self.pressed.append(name)
        if name == "confirm":
            return htmx.refused(403, "Your role does not allow this.")
        self.status = {"arrive": "ARRIVED", "start": "STARTED"}.get(name, "BOOKED")
        notice = htmx.Notice("Done", "Ama Owusu", htmx.Undo("/rows/undo", 1, "APT-1"))
        return htmx.changed("_row.html", to="/", notice=notice, **self.context())

    def note(self) -> Response:
        """The form: refused while it is empty."""
        form = NoteForm()
        try:
            form.checked()
        except Invalid as refusal:
            form.refuse(refusal)
            return htmx.page_or_fragment("sample.html", "_form.html", 422, title="Sample", form=form, **self.context())
        return htmx.changed("_form.html", to="/", notice=htmx.Notice("Saved"), form=NoteForm(formdata=None))

    def board(self) -> Response:
        """A region that is morphed; each reading of it is a new version."""
        self.version += 1
        return htmx.page_or_fragment("sample.html", "_board.html", **self.context())


@pytest.fixture
def sample(serving: Callable[[Flask], Any]) -> Iterator[SimpleNamespace]:
    """The sample application at work: its address and its state."""
    app, state = Flask("careapp", root_path=str(CAREAPP)), Sample()
    app.config.update(SECRET_KEY="for this test", WTF_CSRF_TIME_LIMIT=None)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_loader = ChoiceLoader([FileSystemLoader(CAREAPP / "templates"), DictLoader(TEMPLATES)])
    CSRFProtect(app)
    Htmx(app)
    assets.init_assets(app)
    app.register_error_handler(CSRFError, lambda error: htmx.stale_token(generate_csrf()))
    actor = SimpleNamespace(label="Thiri Aung", tenant_key="demo")
    Babel(app)
    app.jinja_env.filters["label"] = label
    app.jinja_env.globals["arranged"] = arranged
    app.context_processor(lambda: {
        "actor": actor, "nav": [("/", "Board", "b", True)], "session_seconds": 900, "language": "en",
        "preferences": Preferences(),
    })  # fmt: skip
    app.after_request(_with_policy)
    app.add_url_rule("/", "show", state.show)
    app.add_url_rule("/rows/<name>", "move", state.move, methods=["POST"])
    app.add_url_rule("/note", "note", state.note, methods=["POST"])
    app.add_url_rule("/board", "board", state.board, methods=["POST"])
    app.add_url_rule("/session", "session", lambda: ("", 204), methods=["POST"])
    with serving(app) as url:
        yield SimpleNamespace(url=url, state=state)


def _with_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response


def test_axe_and_width(sample: SimpleNamespace, themed_page: Page, axe: Callable[..., list[Any]]) -> None:
    page = themed_page
    page.goto(sample.url)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()  # its answer empties the notices
    page.get_by_role("button", name="Check in").click()
    expect(page.locator(".note")).to_be_visible()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_change_moves_focus_and_can_be_undone(sample: SimpleNamespace, page: Page) -> None:
    page.goto(sample.url)
    page.get_by_role("button", name="Check in").click()
    expect(page.locator("[data-focus]")).to_be_focused()
    expect(page.locator("#notices")).to_contain_text("Done Ama Owusu")
    rest(page)
    page.locator("#notices").get_by_role("button", name="Undo").click()
    expect(page.locator("[data-status=BOOKED]")).to_be_visible()


def _middle(button: Locator) -> tuple[float, float]:
    box = button.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_double_click_presses_one_button(sample: SimpleNamespace, page: Page) -> None:
    page.goto(sample.url)
    page.clock.install()
    page.clock.pause_at(datetime.now() + timedelta(minutes=1))
    page.evaluate(
        "asked = []; addEventListener('htmx:beforeRequest', (e) => asked.push(e.detail.pathInfo.requestPath))"
    )
    page.mouse.click(*_middle(page.get_by_role("button", name="Check in")))  # click() may wait without end
    where = _middle(page.get_by_role("button", name="Start"))  # for what is due on the page's clock, which stands still
    page.clock.fast_forward(180)
    page.mouse.click(*where)
    assert page.evaluate("asked") == ["/rows/arrive"]
    page.clock.fast_forward(600)
    page.mouse.click(*where)  # later, this is meant
    expect(page.locator("[data-status=STARTED]")).to_be_visible()
    assert sample.state.pressed == ["arrive", "start"]


def test_refusal_is_an_alert_and_leaves_the_row(sample: SimpleNamespace, new_page: Callable[..., Page]) -> None:
    page = new_page(statuses=(403,))
    page.goto(sample.url)
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#alerts")).to_have_text("Your role does not allow this.")
    expect(page.get_by_role("button", name="Check in")).to_be_visible()


def test_after_an_old_token_the_next_press_works(sample: SimpleNamespace, new_page: Callable[..., Page]) -> None:
    page = new_page(statuses=(400,))
    page.goto(sample.url)
    page.context.clear_cookies()
    page.get_by_role("button", name="Check in").click()
    expect(page.locator("#alerts")).to_contain_text("Press the button once more")
    page.get_by_role("button", name="Check in").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()


def test_invalid_form_takes_the_focus(sample: SimpleNamespace, page: Page) -> None:
    page.goto(sample.url)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    expect(page).to_have_title("Error: Sample - careapp")
    page.get_by_role("link", name="Note: Fill this in.").click()
    expect(page.locator("#text")).to_be_focused()


def test_morph_shows_changes_and_keeps_what_is_typed(sample: SimpleNamespace, page: Page) -> None:
    page.goto(sample.url)
    page.get_by_role("textbox", name="Find").fill("Ama")
    page.locator("summary", has_text="Filter").click()
    page.get_by_role("button", name="Read again").click()
    expect(page.locator("#shown")).to_have_text("Version 2")
    expect(page.get_by_role("textbox", name="Find")).to_have_value("Ama")
    expect(page.get_by_text("Care type")).to_be_visible()


def test_after_a_morph_a_button_that_stayed_works_at_once(sample: SimpleNamespace, page: Page) -> None:
    page.goto(sample.url)
    for version in (2, 3, 4):
        page.get_by_role("button", name="Read again").click()
        expect(page.locator("#shown")).to_have_text(f"Version {version}")


def test_session_warning_comes_and_goes(sample: SimpleNamespace, page: Page) -> None:
    page.clock.install()
    page.goto(sample.url)
    expect(page.locator("#session-warning")).to_be_hidden()
    page.clock.fast_forward((900 - 120 + 1) * 1000)
    page.get_by_role("button", name="Stay signed in").click()
    expect(page.locator("#session-warning")).to_be_hidden()


def test_without_script(sample: SimpleNamespace, no_js_page: Page) -> None:
    page = no_js_page
    page.goto(sample.url)
    page.get_by_role("button", name="Check in").click()
    expect(page.locator("#notices")).to_contain_text("Done")
    expect(page.locator("[data-status=ARRIVED]")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_title("Error: Sample - careapp")
