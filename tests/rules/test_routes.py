"""Every address declares who may use it, keeps to it, only reads on a GET, and knows nothing of another tenant."""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from careapp import commands
from careapp.access import Actor, Permission, Role
from careapp.db import db
from careapp.identity import sessions
from careapp.providers.views import ProviderView
from careapp.surface.actors import ANYBODY_SIGNED_IN
from careapp.surface.internal_credentials import CREDENTIALS, HEADER
from tests import factories as make
from tests.api.calls import CALLS, slot_body
from tests.api.client import Api, all_stored, is_problem, speaking_for
from tests.conftest import TestTenant, everything
from tests.database import TestDatabase
from tests.identity.people import a_user
from tests.looking import id_of

PUBLIC = {
    "static", "health.alive", "health.ready", "docs.openapi", "docs.readable",
    "sign_in.sign_in", "sign_in.sign_in_post", "sign_in.sign_out",
}  # fmt: skip
SIGNED_IN = {"home.home", "sign_in.stay_signed_in"}

CARE = {Role.FRONT_DESK, Role.CLINICIAN, Role.ADMIN}
SEE_ORDERS, ORDER = {Role.FRONT_DESK, Role.CLINICIAN}, {Role.CLINICIAN}
SET_UP, SLOTS = {Role.ADMIN}, {Role.FRONT_DESK, Role.ADMIN}  # a clinician only his own slots: a test of its own

# Design §8, route by route: who may. What is not named here is for everybody in care, and never for an auditor.
WHO_MAY = {
    "api.create_provider": SET_UP, "api.create_clinic": SET_UP, "api.provider_activate": SET_UP,
    "api.provider_deactivate": SET_UP, "api.add_slot": SLOTS, "api.slot_block": SLOTS, "api.slot_unblock": SLOTS,
    "api.episode_close": {Role.CLINICIAN},
    "api.list_prescriptions": SEE_ORDERS, "api.get_prescription": SEE_ORDERS, "api.list_referrals": SEE_ORDERS,
    "api.get_referral": SEE_ORDERS, "api.issue": ORDER, "api.refer": ORDER, "api.prescription_fill": ORDER,
    "api.prescription_void": ORDER, "api.referral_book": ORDER, "api.referral_complete": ORDER,
    "api.referral_cancel": ORDER,
}  # fmt: skip
API = sorted(name for name in CALLS if name.startswith("api."))
WITHOUT_LOCATOR = {
    "api.create_provider", "api.create_clinic", "api.register_patient", "api.open_episode", "api.search_patients",
    "api.list_providers", "api.list_clinics", "api.list_patients", "api.list_episodes",
}  # fmt: skip

# What an address of a page stands for, by the word before its locator.
PAGE_OF: dict[str, Callable[[Actor], Any]] = {
    "episodes": make.an_episode, "appointments": make.an_appointment, "slots": make.a_slot, "patients": make.a_patient,
    "prescriptions": make.a_prescription, "referrals": make.a_referral, "providers": make.a_provider,
    "clinics": make.a_clinic,
}  # fmt: skip
PAGES_OF_ORDERS = {"prescriptions.prescription_form": ORDER, "referrals.referral_form": ORDER}
OWN_SLOTS_PAGES = {"calendar.slots_form"}  # a form a clinician fills for himself


def rules(app: APIFlask, method: str) -> list[Rule]:
    """The rules of pages (not of the JSON surfaces, nor of files) that take a method."""
    return [
        rule
        for rule in app.url_map.iter_rules()
        if method in (rule.methods or ()) and rule.endpoint.split(".")[0] not in ("api", "internal", "docs", "health", "static")
    ]


def page_address(rule: Rule, actor: Actor) -> str:
    """An address of a page about something just made in the actor's tenant."""
    assert rule.arguments <= {"locator"}, f"say in PAGE_OF what {rule.rule} stands for"
    kind = rule.rule.split("/")[1]
    return rule.rule.replace("<locator>", PAGE_OF[kind](actor).locator) if rule.arguments else rule.rule


