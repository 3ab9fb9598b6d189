"""The frame of every page without a browser: files taken over, base page, answers of web/htmx.py, forms."""

import base64
import gzip
import hashlib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import html5lib
import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient
from flask_babel import Babel
from flask_wtf import CSRFProtect
from htmx_flask import Htmx
from jinja2 import StrictUndefined
from pydantic import TypeAdapter, ValidationError
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, RadioField, SelectField

from careapp.errors import Invalid
from careapp.identity.preferences import Preferences
from careapp.surface.fields import Day, Moment
from careapp.web import assets, htmx
from careapp.web.forms import fields
from careapp.web.forms.typed import LocalMomentField
from careapp.web.words import label

CAREAPP = Path(assets.__file__).parents[1]
VENDOR = [CAREAPP / "static" / "vendor", Path(__file__).parents[1] / "journeys" / "vendor"]
HTMX = {"HX-Request": "true"}
PAGE = '{% extends "base.html" %}{% block title %}Sample{% endblock %}{% block content %}<h1>Sample</h1>{% endblock %}'
PATIENT = "Aye <b>Chan</b>"


class SampleForm(fields.CareForm):
    """One field of each kind."""

    submission = fields.SubmissionField()
    version = fields.VersionField()
    medication = fields.TextField("Medication", required=True)
    quantity = fields.WholeNumberField("Quantity", minimum=1, maximum=99)
    start = fields.DayField("First day")
    at = LocalMomentField("First dose")
    note = fields.LongTextField("Note")
    slot_locator = SelectField("Slot", choices=fields.options([("SLT-1", "09:00")]))
    priority = RadioField("Priority", choices=fields.options([("R", "Routine"), ("U", "Urgent")]))
    told = BooleanField("Patient told")


@pytest.fixture
def frame() -> Flask:
    """A small application that stands in this frame, without the clinic behind it."""
    app = Flask("careapp", root_path=str(CAREAPP))
    app.config.update(SECRET_KEY="for this test", WTF_CSRF_ENABLED=False, WTF_CSRF_CHECK_DEFAULT=False)
    app.jinja_env.undefined = StrictUndefined
    CSRFProtect(app)
    Htmx(app)
    assets.init_assets(app)
    Babel(app)
    app.jinja_env.filters["label"] = label
    look = {"language": "en", "preferences": Preferences()}
    app.context_processor(lambda: {"actor": None, "nav": [], "session_seconds": 900, **look})
    notice = htmx.Notice("Checked in", PATIENT, htmx.Undo("/rows/1/undo", 2, "APT-1"))
    answers = {
        "/": lambda: render_template_string(PAGE),
        "/errors": lambda: render_template_string(PAGE, errors=True),
        "/form": lambda: htmx.page_or_fragment("errors/404.html", "errors/404.html", 422, title="A & B", message="x"),
        "/changed": lambda: htmx.changed("_macros/status.html", to="/", notice=notice),
        "/refused/<int:status>": lambda status: htmx.refused(status, "Ask <them>."),
        "/signed-out": lambda: htmx.signed_out("/sign-in?next=/episodes"),
        "/stale": lambda: htmx.stale_token("new-token"),
        "/unchanged": htmx.unchanged,
    }
    for address, view in answers.items():
        app.add_url_rule(address, address, view, methods=["GET", "POST"])
    return app


@pytest.fixture
def client(frame: Flask) -> FlaskClient:
    """A client of the small application."""
    return frame.test_client()


@pytest.mark.parametrize("folder", VENDOR, ids=["served", "tests"])
def test_taken_over_files_are_the_listed_ones(folder: Path) -> None:
    listed = dict(
        re.findall(r"^\| `([^`]+\.(?:js|css))` .* `([\w+/]{64})` \|$", (folder / "README.md").read_text(), re.M)
    )
    found = {
        path.name: base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()
        for path in folder.iterdir()
        if path.suffix in {".js", ".css"}
    }
    assert listed == found


def test_first_load_stays_small(client: FlaskClient) -> None:
    page = client.get("/").text
    linked = set(re.findall(r'(?:src|href)="/static/([^"?]+)', page))
    parts = [page.encode()] + [(CAREAPP / "static" / name).read_bytes() for name in linked]
    assert len(linked) == 8
    assert sum(len(gzip.compress(part)) for part in parts) <= 70_000


def test_base_page_is_valid_and_strict(client: FlaskClient) -> None:
    page = client.get("/").text
    html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {"main", "alerts", "notices", "session-warning"} <= set(ids)
    assert "<title>Sample - careapp</title>" in page
    assert not re.search(r"<style|\sstyle=|<script>|\shx-on|https?://", page)
    assert "<title>Error: Sample" in client.get("/errors").text


