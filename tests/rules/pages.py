"""Pages as the rules see them: their addresses, a browser with somebody signed in, and what differs by chance."""

import re
import uuid
from collections.abc import Callable
from typing import Any

from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from careapp import commands
from careapp.access import Actor, Role
from careapp.db import db
from careapp.disclosure import emergency
from careapp.identity import drafts, sessions
from tests import factories as make
from tests.identity.people import a_user
from tests.looking import execute, one
from tests.web.checks import Form, forms_of, parsed

NO_PAGES = ("api", "internal", "oauth", "docs", "health", "static")

# What an address of a page stands for, by the word before its locator.
PAGE_OF: dict[str, Callable[[Actor], Any]] = {
    "episodes": make.an_episode,
    "appointments": make.an_appointment,
    "today": make.an_appointment,
    "slots": make.a_slot,
    "booked": make.an_appointment,
    "patients": make.a_patient,
    "prescriptions": make.a_prescription,
    "referrals": make.a_referral,
    "providers": make.a_provider,
    "clinics": make.a_clinic,
    "erasure": make.a_patient,
}

# And what a number in an address stands for, by its name.
NUMBERED: dict[str, Callable[[Actor], str]] = {
    "user_id": lambda actor: str(a_user(actor, Role.FRONT_DESK).id),
    "event_id": lambda actor: str(_event_of(make.an_episode(actor), actor)),
    "access_id": lambda actor: str(_emergency(actor)),
    "session_id": lambda actor: str(_session(actor)),
    "passkey_id": lambda actor: str(_passkey(actor)),
    "client_number": lambda actor: str(make.a_service_client(actor).id),
    "draft_id": lambda actor: str(_draft(actor)),
}


def _event_of(episode: Any, actor: Actor) -> Any:
    """The number of the event that told of an episode."""
    return one(actor, "SELECT event_id FROM outbox WHERE key = :key", key=episode.locator)


def _emergency(actor: Actor) -> int:
    """The number of an emergency access to a restricted record."""
    patient = make.a_restricted_patient(actor)
    emergency.declare(make.a_person(actor, Role.CLINICIAN), patient.locator, reason="Found unconscious at home")
    return int(one(actor, "SELECT max(id) FROM emergency_accesses"))


def _passkey(actor: Actor) -> Any:
    """The number of somebody's passkey."""
    statement = (
        "INSERT INTO passkeys (tenant_id, user_id, credential_id, public_key, name, sign_count, backup_eligible,"
        " backed_up) VALUES (:tenant, :user, :credential, '', 'Phone', 0, false, false)"
    )
    credential = uuid.uuid4().bytes
    execute(actor, statement, tenant=actor.tenant_id, user=a_user(actor).id, credential=credential)
    return one(actor, "SELECT id FROM passkeys WHERE credential_id = :credential", credential=credential)


def _draft(actor: Actor) -> int | None:
    """The number of somebody's draft."""
    return drafts.keep(actor.tenant_id, a_user(actor).id, "/episodes/new", [("reason", "Cough")])


def _session(actor: Actor) -> Any:
    """The number of somebody's session."""
    user = a_user(actor)
    with commands.system_transaction(actor.tenant_id):
        sessions.start(actor.tenant_id, user.id)
    return one(actor, "SELECT id FROM user_session WHERE user_id = :user", user=user.id)


def rules(app: APIFlask, method: str) -> list[Rule]:
    """The rules of pages (not of the JSON surfaces, nor of files) that take a method."""
    found = (rule for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] not in NO_PAGES)
    return [rule for rule in found if method in (rule.methods or ())]


def page_address(rule: Rule, actor: Actor) -> str:
    """An address of a page about something just made in the actor's tenant."""
    assert rule.arguments <= {"locator", *NUMBERED}, f"say in PAGE_OF or NUMBERED what {rule.rule} stands for"
    address = rule.rule
    if "locator" in rule.arguments:
        kind = address.partition("/<locator>")[0].rpartition("/")[2]
        address = address.replace("<locator>", PAGE_OF[kind](actor).locator)
    for name in rule.arguments & NUMBERED.keys():
        address = re.sub(rf"<\w+:{name}>", NUMBERED[name](actor), address)
    return address


# In one pass: a random UUID may end in six digits, too.
IN_ADDRESSES = re.compile(
    r"(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|(?P<locator>-\d{6,})|(?P<number>/\d+(?=/|$))"
)


def absent_address(address: str) -> str:
    """The same page about a thing there is not, in any tenant."""
    absent = {"uuid": str(uuid.UUID(int=0)), "locator": "-999999", "number": "/999999999"}
    return IN_ADDRESSES.sub(lambda found: absent[found.lastgroup or ""], address)


def signed_in(app: APIFlask, role: Role, admin: Actor) -> FlaskClient:
    """A browser with somebody of that role signed in, in the tenant of `admin`."""
    return _browser_of(app, admin.tenant_id, a_user(admin, role).id)


def signed_in_as(app: APIFlask, actor: Actor) -> FlaskClient:
    """A browser with this member of staff signed in."""
    assert actor.user_id is not None
    return _browser_of(app, actor.tenant_id, actor.user_id)


def _browser_of(app: APIFlask, tenant_id: int, user_id: int) -> FlaskClient:
    client = app.test_client()
    with commands.system_transaction(tenant_id):
        sid = sessions.start(tenant_id, user_id)
    with client.session_transaction() as cookie:
        cookie["tenant"], cookie["sid"] = tenant_id, sid
    return client


def ask(app: APIFlask, client: FlaskClient, method: str, address: str, **options: Any) -> TestResponse:
    """One request of a browser, in an application context of its own."""
    with app.app_context():
        answer = client.open(address, method=method, buffered=True, **options)
        db.session.remove()
    return answer


def csrf_token(app: APIFlask, client: FlaskClient) -> str:
    """The token of the forms on this browser's pages."""
    page = ask(app, client, "GET", "/healthz/no-such-page").text
    return page.split('name="csrf-token" content="')[1].split('"')[0]


def the_form(page: TestResponse, goes: str) -> Form:
    """The form of a page that goes to an address, as the browser would send it untouched."""
    assert page.status_code == 200, (page.status, page.text)
    found = {form.action: form for form in forms_of(parsed(page.text))}
    by_path = {action.partition("?")[0]: form for action, form in found.items()}
    return found.get(goes) or by_path[goes.partition("?")[0]]


def code_on_paper(app: APIFlask, client: FlaskClient, prescription: str) -> str:
    """The code by which anybody can verify a prescription's paper, as it is printed for who may."""
    paper = ask(app, client, "GET", f"/prescriptions/{prescription}/paper").text
    [code] = re.findall(r'paper-code">([0-9A-Z-]{14})<', paper)
    return str(code)


def without_numbers(page: str) -> str:
    """A page without what differs from one request to the next: tokens, locators, keys of forms."""
    page = re.sub(r'(csrf[-_]token" (?:content|value)=")[^"]*', r"\1", page)
    return re.sub(r"[A-Z]{3}-\d{4}-\d+|[0-9a-f-]{32,36}", "", page)