Browser = Callable[..., FlaskClient]


@pytest.fixture
def browser(app: APIFlask, god: Actor) -> Browser:
    """browser(Role.ADMIN) is a browser with somebody of that role signed in; browser(None) one where nobody is."""

    def make_one(role: Role | None, *, admin: Actor = god) -> FlaskClient:
        client = app.test_client()
        if role is not None:
            user = a_user(admin, role)
            with commands.system_transaction(admin.tenant_id):
                sid = sessions.start(admin.tenant_id, user.id)
            with client.session_transaction() as cookie:
                cookie["tenant"], cookie["sid"] = admin.tenant_id, sid
        return client

    return make_one


def ask(app: APIFlask, client: FlaskClient, method: str, address: str, **options: Any) -> TestResponse:
    """One request of a browser, in an application context of its own."""
    with app.app_context():
        answer = client.open(address, method=method, buffered=True, **options)
        db.session.remove()
    return answer


def test_every_endpoint_declares_who_may_use_it(app: APIFlask) -> None:
    declared = {name: getattr(view, "permission", None) for name, view in app.view_functions.items()}
    public = {name for name, view in app.view_functions.items() if getattr(view, "public", False)} | {"static"}
    assert public == PUBLIC
    assert {name for name, permission in declared.items() if permission == ANYBODY_SIGNED_IN} == SIGNED_IN
    for name, permission in declared.items():
        assert (name in PUBLIC) == (permission is None), f"{name} declares neither a permission nor that it is public"
        assert permission is None or permission == ANYBODY_SIGNED_IN or permission in Permission, name


def test_only_pages_and_documents_are_public(app: APIFlask) -> None:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(("/api/v1", "/internal", "/fhir")):
            assert rule.endpoint not in PUBLIC | SIGNED_IN, rule.rule


def test_the_list_of_routes_without_a_locator_is_right(app: APIFlask) -> None:
    json_rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint in CALLS]
    assert {rule.endpoint for rule in json_rules if not rule.arguments} == WITHOUT_LOCATOR


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("name", API)
def test_each_role_may_what_the_design_says_and_nothing_else(
    app: APIFlask, god: Actor, actor_of: Callable[..., Actor], name: str, role: Role
) -> None:
    call = CALLS[name](god)
    answer = speaking_for(app, actor_of(role)).send(call.method, call.path, call.body, **call.headers)
    if role in WHO_MAY.get(name, CARE):
        assert answer.status_code == call.status, answer.text
    else:
        is_problem(answer, 403, "FORBIDDEN")


def test_a_clinician_manages_his_own_slots(app: APIFlask, god: Actor, actor_of: Callable[..., Actor]) -> None:
    provider: ProviderView = make.a_provider(god)
    other = make.a_slot(god)
    himself = a_user(god, Role.CLINICIAN, provider_id=id_of(god, "providers", provider.locator))
    named = Actor(god.tenant_id, god.tenant_key, f"user:{himself.id}", frozenset(), frozenset({Role.CLINICIAN}))
    client = speaking_for(app, named)
    body = slot_body(god)
    made = client.post(f"/providers/{provider.locator}/slots", body)
    assert made.status_code == 201
    block = f"/slots/{made.json['locator']}/block"
    assert client.patch(block).json["status"] == "BLOCKED"
    is_problem(client.post(f"/providers/{other.provider_locator}/slots", body), 403)
    is_problem(client.patch(f"/slots/{other.locator}/block"), 403)
    is_problem(speaking_for(app, actor_of(Role.CLINICIAN)).patch(f"/slots/{other.locator}/block"), 403)


