"""Every route that shows a patient tells the log, in one transaction; without the log it shows and keeps nothing."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from careapp import localdb
from careapp.access import Actor, Purpose, Role
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, all_stored
from tests.database import TestDatabase
from tests.looking import audits, newest, rows
from tests.rules.pages import ask, csrf_token, page_address
from tests.rules.pages import rules as page_rules

PATIENT = re.compile(r"PTY-\d{4}-\d{6,}")
NAME = re.compile(r"Testowa\d+")
EXAMPLE = "PTY-2026-000042"  # of a number, beside the fields that take one; somebody may have just this one
PURPOSES = {purpose.value for purpose in Purpose}
REFUSE = "CREATE TRIGGER refused BEFORE INSERT ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
# A look at the log is a row with its filter; did it name all whose numbers it showed, it would fill with its readers.
LOG_ITSELF = "admin_audit."
NOT_COUNTED = ("audit_event", "audit_patients", "user_session", "webauthn_challenges")


def shown(answer: TestResponse, god: Actor) -> set[str]:
    """The patients of the tenant whom an answer shows, by number or by name."""
    text = answer.get_data(as_text=True) if not answer.mimetype.startswith(("application/pdf", "image/")) else ""
    named = {row.family: row.locator for row in rows(god, "SELECT family, locator FROM patients")}
    numbers = set(PATIENT.findall(text)) - {EXAMPLE}
    return numbers & set(named.values()) | {named[n] for n in NAME.findall(text) if n in named}


def told(god: Actor, *, after: int) -> set[str]:
    """The patients that the rows written since name; each row says who and why."""
    found: set[str] = set()
    for row in audits(god, after=after):
        assert row.actor, row.action
        assert row.purpose in PURPOSES, row.action
        found |= set(row.patients)
    return found


@contextmanager
def refusing_audit(database: TestDatabase) -> Iterator[None]:
    """Meanwhile no audit row can be written, by anybody."""
    with psycopg.connect(localdb.libpq_url(database.owner), autocommit=True) as owner:
        owner.execute(REFUSE)
        try:
            yield
        finally:
            owner.execute("DROP TRIGGER refused ON audit_event")


def asked(app: APIFlask, client: FlaskClient, method: str, address: str, **options: Any) -> TestResponse:
    """One request of a browser, whose fault is an answer as it is in production."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    try:
        return ask(app, client, method, address, **options)
    finally:
        app.config["PROPAGATE_EXCEPTIONS"] = None


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_json_route_tells_of_everybody_it_shows(
    somebody_who_may: Callable[[str], Api], god: Actor, name: str
) -> None:
    call, client = CALLS[name](god), somebody_who_may(name)
    before = newest(god)["audits"]
    answer = client.send(call.method, call.path, call.body, **call.headers)
    assert answer.status_code == call.status, answer.text
    assert shown(answer, god) <= told(god, after=before)
    if call.method != "GET":
        assert audits(god, after=before), "a change without a row"


@pytest.mark.parametrize("name", sorted(CALLS))
def test_without_the_log_a_json_route_shows_and_keeps_nothing(
    app: APIFlask, somebody_who_may: Callable[[str], Api], god: Actor, database: TestDatabase, name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    call, client = CALLS[name](god), somebody_who_may(name)
    audited = client.send(call.method, call.path, call.body, **call.headers) if call.method == "GET" else None
    person = audited is None or shown(audited, god)
    before = all_stored(database, but=NOT_COUNTED)
    with refusing_audit(database):
        answer = client.send(call.method, call.path, call.body, **call.headers)
    if person:
        assert answer.status_code >= 500, answer.text
    assert shown(answer, god) == set()
    assert all_stored(database, but=NOT_COUNTED) == before


def test_every_page_tells_of_everybody_it_shows_and_shows_nobody_without_the_log(
    app: APIFlask, god: Actor, browser: Callable[[Role], FlaskClient], database: TestDatabase
) -> None:
    make.an_appointment(god)  # somebody for the lists
    seen: set[str] = set()
    somebody = {role: browser(role) for role in Role}
    for rule in page_rules(app, "GET"):
        address = page_address(rule, god)
        for role, client in somebody.items():
            before = newest(god)["audits"]
            people = shown(asked(app, client, "GET", address), god)
            if rule.endpoint.startswith(LOG_ITSELF):
                assert audits(god, after=before) or not people, (role, rule.rule)
            else:
                assert people <= told(god, after=before), (role, rule.rule)
            if people:
                seen.add(rule.endpoint)
                with refusing_audit(database):
                    assert shown(asked(app, client, "GET", address), god) == set(), (role, rule.rule)
    assert len(seen) >= 12, seen  # or the test looks at nothing


def test_without_the_log_no_form_keeps_anything(
    app: APIFlask, god: Actor, browser: Callable[[Role], FlaskClient], database: TestDatabase
) -> None:
    sent = {"version": "1", "reason": "Fell ill", "summary": "Recovered", "outcome": "Fine", "q": "Testowa"}
    clients = {role: browser(role) for role in (Role.CLINICIAN, Role.ADMIN)}
    tokens = {role: csrf_token(app, client) for role, client in clients.items()}
    for rule in page_rules(app, "POST"):
        if rule.endpoint.startswith(("sign_in.", "preferences.", "drafts.", "federation.")):
            continue  # of nobody's record: the first by rows of its own, the others of one's own settings
        for role, client in clients.items():
            address = page_address(rule, god)
            before = all_stored(database, but=NOT_COUNTED)
            with refusing_audit(database):
                answer = asked(app, client, "POST", address, data=sent | {"csrf_token": tokens[role]})
            assert shown(answer, god) == set(), (role, rule.rule)
            assert all_stored(database, but=NOT_COUNTED) == before, (role, rule.rule)
