"""Asking for everything there is, as whoever may: pages, the API, the portal; and what each request sent to the
database, which tests/bench/test_plans.py has explained.
"""

import base64
import html
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from apiflask import APIFlask
from flask import Response, request, request_finished
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from careapp.access import Actor, Role
from careapp.clinics.queries import list_clinic_details
from careapp.disclosure.emergency import list_emergencies
from careapp.identity import service_clients
from careapp.operations.audit_search import search_audit
from careapp.overviews import patients as patient_overview
from careapp.overviews import referrals as referral_overview
from careapp.overviews.board import get_stage
from careapp.overviews.next_free import find_next_free
from careapp.overviews.staff import list_staff
from careapp.overviews.timeline import get_episode_page
from careapp.patients.queries import get_patient
from careapp.surface.internal_credentials import HEADER
from careapp.web import patients as patient_pages
from careapp.web.admin import outbox as outbox_pages
from deploy.load import forms
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import speaking_for
from tests.bench.plans import Sent, listening
from tests.database import TestDatabase
from tests.identity.people import PASSWORD
from tests.looking import one
from tests.rules import pages
from tests.rules.test_twice import LOOKED_UP, the_form
from tests.rules.twice import SCENES

PORTAL = "PORTAL"  # the portal's token
ROLES = (Role.ADMIN, Role.CLINICIAN, Role.FRONT_DESK, Role.AUDITOR)
WHERE = {
    "episodes": "episodes", "appointments": "appointments", "today": "appointments", "slots": "provider_slots",
    "patients": "patients", "prescriptions": "prescriptions", "referrals": "diagnostics_referrals",
    "providers": "providers", "clinics": "clinics", "erasure": "patients", "members": "patients",
}  # fmt: skip
LIVE = re.compile(r"<[^>]*\bdata-live=[^>]*>")
# Lists of pages, and the constants that say how long the others are.
LISTS = (
    list_clinic_details, list_emergencies, search_audit, get_stage, find_next_free, list_staff, get_episode_page,
)  # fmt: skip
LENGTHS = (
    (patient_overview, "AT_ONCE"),
    (patient_pages, "FOUND_AT_ONCE"),
    (referral_overview, "CARDS_ALONE"),
    (outbox_pages, "SHOWN"),
)


class Answered(NamedTuple):
    """How a route answered, and whether a further page of its list was asked for, or a poll."""

    endpoint: str
    method: str
    status: int
    later: bool
    poll: bool


@contextmanager
def short_lists() -> Iterator[None]:
    """Lists of pages end after one row, so that there is a page after it; that one is then asked for at full length."""
    with pytest.MonkeyPatch.context() as patch:
        for listed in LISTS:
            patch.setitem(inspect.unwrap(listed).__kwdefaults__, "limit", 1)
        for module, length in LENGTHS:
            patch.setattr(module, length, 1)
        yield


