"""Who asks for addresses of a generated tenant, and keeps what each request sent to the database."""

import html
import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from apiflask import APIFlask
from flask import Response, request, request_finished
from flask.testing import FlaskClient
from sqlalchemy import Connection
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from careapp.access import Actor, Role
from careapp.clinics.queries import list_clinic_details
from careapp.disclosure.emergency import list_emergencies
from careapp.kept import Around, Kept, Values
from careapp.operations.audit_search import search_audit
from careapp.overviews import patients as patient_overview
from careapp.overviews import referrals as referral_overview
from careapp.overviews.board import get_stage
from careapp.overviews.next_free import find_next_free
from careapp.overviews.staff import list_staff
from careapp.overviews.timeline import get_episode_page
from careapp.surface.internal_credentials import HEADER
from careapp.web import patients as patient_pages
from careapp.web.admin import outbox as outbox_pages
from deploy.load import forms
from tests.api.client import speaking_for
from tests.bench.plans import Sent, listening
from tests.database import TestDatabase
from tests.looking import one
from tests.rules import pages

PORTAL = "PORTAL"  # the portal's token
ROLES = (Role.ADMIN, Role.CLINICIAN, Role.FRONT_DESK, Role.AUDITOR)
WHERE = {
    "episodes": "episodes", "appointments": "appointments", "today": "appointments", "slots": "provider_slots",
    "patients": "patients", "prescriptions": "prescriptions", "referrals": "diagnostics_referrals",
    "providers": "providers", "clinics": "clinics", "erasure": "patients", "members": "patients",
}  # fmt: skip
OF_A_PATIENT = {"patients": "id"} | dict.fromkeys(
    ("episodes", "appointments", "prescriptions", "diagnostics_referrals"), "patient_id"
)
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
        self.kept: dict[bytes, list[Any]] = {}  # the words of each kept statement, and the values of one run
        self.answered: set[Answered] = set()
        self.live: dict[str, tuple[FlaskClient, str]] = {}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Keep meanwhile how each route answers, and which kept statements are asked."""

        def note(sender: object, response: Response, **_: object) -> None:
            later = bool(request.values.get("cursor") or (request.is_json and request.json.get("cursor")))
            poll = "X-Poll" in request.headers
            self.answered.add(Answered(str(request.endpoint), request.method, response.status_code, later, poll))

        run = Kept.run

        def run_noted(kept: Kept, connection: Connection, values: Values | None, around: Around | None = None) -> Any:
            words = kept.words(connection)
            self.kept.setdefault(words.text, words.given(values))
            return run(kept, connection, values, around)

        with request_finished.connected_to(note, self.app), pytest.MonkeyPatch.context() as patch:
            patch.setattr(Kept, "run", run_noted)
            yield

    def _browser(self, role: Role) -> FlaskClient:
        user = one(self.actor, "SELECT min(id) FROM users WHERE roles = ARRAY[:role]", role=role.value)
        return pages._browser_of(self.app, self.actor.tenant_id, int(user))

    def locator(self, kind: str) -> str:
        """The locator of something there is, of a patient whose record anybody may read who may read any."""
        table, which = WHERE[kind], ["true"]
        if kind == "episodes":
            which.append("status = 'OPEN' AND open_appointments > 0")
        if table in OF_A_PATIENT:
            which.append(f"{OF_A_PATIENT[table]} IN (SELECT id FROM patients WHERE confidentiality = 'NORMAL')")
        return str(one(self.actor, f"SELECT max(locator) FROM {table} WHERE {' AND '.join(which)}"))

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

    def ask(self, browser: FlaskClient, method: str, address: str, **options: Any) -> TestResponse:
        """A request as it is, by one person or a program."""
        with listening(self.app) as sent:
            answer = pages.ask(self.app, browser, method, address, **options)
        self.sent[f"{method} {address}"] = list(sent)
        return answer

    def read(self, browser: FlaskClient, address: str) -> TestResponse:
        """A page, as one person asks for it."""
        return self.ask(browser, "GET", address)

    def post(self, browser: FlaskClient, address: str, fields: Mapping[str, str]) -> TestResponse:
        """A form, with its token."""
        token = {"csrf_token": pages.csrf_token(self.app, browser)}
        return self.ask(browser, "POST", address, data={**token, **fields})

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
