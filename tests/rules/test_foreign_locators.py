"""Nothing of another tenant, or out of the clinic scope, is there: in no address, body, filter, list or page."""

from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from careapp.access import Actor, Role
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, all_stored, is_problem, speaking_for
from tests.conftest import TestTenant, everything
from tests.database import TestDatabase
from tests.identity.people import a_user
from tests.looking import id_of
from tests.rules.pages import absent_address, ask, csrf_token, page_address, rules, without_numbers

WITHOUT_LOCATOR = {
    "api.create_provider",
    "api.create_clinic",
    "api.register_patient",
    "api.open_episode",
    "api.search_patients",
    "api.list_providers",
    "api.list_clinics",
    "api.list_patients",
    "api.list_episodes",
}
NOT_COUNTED = ("audit_event", "audit_patients", "user_session")
BODY_LOCATORS = [
    ("api.open_episode", "partyLocator", make.a_patient),
    ("api.book", "slotLocator", make.a_slot),
    ("api.appointment_reschedule", "slotLocator", make.a_slot),
    ("api.issue", "providerLocator", make.a_provider),
    ("api.add_slot", "clinicLocator", make.a_clinic),
    ("api.create_provider", "clinics", make.a_clinic),
]
FILTERS = (("/episodes", "party", make.a_patient), ("/providers", "clinic", make.a_clinic))


def test_the_list_of_routes_without_a_locator_is_right(app: APIFlask) -> None:
    json_rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint in CALLS]
    assert {rule.endpoint for rule in json_rules if not rule.arguments} == WITHOUT_LOCATOR


@pytest.mark.parametrize("name", sorted(set(CALLS) - WITHOUT_LOCATOR))
def test_a_locator_of_another_tenant_is_not_there(
    somebody_who_may: Callable[[str], Api], new_tenant: Callable[..., TestTenant], database: TestDatabase, name: str
) -> None:
    call, client = CALLS[name](everything(new_tenant())), somebody_who_may(name)
    before = all_stored(database)
    foreign = client.send(call.method, call.path, call.body, **call.headers)
    absent = call.template.format(locator=f"{call.locator[:8]}-999999")
    missing = client.send(call.method, absent, call.body, **call.headers)
    assert is_problem(foreign, 404, "NOT_FOUND") == is_problem(missing, 404)
    assert {*foreign.headers.keys()} == {*missing.headers.keys()}
    assert all_stored(database) == before


@pytest.mark.parametrize(("name", "field", "made"), BODY_LOCATORS)
def test_a_foreign_locator_in_a_body_is_as_unknown_as_a_missing_one(
    app: APIFlask,
    god: Actor,
    new_tenant: Callable[..., TestTenant],
    name: str,
    field: str,
    made: Callable[[Actor], Any],
) -> None:
    foreign = made(everything(new_tenant())).locator
    answers = []
    for locator in (foreign, f"{foreign[:8]}-999999"):
        call = CALLS[name](god)
        body = {**(call.body or {}), field: [locator] if field == "clinics" else locator}
        answers.append(is_problem(speaking_for(app, god).send(call.method, call.path, body, **call.headers), 422))
    assert answers[0] == answers[1]
    assert [error["field"] for error in answers[0]["errors"]] == [field]


@pytest.mark.parametrize(("path", "field", "made"), FILTERS)
def test_a_foreign_locator_in_a_filter_finds_nothing(
    app: APIFlask,
    god: Actor,
    new_tenant: Callable[..., TestTenant],
    path: str,
    field: str,
    made: Callable[[Actor], Any],
) -> None:
    there = everything(new_tenant())
    patient = make.a_patient(there)
    make.an_episode(there, patient)
    locator = patient.locator if field == "party" else made(there).locator
    assert speaking_for(app, god).get(f"{path}?{field}={locator}").json == {"items": [], "nextCursor": None}


def test_lists_hold_nothing_of_another_tenant(app: APIFlask, god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    there = everything(new_tenant())
    for scene in CALLS.values():
        scene(there)
    for path in ("/episodes", "/patients", "/providers", "/clinics"):
        assert speaking_for(app, god).get(path).json["items"] == []
    assert speaking_for(app, god).post("/patients/search", {"name": "Daw"}).json["items"] == []


def test_what_is_out_of_the_clinic_scope_is_not_there(app: APIFlask, god: Actor) -> None:
    mine, other = make.a_clinic(god, name="Mine"), make.a_clinic(god, name="Other")
    user = a_user(god, Role.FRONT_DESK, clinic_ids=[id_of(god, "clinics", mine.locator)])
    client = speaking_for(
        app, Actor(god.tenant_id, god.tenant_key, f"user:{user.id}", frozenset(), frozenset({Role.FRONT_DESK}))
    )
    provider = make.a_provider(god)
    seen, hidden, nowhere = (
        make.an_appointment(god, slot=make.a_slot(god, provider, hours=hours, clinic=clinic))
        for hours, clinic in ((1, mine), (3, other), (5, None))
    )
    for one, status in ((seen, 200), (hidden, 404), (nowhere, 200)):
        assert client.get(f"/appointments/{one.locator}").status_code == status
        assert client.get(f"/slots/{one.slot_locator}").status_code == status
        assert client.patch(f"/appointments/{one.locator}/confirm").status_code == status
    listed = client.get(f"/providers/{provider.locator}/slots").json["items"]
    assert [slot["locator"] for slot in listed] == [seen.slot_locator, nowhere.slot_locator]
    free = make.a_slot(god, provider, hours=7, clinic=other).locator
    answer = client.post(f"/episodes/{make.an_episode(god).locator}/appointments", {"slotLocator": free})
    assert [error["field"] for error in is_problem(answer, 422)["errors"]] == ["slotLocator"]


def test_pages_know_nothing_of_another_tenant(
    app: APIFlask,
    god: Actor,
    browser: Callable[[Role], FlaskClient],
    new_tenant: Callable[..., TestTenant],
    database: TestDatabase,
) -> None:
    there = everything(new_tenant())
    clients = {role: browser(role) for role in (Role.CLINICIAN, Role.ADMIN)}
    tokens = {role: csrf_token(app, client) for role, client in clients.items()}
    for method in ("GET", "POST"):
        for rule in (one for one in rules(app, method) if one.arguments):
            address = page_address(rule, there)
            absent = absent_address(address)
            before = all_stored(database, but=NOT_COUNTED)
            for role, client in clients.items():
                sent = {"data": {"csrf_token": tokens[role], "version": "1"}} if method == "POST" else {}
                foreign, missing = (ask(app, client, method, one, **sent) for one in (address, absent))
                assert foreign.status_code == missing.status_code, (role, rule.rule)
                assert foreign.status_code in (404, 403, 422), (role, rule.rule, foreign.status)
                assert method == "POST" or foreign.status_code in (404, 403), (role, rule.rule)
                assert without_numbers(foreign.text) == without_numbers(missing.text), rule.rule
            assert all_stored(database, but=NOT_COUNTED) == before