class Visitor:
    """Asks for addresses of one generated tenant, as whoever may, and keeps what each sent to the database."""

    def __init__(self, app: APIFlask, actor: Actor, database: TestDatabase) -> None:
        self.app, self.actor, self.database = app, actor, database
        self.staff = {role: self._browser(role) for role in ROLES}
        self.sent: dict[str, list[Sent]] = {}
        self.answered: set[Answered] = set()
        self.live: dict[str, tuple[FlaskClient, str]] = {}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Keep meanwhile how each route answers."""

        def note(sender: object, response: Response, **_: object) -> None:
            later = bool(request.values.get("cursor") or (request.is_json and request.json.get("cursor")))
            poll = "X-Poll" in request.headers
            self.answered.add(Answered(str(request.endpoint), request.method, response.status_code, later, poll))

        with request_finished.connected_to(note, self.app):
            yield

    def _browser(self, role: Role) -> FlaskClient:
        user = one(self.actor, "SELECT min(id) FROM users WHERE roles = ARRAY[:role]", role=role.value)
        return pages._browser_of(self.app, self.actor.tenant_id, int(user))

    def locator(self, kind: str) -> str:
        """The locator of something there is."""
        open_one = " WHERE status = 'OPEN' AND open_appointments > 0" if kind == "episodes" else ""
        return str(one(self.actor, f"SELECT max(locator) FROM {WHERE[kind]}{open_one}"))

    def address(self, rule: Rule) -> str:
        """An address of a route, about something there is."""
        address = rule.rule.replace("<party>", "<locator>")
        if "<locator>" in address:
            kind = address.partition("/<locator>")[0].rpartition("/")[2]
            address = address.replace("<locator>", self.locator(kind))
        for name in rule.arguments & pages.NUMBERED.keys():
            address = re.sub(rf"<\w+:{name}>", str(pages.NUMBERED[name](self.actor)), address)
        return address

    def page(self, address: str) -> None:
        """A page, as everybody asks for it; and whether its live region has changed."""
        with listening(self.app) as sent:
            answers = {role: self.get(role, address) for role in ROLES}
        self.sent[f"GET {address}"] = list(sent)
        shown = [(self.staff[role], answer) for role, answer in answers.items() if answer.status_code == 200]
        for browser, answer in shown[-1:]:
            for region in LIVE.findall(answer.text) if answer.mimetype == "text/html" else ():
                said = {name: html.unescape(text) for name, text in re.findall(r'([\w-]+)="([^"]*)"', region)}
                self.live[said["hx-get"]] = browser, said["data-version"]
                self.poll(said["hx-get"])

    def poll(self, address: str, seen: str | None = None) -> None:
        """What a live region asks, with a version it has seen: where none is given, that of its page."""
        browser, of_page = self.live[address]
        seen = of_page if seen is None else seen
        headers = {"HX-Request": "true", "X-Poll": "1", "X-Seen": seen}
        with listening(self.app) as sent:
            pages.ask(self.app, browser, "GET", address, headers=headers)
        self.sent[f"poll {address}, seen {len(self.sent)}"] = list(sent)

    def get(self, role: Role, address: str) -> TestResponse:
        """A page, as somebody of this role; what it sends is kept by who listens."""
        return pages.ask(self.app, self.staff[role], "GET", address)

    def next_page(self, role: Role, address: str) -> None:
        """The page of a list after its first row."""
        with short_lists():
            text = self.get(role, address).text
        _, links = forms.read(text)
        further = [link for link in links if "cursor=" in link]
        assert further, f"{address} shows all there is"
        self.read(self.staff[role], further[0])

    def read(self, browser: FlaskClient, address: str) -> None:
        """A page, as one person asks for it."""
        with listening(self.app) as sent:
            pages.ask(self.app, browser, "GET", address)
        self.sent[f"GET {address}"] = list(sent)

    def post(self, browser: FlaskClient, address: str, fields: Mapping[str, str]) -> TestResponse:
        """A form, with its token."""
        token = {"csrf_token": pages.csrf_token(self.app, browser)}
        with listening(self.app) as sent:
            answer = pages.ask(self.app, browser, "POST", address, data={**token, **fields})
        self.sent[f"POST {address}"] = list(sent)
        return answer

    def program(self, method: str, address: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        """A route of the API, as somebody with every permission, or of the portal: what it answers."""
        with listening(self.app) as sent:
            answer = self._send(method, address, body, **headers)
        self.sent[f"{method} {address}"] = list(sent)
        return answer

    def _send(self, method: str, address: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        answer = speaking_for(self.app, self.actor).send(method, address, body, **{**headers, HEADER: PORTAL})
        assert answer.status_code < 300, (method, address, answer.text)
        return answer.json

    def listed(self, address: str) -> None:
        """A list of the API: its first page, and the one after its first row."""
        self.program("GET", address)
        by = "&" if "?" in address else "?"
        if cursor := self._send("GET", f"{address}{by}limit=1")["nextCursor"]:
            self.program("GET", f"{address}{by}cursor={cursor}")


def visit_all(visitor: Visitor) -> None:
    """Every route there is; what is asked first is a tenant as it was generated."""
    with visitor.noting():
        for rule in visitor.app.url_map.iter_rules():
            if "GET" in (rule.methods or ()) and rule.endpoint != "static":
                _get(visitor, rule)
        for address in _with_filters(visitor):
            visitor.page(address)
        for address in _lists_of_the_api(visitor):
            visitor.listed(address)
        _search(visitor)
        _write(visitor)
        _sign_in(visitor)
        for address in visitor.live:
            visitor.poll(address)
            visitor.poll(address, "")
        for role, address in _lists(visitor):
            visitor.next_page(role, address)


def _get(visitor: Visitor, rule: Rule) -> None:
    """A route that reads."""
    if rule.endpoint.startswith("api.list_"):
        visitor.listed(visitor.address(rule).removeprefix("/api/v1"))
    elif rule.endpoint.startswith(("api.", "internal.")):
        visitor.program("GET", visitor.address(rule).removeprefix("/api/v1"))
    else:
        visitor.page(visitor.address(rule))


def _with_filters(visitor: Visitor) -> Iterator[str]:
    """Pages narrowed by what they offer."""
    clinic, provider = visitor.locator("clinics"), visitor.locator("providers")
    patient, episode = visitor.locator("patients"), visitor.locator("episodes")
    for query in (f"clinic={clinic}", f"clinician={provider}", "care_type=GP", "stage=IN_CARE"):
        yield f"/episodes?{query}"
    yield f"/today?clinic={clinic}"
    yield f"/today?clinic={clinic}&tab=due"
    for query in (f"clinic={clinic}&view=week", f"provider={provider}", f"episode={episode}", f"party={patient}"):
        yield f"/calendar?{query}"
    yield f"/dashboard?clinic={clinic}"
    yield f"/next-free?clinic={clinic}&party={patient}"
    yield f"/walk-in?clinic={clinic}&party={patient}"
    yield f"/referrals?clinic={clinic}"
    for query in ("actor=user:1", f"subject={episode}", f"patient={patient}", "action=episode.open", "outcome=refused"):
        yield f"/admin/audit?{query}"


def _lists_of_the_api(visitor: Visitor) -> Iterator[str]:
    """Lists of the API narrowed by what they offer, and those of one thing that has several."""
    actor = visitor.actor
    episode, provider = make.an_episode(actor), make.a_provider(actor)
    for hours in (1, 2):
        make.an_appointment(actor, episode, make.a_slot(actor, provider, hours=hours))
        make.a_prescription(actor, episode)
        make.a_referral(actor, episode)
    first, last = make.soon(-24).isoformat()[:19], make.soon(24 * 7).isoformat()[:19]
    for part in ("appointments", "prescriptions", "referrals"):
        yield f"/episodes/{episode.locator}/{part}"
    for query in ("status=OPEN", "stage=NEW", "careType=GP", f"party={episode.party_locator}"):
        yield f"/episodes?{query}"
    for query in (f"from={first}Z&to={last}Z", f"from={first}Z&to={last}Z&status=AVAILABLE", "status=BOOKED"):
        yield f"/providers/{provider.locator}/slots?{query}"
    for query in ("specialty=CARDIOLOGY", "networkStatus=ACTIVE", "specialty=CARDIOLOGY&networkStatus=ACTIVE"):
        yield f"/providers?{query}"
    make.an_episode(actor, get_patient(actor, episode.party_locator))
    yield f"/internal/members/{episode.party_locator}/episodes"


def _search(visitor: Visitor) -> None:
    """Looking for somebody, by the API and by the pages, and for more of those found."""
    wanted = {"name": "a", "limit": 1}
    found = visitor.program("POST", "/patients/search", wanted)
    visitor.program("POST", "/patients/search", {"name": "a", "cursor": found["nextCursor"]})
    desk = visitor.staff[Role.FRONT_DESK]
    with short_lists():
        text = visitor.post(desk, "/patients", {"q": "au"}).text
    [more] = [form for form in forms.read(text)[0] if form.values.get("cursor")]
    visitor.post(desk, "/patients", more.values)
    prescription = visitor.locator("prescriptions")
    paper = visitor.get(Role.CLINICIAN, f"/prescriptions/{prescription}/paper").text
    [code] = re.findall(r'paper-code">([0-9A-Z-]{14})<', paper)
    typed = {
        "q": "Daw Hla", "version": "1", "medication": "amox", "locator": visitor.locator("patients"),
        "clinic": visitor.actor.tenant_key, "prescription": prescription, "code": code,
    }  # fmt: skip
    everybody = pages.signed_in_as(visitor.app, make.a_person(visitor.actor, *Role))
    for rule in pages.rules(visitor.app, "POST"):
        if rule.endpoint in LOOKED_UP:
            visitor.post(everybody, visitor.address(rule), typed)


def _write(visitor: Visitor) -> None:
    """Every call of the API that changes something, and every form."""
    calls = [scene(visitor.actor) for name, scene in CALLS.items()]
    for call in calls:
        if call.method != "GET":
            visitor.program(call.method, call.path, call.body, **call.headers)
    for scene in SCENES.values():
        me = make.a_person(visitor.actor, *_all_but_auditor())
        page, goes, typed = scene(visitor.actor, me, visitor.database)
        browser = pages.signed_in_as(visitor.app, me)
        shown = the_form(pages.ask(visitor.app, browser, "GET", page), goes).values if page else {}
        answer = visitor.post(browser, goes, {**shown, **typed})
        assert answer.status_code in (200, 303), (goes, answer.status, answer.text)


def _sign_in(visitor: Visitor) -> None:
    """A person from the first page to the last, and a program that asks for its token."""
    me = make.a_person(visitor.actor, *_all_but_auditor())
    email = str(one(visitor.actor, "SELECT email FROM users WHERE id = :id", id=me.user_id))
    client, secret = service_clients.create_client(
        visitor.actor, name="Laboratory", roles=[Role.CLINICIAN], scopes=["patient.read"]
    )
    browser = visitor.app.test_client()
    for address, fields in (
        ("/sign-in", {"email": email, "password": PASSWORD}),
        ("/confirm", {"password": PASSWORD}),
        ("/session", {}),
        ("/drafts", {"draft": "/episodes/new", "reason": "Cough"}),
        ("/account/factors/app", {}),
        ("/account/factors/passkeys/options", {}),
        (f"/admin/users/{make.a_person(visitor.actor, Role.CLINICIAN).user_id}/remove-factors", {}),
        ("/sign-out", {}),
    ):
        visitor.post(browser, address, fields)
        if address == "/drafts":
            number = one(visitor.actor, "SELECT max(id) FROM form_drafts WHERE user_id = :id", id=me.user_id)
            visitor.read(browser, f"/drafts/{number}")
    pair = base64.b64encode(f"{client.client_id}:{secret}".encode()).decode()
    with listening(visitor.app) as sent:
        pages.ask(visitor.app, visitor.app.test_client(), "POST", "/oauth/token",
                  data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {pair}"})  # fmt: skip
    visitor.sent["POST /oauth/token"] = list(sent)


def _lists(visitor: Visitor) -> Iterator[tuple[Role, str]]:
    """The pages that show a list by parts, of things that have more than one, and who reads them."""
    for _ in range(2):  # parks an event
        SCENES["admin_outbox.retry"](visitor.actor, visitor.actor, visitor.database)
    for part in ("users", "clinics", "emergency-access", "outbox"):
        yield Role.ADMIN, f"/admin/{part}"
    yield Role.AUDITOR, "/admin/audit"
    yield Role.FRONT_DESK, "/next-free"
    for address in ("/episodes?stage=NEW", "/referrals?status=COMPLETED", f"/episodes/{visitor.locator('episodes')}"):
        yield Role.CLINICIAN, address
    for part in ("episodes", "appointments", "prescriptions", "referrals"):
        most = (
            "SELECT locator FROM patients WHERE confidentiality = 'NORMAL' ORDER BY (SELECT count(*) FROM"
            f" {WHERE[part]} t WHERE t.patient_id = patients.id AND status <> 'OPEN') DESC LIMIT 1"
        )
        yield Role.CLINICIAN, f"/patients/{one(visitor.actor, most)}/{part}"


def _all_but_auditor() -> Iterable[Role]:
    return [role for role in Role if role is not Role.AUDITOR]