def test_the_front_desk_sees_that_orders_exist_and_not_what(
    app: APIFlask, god: Actor, actor_of: Callable[..., Actor]
) -> None:
    ordered, referred = make.a_prescription(god), make.a_referral(god)
    desk, clinician = (speaking_for(app, actor_of(role)) for role in (Role.FRONT_DESK, Role.CLINICIAN))
    hidden = ("medication", "dosage", "quantity", "refills")
    paths = (f"/prescriptions/{ordered.locator}", f"/episodes/{ordered.episode_locator}/prescriptions")
    for path in paths:
        seen, whole = ((c.get(path).json.get("items") or [c.get(path).json])[0] for c in (desk, clinician))
        assert {name: seen[name] for name in hidden} == dict.fromkeys(hidden)
        assert (seen["locator"], seen["status"], seen["issuedAt"]) == (whole["locator"], "ISSUED", whole["issuedAt"])
        assert whole["quantity"] == 21
    for path in (f"/referrals/{referred.locator}", f"/episodes/{referred.episode_locator}/referrals"):
        seen = (desk.get(path).json.get("items") or [desk.get(path).json])[0]
        assert (seen["locator"], seen["reason"], seen["outcome"]) == (referred.locator, None, None)


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


@pytest.fixture
def somebody_who_may(app: APIFlask, god: Actor, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Api]:
    """somebody_who_may(endpoint) has every right in this test's tenant, or is the portal of it."""
    token = f"portal of {god.tenant_key}"
    monkeypatch.setitem(app.extensions, CREDENTIALS, [(god.tenant_key, sha256(token.encode()).digest())])
    portal = Api(app, {HEADER: token}, base="")
    return lambda name: portal if name.startswith("internal.") else speaking_for(app, god)




BODY_LOCATORS = [
    ("api.open_episode", "partyLocator", make.a_patient), ("api.book", "slotLocator", make.a_slot),
    ("api.appointment_reschedule", "slotLocator", make.a_slot), ("api.issue", "providerLocator", make.a_provider),
    ("api.add_slot", "clinicLocator", make.a_clinic), ("api.create_provider", "clinics", make.a_clinic),
]  # fmt: skip


@pytest.mark.parametrize(("name", "field", "made"), BODY_LOCATORS)
def test_a_foreign_locator_in_a_body_is_as_unknown_as_a_missing_one(
    app: APIFlask, god: Actor, new_tenant: Callable[..., TestTenant], name: str, field: str, made: Callable[[Actor], Any]
) -> None:
    foreign = made(everything(new_tenant())).locator
    answers = []
    for locator in (foreign, f"{foreign[:8]}-999999"):
        call = CALLS[name](god)
        body = {**(call.body or {}), field: [locator] if field == "clinics" else locator}
        answers.append(is_problem(speaking_for(app, god).send(call.method, call.path, body, **call.headers), 422))
    assert answers[0] == answers[1]
    assert [error["field"] for error in answers[0]["errors"]] == [field]


FILTERS = (("/episodes", "party", make.a_patient), ("/providers", "clinic", make.a_clinic))


