"""Live regions in a real browser: they ask by themselves, cost nothing while nothing changes, disturb nobody who types,
and never stop in silence.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, Response, render_template_string, request
from flask_babel import Babel
from htmx_flask import Htmx
from jinja2 import StrictUndefined
from playwright.sync_api import Locator, Page, expect

from careapp.identity.preferences import Preferences
from careapp.web import assets, htmx

CAREAPP = Path(assets.__file__).parents[1]
REGION = """<section id="board" data-live="15" data-version="{{ version }}" hx-get="/board" hx-trigger="live"
hx-swap="keep" hx-sync="this:abort"><p id="shown">Version {{ version }}</p>
<form id="find"><label>Find <input name="find" id="find-text"></label></form></section>"""
PAGE = '{% extends "base.html" %}{% block content %}<h1>Sample</h1>' + REGION + "{% endblock %}"

# The page says while it waits for an answer. It asks within the turn of its clock, so that none is overlooked.
ASKING = """addEventListener('htmx:beforeRequest', () => { document.documentElement.dataset.asking = ''; });
addEventListener('htmx:afterRequest', () => { delete document.documentElement.dataset.asking; });"""


class Sample:
    """A board with a version, and what its polls brought along."""

    def __init__(self) -> None:
        self.version, self.polls, self.status = 1, [], 200

    def page(self) -> str:
        """The whole page."""
        return render_template_string(PAGE, version=self.version)

    def board(self) -> Response:
        """The region, if it has changed; or the fault this test wants."""
        self.polls.append((request.headers.get("X-Poll"), request.headers.get("X-Seen")))
        if self.status == 401:
            return htmx.signed_out("/sign-in?next=/")
        if self.status != 200:
            return Response("", self.status)
        if htmx.poll_seen() == str(self.version):
            return htmx.unchanged()
        return Response(render_template_string(REGION, version=self.version))


@pytest.fixture
def sample(serving: Callable[[Flask], Any]) -> Iterator[SimpleNamespace]:
    """The sample application at work: its address and its state."""
    app, state = Flask("careapp", root_path=str(CAREAPP)), Sample()
    app.config.update(SECRET_KEY="for this test")
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.globals["csrf_token"] = lambda: "token"
    Htmx(app)
    Babel(app)
    assets.init_assets(app)
    actor = SimpleNamespace(label="Thiri Aung", tenant_key="demo")
    frame = {"actor": actor, "nav": [], "session_seconds": 900, "language": "en", "preferences": Preferences()}
    app.context_processor(lambda: frame)
    app.add_url_rule("/", "page", state.page)
    app.add_url_rule("/board", "board", state.board)
    with serving(app) as url:
        yield SimpleNamespace(url=url, state=state)


def pass_by(page: Page, seconds: int) -> None:
    """Let the browser's clock go on, and wait until the poll that became due, if any did, has been answered."""
    page.clock.fast_forward(seconds * 1000)
    expect(page.locator("html[data-asking]")).to_have_count(0)


def find_field(page: Page) -> Locator:
    """The field of the region somebody types into."""
    return page.get_by_role("textbox", name="Find")


def opened(page: Page, sample: SimpleNamespace) -> Page:
    """The page, with a clock the test moves."""
    page.clock.install()
    page.add_init_script(ASKING)
    page.goto(sample.url)
    page.locator("h1").click()
    return page


def test_a_poll_says_what_it_shows_and_changes_only_what_changed(sample: SimpleNamespace, page: Page) -> None:
    opened(page, sample)
    pass_by(page, 15)
    assert sample.state.polls == [("1", "1")]
    expect(page.locator("#shown")).to_have_text("Version 1")
    sample.state.version = 2
    pass_by(page, 15)
    expect(page.locator("#shown")).to_have_text("Version 2")
    pass_by(page, 15)
    assert sample.state.polls[-1] == ("1", "2")


def test_typing_survives_a_change(sample: SimpleNamespace, page: Page) -> None:
    opened(page, sample)
    find_field(page).press_sequentially("Ama")
    sample.state.version = 2
    pass_by(page, 15)
    expect(page.locator("#shown")).to_have_text("Version 2")
    expect(find_field(page)).to_have_value("Ama")
    expect(find_field(page)).to_be_focused()
    find_field(page).press_sequentially(" O")
    expect(find_field(page)).to_have_value("Ama O")


def test_a_region_that_fails_twice_says_so_and_goes_on(sample: SimpleNamespace, new_page: Callable[..., Page]) -> None:
    page = opened(new_page(statuses=(503,)), sample)
    sample.state.status = 503
    pass_by(page, 15)
    expect(page.locator("#alerts")).to_be_empty()
    pass_by(page, 30)
    expect(page.locator("#alerts")).to_contain_text("Live updates have stopped")
    sample.state.status, sample.state.version = 200, 2
    pass_by(page, 60)
    pass_by(page, 60)
    expect(page.locator("#shown")).to_have_text("Version 2")


def test_signed_out_polling_ends_with_a_link_and_leads_nowhere(sample: SimpleNamespace, page: Page) -> None:
    opened(page, sample)
    sample.state.status = 401
    pass_by(page, 15)
    expect(page.locator("#alerts").get_by_role("link")).to_have_attribute("href", "/sign-in?next=/")
    expect(page).to_have_url(sample.url + "/")
    asked = len(sample.state.polls)
    pass_by(page, 600)
    assert len(sample.state.polls) == asked


def test_a_forgotten_screen_asks_less_often(sample: SimpleNamespace, page: Page) -> None:
    opened(page, sample)
    for _ in range(40):  # ten minutes
        pass_by(page, 15)
    assert 10 <= len(sample.state.polls) <= 20, "every 15 s it would be 40"
