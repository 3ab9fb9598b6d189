"""Every route that shows a patient tells the log, in one transaction; without the log it shows and keeps nothing."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
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
from tests.identity.enrolled import somebody, with_app
from tests.looking import audits, newest, rows
from tests.rules.pages import ask, csrf_token, page_address, signed_in_as
from tests.rules.pages import rules as page_rules
from tests.rules.test_twice import LOOKED_UP
from tests.rules.twice import SCENES, Filled, Scene, filled

PATIENT = re.compile(r"PTY-\d{4}-\d{6,}")
NAME = re.compile(r"Testowa\d+")
EXAMPLE = "PTY-2026-000042"  # of a number, beside the fields that take one; somebody may have just this one
PURPOSES = {purpose.value for purpose in Purpose}
# A sequence counts on though the transaction is rolled back.
REFUSE = """
CREATE SEQUENCE refusals;
CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = care AS
  $$BEGIN PERFORM nextval('refusals'); RAISE EXCEPTION 'The log takes no row.'; END$$;
CREATE TRIGGER refused BEFORE INSERT ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_row()
"""
LET = "DROP TRIGGER refused ON audit_event; DROP FUNCTION refuse_row; DROP SEQUENCE refusals"
WAYS: tuple[dict[str, str], ...] = ({}, {"HX-Request": "true"})  # as a browser asks, and as htmx does
# A look at the log is a row with its filter; did it name all whose numbers it showed, it would fill with its readers.
LOG_ITSELF = "admin_audit."
# Lookups that show patients; the others find staff, medicines, papers, or only lead to a page.
FIND_PATIENTS = {"palette.find", "patients.find", "slots.find_patient", "today.search", "walk_in.find_somebody"}
NOT_COUNTED = ("audit_event", "audit_patients", "user_session", "webauthn_challenges")


def _factors_of_somebody(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    who, _ = somebody(god)
    with_app(who)
    return f"/admin/users/{who.user_id}", f"/admin/users/{who.user_id}/remove-factors", {}


def _own_app(goes: str) -> Scene:
    def scene(god: Actor, me: Actor, database: TestDatabase) -> Filled:
        with_app(me)
        return "/account/factors", goes, {}

    return scene


# The forms that are known good; a draft is of nobody's record, and forgotten without a row.
FORMS = {one: scene for one, scene in SCENES.items() if one != "drafts.discard"} | {
    "admin_users.remove_factors": _factors_of_somebody,
    "factors.remove_app": _own_app("/account/factors/app/remove"),
    "factors.new_codes": _own_app("/account/factors/codes"),
}


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
def refusing_audit(database: TestDatabase) -> Iterator[Callable[[], int]]:
    """Meanwhile no audit row can be written, by anybody; gives a function that says how often one was refused."""
    with psycopg.connect(localdb.libpq_url(database.owner), autocommit=True) as owner:
        owner.execute(REFUSE)

        def refused() -> int:
            row = owner.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM refusals").fetchone()
            assert row
            return int(row[0])

        try:
            yield refused
        finally:
            owner.execute(LET)


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
    with refusing_audit(database) as refused:
        answer = client.send(call.method, call.path, call.body, **call.headers)
        met = refused()
    if person:
        assert answer.status_code >= 500, answer.text
        assert met, "no row was to be written"
    assert shown(answer, god) == set()
    assert all_stored(database, but=NOT_COUNTED) == before


def test_every_page_tells_of_everybody_it_shows_and_shows_nobody_without_the_log(
    app: APIFlask, god: Actor, browser: Callable[[Role], FlaskClient], database: TestDatabase
) -> None:
    make.an_appointment(god, slot=make.a_slot(god, clinic=make.a_clinic(god)))  # somebody for the lists
    seen: set[tuple[str, bool]] = set()
    staff = {role: browser(role) for role in Role}
    for rule in page_rules(app, "GET"):
        address, showing = page_address(rule, god), []
        for role, way in product(staff, WAYS):
            before = newest(god)["audits"]
            people = shown(asked(app, staff[role], "GET", address, headers=way), god)
            if rule.endpoint.startswith(LOG_ITSELF):
                assert audits(god, after=before) or not people, (role, rule.rule, way)
            else:
                assert people <= told(god, after=before), (role, rule.rule, way)
            if people:
                seen.add((rule.endpoint, bool(way)))
                showing.append((role, way))
        if showing:
            with refusing_audit(database):
                for role, way in showing:
                    answer = asked(app, staff[role], "GET", address, headers=way)
                    assert shown(answer, god) == set(), (role, rule.rule, way)
    for by_htmx in (False, True):
        assert len([one for one, by in seen if by is by_htmx]) >= 12, seen  # or the test looks at nothing


@pytest.mark.parametrize("endpoint", sorted(LOOKED_UP))
def test_a_lookup_tells_of_everybody_it_finds_and_finds_nobody_without_the_log(
    app: APIFlask, god: Actor, database: TestDatabase, endpoint: str
) -> None:
    patient = make.an_appointment(god, slot=make.a_slot(god, clinic=make.a_clinic(god))).party_locator
    client = signed_in_as(app, make.a_person(god, *Role))
    [rule] = [one for one in page_rules(app, "POST") if one.endpoint == endpoint]
    fields = {"csrf_token": csrf_token(app, client), "q": "Testowa", "locator": patient, "version": "1"}
    address = page_address(rule, god)
    for way in WAYS:
        before = newest(god)["audits"]
        answer = asked(app, client, "POST", address, data=fields, headers=way)
        people = shown(answer, god)
        if endpoint.startswith(LOG_ITSELF):
            assert audits(god, after=before) or not people, way
        else:
            assert people <= told(god, after=before), way
        assert people or endpoint not in FIND_PATIENTS, (way, answer.text)
        with refusing_audit(database) as refused:
            answer = asked(app, client, "POST", address, data=fields, headers=way)
            assert shown(answer, god) == set(), way
            assert endpoint not in FIND_PATIENTS or (answer.status_code >= 500 and refused()), (way, answer.status)


def test_without_the_log_nothing_is_printed(app: APIFlask, god: Actor, database: TestDatabase) -> None:
    prescription = make.a_prescription(god)
    client = signed_in_as(app, make.a_person(god, *Role))
    address = f"/prescriptions/{prescription.locator}/paper.pdf"
    before = newest(god)["audits"]
    printed = asked(app, client, "GET", address)
    assert (printed.mimetype, printed.data[:5]) == ("application/pdf", b"%PDF-")
    assert told(god, after=before) == {prescription.party_locator}
    assert "prescription.print" in {row.action for row in audits(god, after=before)}
    with refusing_audit(database) as refused:
        answer = asked(app, client, "GET", address)
        assert refused()
    assert answer.status_code >= 500
    assert answer.mimetype != "application/pdf"
    assert b"%PDF" not in answer.data
    assert shown(answer, god) == set()


@pytest.mark.parametrize("endpoint", sorted(FORMS))
def test_without_the_log_a_form_keeps_nothing(
    app: APIFlask, god: Actor, database: TestDatabase, endpoint: str
) -> None:  # fmt: skip
    me = make.a_person(god, *(role for role in Role if role is not Role.AUDITOR))
    scene = FORMS[endpoint](god, me, database)
    client = signed_in_as(app, me)  # after it: who changes his factors is signed out
    fields = filled(app, client, scene)
    # Sessions count here: some forms end them. A password that is asked for is counted before it is looked at.
    apart = (*(one for one in NOT_COUNTED if one != "user_session"), "sign_in_attempts")
    before = all_stored(database, but=apart)
    with refusing_audit(database) as refused:
        answer = asked(app, client, "POST", scene[1], data=fields)
        assert refused(), answer.status
    assert answer.status_code >= 500
    assert shown(answer, god) == set()
    assert all_stored(database, but=apart) == before