@pytest.mark.parametrize(("path", "field", "made"), FILTERS)
def test_a_foreign_locator_in_a_filter_finds_nothing(
    app: APIFlask, god: Actor, new_tenant: Callable[..., TestTenant], path: str, field: str, made: Callable[[Actor], Any]
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


@pytest.mark.parametrize("name", sorted(name for name in CALLS if ".get_" in name or ".list_" in name))
def test_a_get_of_json_writes_nothing_but_audit(
    somebody_who_may: Callable[[str], Api], god: Actor, database: TestDatabase, name: str
) -> None:
    call, client = CALLS[name](god), somebody_who_may(name)
    before = all_stored(database)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert client.send(method, call.path).status_code == 200
    assert all_stored(database) == before


def test_a_get_of_a_page_writes_nothing_but_audit_and_when_somebody_was_seen(
    app: APIFlask, god: Actor, browser: Browser, database: TestDatabase
) -> None:
    somebody = {role: browser(role) for role in (Role.CLINICIAN, Role.ADMIN)}
    addresses = [page_address(rule, god) for rule in rules(app, "GET")]
    before = all_stored(database, but=("audit_event", "user_session"))
    for address in addresses:
        for client in somebody.values():
            assert ask(app, client, "GET", address).status_code < 500, address
    assert all_stored(database, but=("audit_event", "user_session")) == before


def test_pages_show_a_role_what_it_may_see(app: APIFlask, god: Actor, browser: Browser) -> None:
    for role in Role:
        client = browser(role)
        for rule in rules(app, "GET"):
            if rule.endpoint in PUBLIC | SIGNED_IN:
                continue
            may = role in PAGES_OF_ORDERS.get(rule.endpoint, CARE)
            answer = ask(app, client, "GET", page_address(rule, god))
            expected = {200, 303} if may else {403}
            if rule.endpoint in OWN_SLOTS_PAGES and role is Role.CLINICIAN:
                expected = {200, 403}  # a clinician who is no provider has no slots of his own
            assert answer.status_code in expected, (role, rule.rule, answer.status)


def test_pages_let_nobody_do_what_his_role_may_not(
    app: APIFlask, god: Actor, browser: Browser, database: TestDatabase
) -> None:
    for role in Role:
        client = browser(role)
        token = csrf_token(app, client)
        sent = {"csrf_token": token, "version": "1", "reason": "Fell ill", "summary": "Recovered", "outcome": "Fine"}
        for rule in rules(app, "POST"):
            if rule.endpoint in PUBLIC | SIGNED_IN or role in WHO_MAY.get(f"api.{rule.endpoint.split('.')[1]}", CARE):
                continue
            address = page_address(rule, god)
            before = all_stored(database, but=("audit_event", "user_session"))
            answer = ask(app, client, "POST", address, data=sent)
            assert answer.status_code == 403, (role, rule.rule, answer.status)
            assert all_stored(database, but=("audit_event", "user_session")) == before, (role, rule.rule)


def test_pages_know_nothing_of_another_tenant(
    app: APIFlask, god: Actor, browser: Browser, new_tenant: Callable[..., TestTenant], database: TestDatabase
) -> None:
    there = everything(new_tenant())
    clients = {role: browser(role) for role in (Role.CLINICIAN, Role.ADMIN)}
    tokens = {role: csrf_token(app, client) for role, client in clients.items()}
    for method in ("GET", "POST"):
        for rule in (one for one in rules(app, method) if one.arguments):
            address = page_address(rule, there)
            absent = re.sub(r"-\d{6,}", "-999999", address)
            before = all_stored(database, but=("audit_event", "user_session"))
            for role, client in clients.items():
                sent = {"data": {"csrf_token": tokens[role], "version": "1"}} if method == "POST" else {}
                foreign, missing = (ask(app, client, method, one, **sent) for one in (address, absent))
                assert foreign.status_code == missing.status_code, (role, rule.rule)
                assert foreign.status_code in (404, 403, 422), (role, rule.rule, foreign.status)
                assert method == "POST" or foreign.status_code in (404, 403), (role, rule.rule)
                assert without_numbers(foreign.text) == without_numbers(missing.text), rule.rule
            assert all_stored(database, but=("audit_event", "user_session")) == before


def csrf_token(app: APIFlask, client: FlaskClient) -> str:
    """The token of the forms on this browser's pages."""
    page = ask(app, client, "GET", "/healthz/no-such-page").text
    return page.split('name="csrf-token" content="')[1].split('"')[0]


def without_numbers(page: str) -> str:
    """A page without what differs from one request to the next: tokens, locators, keys of forms."""
    page = re.sub(r'(csrf[-_]token" (?:content|value)=")[^"]*', r"\1", page)
    return re.sub(r"[A-Z]{3}-\d{4}-\d+|[0-9a-f-]{32,36}", "", page)