def test_htmx_may_not_evaluate_or_store(client: FlaskClient) -> None:
    config = json.loads(re.search(r"name=\"htmx-config\" content='([^']+)'", client.get("/").text)[1])
    assert (config["allowEval"], config["allowScriptTags"], config["historyCacheSize"]) == (False, False, 0)


def test_assets_are_kept_by_fingerprint(frame: Flask, client: FlaskClient) -> None:
    with frame.test_request_context():
        address = assets.asset("app.css")
        with pytest.raises(FileNotFoundError):
            assets.asset("no-such-file.css")
    with client.get(address) as kept, client.get(address.partition("?")[0]) as asked_each_time:
        assert "max-age=31536000" in kept.headers["Cache-Control"]
        assert "max-age" not in asked_each_time.headers["Cache-Control"]


def test_a_file_asked_for_by_the_fingerprint_of_another_version_is_not_kept(client: FlaskClient) -> None:
    """A page of the version that is being rolled out, its file asked of a server of the one before."""
    with client.get("/static/app.css?v=0123456789ab") as answer:
        assert answer.status_code == 200
        assert "no-cache" in answer.headers["Cache-Control"]
        assert "max-age" not in answer.headers["Cache-Control"]


@pytest.mark.parametrize("headers", [{}, HTMX | {"HX-Boosted": "true"}, HTMX | {"HX-History-Restore-Request": "true"}])
def test_plain_boosted_and_restored_requests_get_the_page(client: FlaskClient, headers: dict[str, str]) -> None:
    answer = client.get("/form", headers=headers)
    assert answer.status_code == 422
    assert "<title>Error: Not found - careapp</title>" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "HX-Request" in answer.vary


def test_a_refused_fragment_brings_its_title_and_clears_the_corner(client: FlaskClient) -> None:
    text = client.get("/form", headers=HTMX).text
    assert text.startswith("<title>Error: A &amp; B - careapp</title>")
    assert '<div hx-swap-oob="innerHTML:#alerts"></div>' in text


def test_change_answers_htmx_with_notice_and_undo(client: FlaskClient) -> None:
    answer = client.post("/changed", headers=HTMX)
    assert answer.status_code == 200
    assert "<strong>Aye &lt;b&gt;Chan&lt;/b&gt;</strong>" in answer.text
    assert 'hx-post="/rows/1/undo" hx-target="#APT-1"' in answer.text


def test_change_answers_a_plain_post_with_303_and_no_name(client: FlaskClient) -> None:
    answer = client.post("/changed")
    assert (answer.status_code, answer.location) == (303, "/")
    with client.session_transaction() as session:
        assert "Chan" not in str(dict(session))  # no three letters, which a token may hold
    page = client.get("/").text
    assert "<span>Checked in</span>" in page
    assert "Chan" not in page


@pytest.mark.parametrize("status", [400, 403, 404, 409, 429])
def test_refusals(client: FlaskClient, status: int) -> None:
    plain, fragment = client.get(f"/refused/{status}"), client.get(f"/refused/{status}", headers=HTMX)
    assert plain.status_code == fragment.status_code == status
    assert "<h1>" in plain.text
    assert fragment.text == "Ask &lt;them&gt;."
    assert (fragment.headers["HX-Retarget"], fragment.headers["HX-Reswap"]) == ("#alerts", "innerHTML")


def test_signed_out(client: FlaskClient) -> None:
    assert client.get("/signed-out").status_code == client.post("/signed-out").status_code == 303
    fetched = client.get("/signed-out", headers=HTMX)
    assert (fetched.status_code, fetched.headers["HX-Redirect"]) == (401, "/sign-in?next=/episodes")
    sent = client.post("/signed-out", headers=HTMX)
    assert (sent.status_code, sent.headers["HX-Retarget"]) == (401, "#alerts")
    assert 'target="_blank"' in sent.text
    assert "HX-Redirect" not in sent.headers


def test_old_token_keeps_what_was_typed(client: FlaskClient) -> None:
    answer = client.post("/stale", headers=HTMX)
    assert (answer.status_code, answer.headers["HX-Trigger"]) == (400, '{"token": {"value": "new-token"}}')
    typed = {"csrf_token": "old", "reason": '"Cough" & fever', "version": "3"}
    page = client.post("/stale?week=2", data=typed, headers={"Sec-Fetch-Site": "same-origin"})
    assert page.status_code == 400
    assert 'action="/stale?week=2"' in page.text
    assert 'name="reason" value="&#34;Cough&#34; &amp; fever"' in page.text
    assert "old" not in re.findall(r'name="csrf_token" value="([^"]*)"', page.text)


