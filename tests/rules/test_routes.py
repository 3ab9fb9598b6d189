"""Every address declares who may use it, keeps to that, and only reads on a GET."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from careapp.access import Actor, Permission, Role
from careapp.providers.views import ProviderView
from careapp.surface.actors import ANYBODY_SIGNED_IN
from tests import factories as make
from tests.api.calls import CALLS, slot_body
from tests.api.client import Api, all_stored, is_problem, speaking_for
from tests.database import TestDatabase
from tests.identity.people import a_user
from tests.looking import id_of
from tests.rules.pages import ask, code_on_paper, csrf_token, page_address, rules, signed_in_as
from tests.rules.test_twice import LOOKED_UP
from tests.rules.twice import SCENES, filled

PUBLIC = {
    "static",
    "health.alive",
    "health.ready",
    "docs.openapi",
    "docs.readable",
    "oauth.token",
    "oauth.jwks",
    "oauth.metadata",
    "sign_in.sign_in",
    "sign_in.sign_in_post",
    "sign_in.sign_out",
    "federation.start",
    "federation.callback",
    "federation.signed_out",
    "backchannel.backchannel_logout",
    "second_stage.second",
    "second_stage.second_by_code",
    "second_stage.second_options",
    "second_stage.second_by_passkey",
    "second_stage.passkey_options",
    "second_stage.by_passkey",
    "prescription_print.verify",
    "prescription_print.verify_post",
}
SIGNED_IN = {"admin.first", "home.home", "palette.keys", "palette.palette", "sign_in.stay_signed_in"}
OWN = {
    "account",
    "confirm",
    "drafts",
    "factors",
    "preferences",
}  # blueprints of what is somebody's own, whatever his role

CARE = {Role.FRONT_DESK, Role.CLINICIAN, Role.ADMIN}
SEE_ORDERS, ORDER = {Role.FRONT_DESK, Role.CLINICIAN}, {Role.CLINICIAN}
SET_UP, SLOTS = {Role.ADMIN}, {Role.FRONT_DESK, Role.ADMIN}  # a clinician only his own slots: a test of its own

# Design §8, route by route: who may. What is not named here is for everybody in care, and never for an auditor.
WHO_MAY = {
    "api.create_provider": SET_UP,
    "api.create_clinic": SET_UP,
    "api.provider_activate": SET_UP,
    "api.provider_deactivate": SET_UP,
    "api.add_slot": SLOTS,
    "api.slot_block": SLOTS,
    "api.slot_unblock": SLOTS,
    "api.episode_close": {Role.CLINICIAN},
    "api.list_prescriptions": SEE_ORDERS,
    "api.get_prescription": SEE_ORDERS,
    "api.list_referrals": SEE_ORDERS,
    "api.get_referral": SEE_ORDERS,
    "api.issue": ORDER,
    "api.refer": ORDER,
    "api.prescription_fill": ORDER,
    "api.prescription_void": ORDER,
    "api.referral_book": ORDER,
    "api.referral_complete": ORDER,
    "api.referral_cancel": ORDER,
    "api.add_fact": ORDER,
    "api.record_none_known": ORDER,
    "api.end_fact": ORDER,
}
API = sorted(name for name in CALLS if name.startswith("api."))
PAGES_OF_ORDERS = {
    "prescriptions.prescription_form": ORDER,
    "medicines.find": ORDER,
    "medicines.fill": ORDER,
    "medicines.dosage_sentence": ORDER,
    "prescription_print.paper": ORDER,
    "prescription_print.paper_pdf": ORDER,
    "referrals.referral_form": ORDER,
    "referral_board.board": SEE_ORDERS,
    "patients.prescriptions": SEE_ORDERS,
    "patients.referrals": SEE_ORDERS,
}
PAGES_OF_ADMINISTRATION = {
    "admin_users": SET_UP,
    "admin_clients": SET_UP,
    "admin_clinics": SET_UP,
    "admin_providers": SET_UP,
    "admin_settings": SET_UP,
    "admin_outbox": SET_UP,
    "admin_erasure": SET_UP,
    "admin_audit": {Role.AUDITOR},
    "admin_emergencies": {Role.ADMIN, Role.AUDITOR},
    "record_access": {Role.CLINICIAN, Role.ADMIN},
    "emergency": {Role.CLINICIAN},
}
OWN_SLOTS_PAGES = {"spans.slots_form", "spans.block_form"}  # forms a clinician fills for himself
OWN_SLOTS_FORMS = {"spans.add_slots", "spans.block", "spans.unblock"}  # and sends
Browser = Callable[[Role], FlaskClient]
# a read is audited, and a session keeps when it was last used
NOT_COUNTED = ("audit_event", "audit_patients", "user_session")


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
    before = all_stored(database, but=NOT_COUNTED)
    for address in addresses:
        for client in somebody.values():
            assert ask(app, client, "GET", address).status_code < 500, address
    assert all_stored(database, but=NOT_COUNTED) == before


def who_may_open(endpoint: str) -> set[Role]:
    """Who may see a page."""
    blueprint = endpoint.partition(".")[0]
    if blueprint in OWN:
        return set(Role)
    return PAGES_OF_ORDERS.get(endpoint) or PAGES_OF_ADMINISTRATION.get(blueprint, CARE)


def who_may_send(endpoint: str) -> set[Role]:
    """Who may send a form: the same as may call the route of that name in the API, or administrate."""
    blueprint, _, name = endpoint.partition(".")
    if blueprint in OWN or endpoint in PAGES_OF_ORDERS:
        return who_may_open(endpoint)
    return PAGES_OF_ADMINISTRATION.get(blueprint) or WHO_MAY.get(f"api.{name}", CARE)


def test_pages_show_a_role_what_it_may_see(app: APIFlask, god: Actor, browser: Browser) -> None:
    for role in Role:
        client = browser(role)
        for rule in rules(app, "GET"):
            if rule.endpoint in PUBLIC | SIGNED_IN:
                continue
            may = role in who_may_open(rule.endpoint)
            answer = ask(app, client, "GET", page_address(rule, god))
            expected = {200, 303} if may else {403}
            if rule.endpoint.partition(".")[0] in OWN:
                expected = {200, 404}  # this draft is somebody else's
            if rule.endpoint in OWN_SLOTS_PAGES and role is Role.CLINICIAN:
                expected = {200, 403}  # a clinician who is no provider has no slots of his own
            assert answer.status_code in expected, (role, rule.rule, answer.status)


def test_pages_let_nobody_do_what_his_role_may_not(
    app: APIFlask, god: Actor, browser: Browser, database: TestDatabase
) -> None:
    for role in Role:
        client = browser(role)
        token = csrf_token(app, client)
        sent = {"csrf_token": token, "version": "1", "reason": "Fell ill", "summary": "Recovered", "outcome": "Fine",
                "facility": "Central Laboratory"}  # fmt: skip
        for rule in rules(app, "POST"):
            if rule.endpoint in PUBLIC | SIGNED_IN or role in who_may_send(rule.endpoint):
                continue
            address = page_address(rule, god)
            before = all_stored(database, but=NOT_COUNTED)
            answer = ask(app, client, "POST", address, data=sent)
            assert answer.status_code == 403, (role, rule.rule, answer.status)
            assert all_stored(database, but=NOT_COUNTED) == before, (role, rule.rule)


@pytest.mark.parametrize(
    ("endpoint", "role"), [(one, role) for one in sorted(SCENES) for role in Role if role in who_may_send(one)]
)
def test_a_form_is_taken_from_each_role_that_may_send_it(
    app: APIFlask, god: Actor, database: TestDatabase, endpoint: str, role: Role
) -> None:
    provider = make.a_provider(god) if endpoint in OWN_SLOTS_FORMS and role is Role.CLINICIAN else None
    me = make.a_person(god, role, provider=provider)
    client = signed_in_as(app, me)
    scene = SCENES[endpoint](god, me, database)
    fields = filled(app, client, scene)
    if provider:
        fields["provider_locator"] = provider.locator
    answer = ask(app, client, "POST", scene[1], data=fields)
    assert answer.status_code in (200, 303), (answer.status, answer.text)


def a_question(app: APIFlask, god: Actor, endpoint: str) -> dict[str, str]:
    """What is sent to a lookup by somebody who means something there is."""
    if endpoint == "prescription_print.verify_post":
        prescription = make.a_prescription(god).locator
        code = code_on_paper(app, signed_in_as(app, make.a_person(god, Role.CLINICIAN)), prescription)
        return {"clinic": god.tenant_key, "prescription": prescription, "code": code}
    if endpoint == "admin_erasure.found":
        return {"locator": make.a_patient(god).locator}
    return {"medication": "amox"} if endpoint.startswith("medicines.") else {"q": "Testowa"}


@pytest.mark.parametrize("endpoint", sorted(LOOKED_UP))
def test_a_lookup_answers_each_role_that_may(app: APIFlask, god: Actor, browser: Browser, endpoint: str) -> None:
    [rule] = [one for one in rules(app, "POST") if one.endpoint == endpoint]
    asked = a_question(app, god, endpoint)
    for role in Role if endpoint in PUBLIC else who_may_send(endpoint):
        client = browser(role)
        sent = {"csrf_token": csrf_token(app, client), **asked}
        answer = ask(app, client, "POST", page_address(rule, god), data=sent)
        assert answer.status_code == (303 if endpoint == "admin_erasure.found" else 200), (role, answer.status)