def test_old_token_gives_nothing_to_a_foreign_site_and_no_password_back(client: FlaskClient) -> None:
    foreign = client.post("/stale", data={"reason": "Cough"}, headers={"Sec-Fetch-Site": "cross-site"})
    secret = client.post("/stale", data={"password": "Cough"}, headers={"Sec-Fetch-Site": "same-origin"})
    for answer in foreign, secret:
        assert answer.status_code == 400
        assert "Cough" not in answer.text


def test_unchanged_swaps_nothing(client: FlaskClient) -> None:
    answer = client.get("/unchanged", headers=HTMX)
    assert (answer.status_code, answer.data) == (204, b"")


def _submitted(frame: Flask, **typed: str) -> SampleForm:
    sent = {"submission": str(uuid4()), "version": "1", "medication": "Amoxicillin", "priority": "R"}
    sent["slot_locator"] = "SLT-1"
    with frame.test_request_context(method="POST"):
        form = SampleForm(formdata=MultiDict(sent | typed))
        form.validate()
        return form


def test_form_gives_values_in_their_types(frame: Flask) -> None:
    with frame.test_request_context(method="POST"):
        typed = {"medication": " Amoxi\0cillin ", "quantity": " 20 ", "start": "20 Nov 2026", "note": "  "}
        sent = {"submission": str(uuid4()), "version": "3", "slot_locator": "SLT-1", "priority": "R"}
        values = SampleForm(formdata=MultiDict(sent | typed)).checked()
    assert (values.medication, values.quantity, values.version) == ("Amoxicillin", 20, 3)
    assert (values.start, values.note, values.told) == (date(2026, 11, 20), None, False)


@pytest.mark.parametrize(
    ("name", "typed"),
    [("quantity", "0"), ("quantity", "100"), ("quantity", "1e2"), ("quantity", "9" * 40), ("quantity", "٣"),
     ("start", "11/12/2026"), ("start", "2026-02-30"), ("version", ""), ("version", "99999999999"),
     ("submission", "not a number"), ("medication", "   "), ("slot_locator", "SLT-2")],
)  # fmt: skip
def test_form_refuses_what_does_not_convert(frame: Flask, name: str, typed: str) -> None:
    assert set(_submitted(frame, **{name: typed}).errors) == {name}


def test_half_a_surrogate_pair_is_refused(frame: Flask) -> None:
    with pytest.raises(Invalid):
        _submitted(frame, medication="\ud800")


def test_checked_names_the_fields(frame: Flask) -> None:
    with frame.test_request_context(method="POST"), pytest.raises(Invalid) as refusal:
        SampleForm(formdata=MultiDict({"quantity": "no"})).checked()
    assert {"quantity", "medication", "version"} <= set(refusal.value.errors)


def test_refusal_of_a_command_stands_beside_its_field(frame: Flask) -> None:
    form = _submitted(frame)
    form.refuse(Invalid({"slotLocator": "Just taken.", "elsewhere": "Not possible."}))
    with frame.test_request_context():
        page = render_template_string(
            '{% from "_macros/forms.html" import field, summary, hidden %}{{ hidden(form) }}{{ summary(form) }}'
            "{{ field(form.slot_locator, 'Free ones only') }}",
            form=form,
        )
    assert '<a href="#slot_locator">Slot: Just taken.</a>' in page
    assert "<li>Not possible.</li>" in page
    assert 'aria-describedby="slot_locator-hint slot_locator-error"' in page
    assert 'aria-invalid="true"' in page
    order = [page.index(part) for part in ("<label", 'id="slot_locator-hint"', 'id="slot_locator-error"', "<select")]
    assert order == sorted(order)
    assert re.findall(r'<input type="hidden" name="(\w+)"', page) == ["csrf_token", "version", "submission"]


@pytest.mark.parametrize("year", [1, 1799, 1800, 1899, 1900, 2200, 2201, 9999])
def test_forms_take_the_years_that_the_api_takes(frame: Flask, year: int) -> None:
    day, moment = f"{year:04}-05-17", f"{year:04}-05-17T09:30"
    form = _submitted(frame, start=day, at=moment)
    assert (not form.start.errors) == _taken(Day, day)
    assert (not form.at.errors) == _taken(Moment, f"{moment}:00Z")
    for errors in filter(None, (form.start.errors, form.at.errors)):
        assert "The year must lie between" in errors[0]


def _taken(kind: Any, text: str) -> bool:
    """Whether the JSON API takes this for a day or a moment."""
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return False
    return True
