"""No page and no answer of the API reads a table that grows from end to end: every GET of the URL map, each statement
explained as the app role, among a hundred tenants with the planner's real statistics. What one tenant has much of is
the matter of tests/rules/test_query_plans.py.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from careapp import localdb
from careapp.access import Actor, Role
from careapp.surface.internal_credentials import CREDENTIALS, HEADER
from tests.api.client import speaking_for
from tests.bench.conftest import Generated
from tests.bench.plans import Planner, Sent, listening, planner, table_of, whole_reads
from tests.conftest import TestTenant, everything
from tests.looking import one
from tests.rules import pages

# Tables that may be read whole, and why that costs the same when a clinic grows.
MAY_BE_READ = {
    "tenants": "a row a tenant, two pages at a hundred tenants; read by its keys as soon as it has more",
    "tenant_settings": "a row a tenant, as above",
    "outbox_shard": "sixteen rows for ever",
    "code_lists": "one row a list of codes",
    "medicines": "a list of codes, the same for all tenants",
    "medicine_words": "a list of codes, the same for all tenants",
}
PAGES = 25  # of 8 kB; of fewer the planner rightly reads all, and the question is whether an index could serve
NO_STATEMENTS = {"static", "health.alive", "docs.readable", "docs.openapi"}
# Pages that show nothing to those who ask here, and why; what they ask the database counts all the same.
UNANSWERED = {
    "drafts.held_back": "a draft is its author's alone",
}
ROLES = (Role.ADMIN, Role.CLINICIAN, Role.FRONT_DESK, Role.AUDITOR)
WHERE = {
    "episodes": "episodes", "appointments": "appointments", "today": "appointments", "slots": "provider_slots",
    "patients": "patients", "prescriptions": "prescriptions", "referrals": "diagnostics_referrals",
    "providers": "providers", "clinics": "clinics", "erasure": "patients", "members": "patients",
}  # fmt: skip


class Visitor:
    """Asks for addresses of one generated tenant, as whoever may, and keeps what each sent to the database."""

    def __init__(self, app: APIFlask, actor: Actor) -> None:
        self.app, self.actor = app, actor
        self.staff = {role: self._browser(role) for role in ROLES}
        self.sent: dict[str, list[Sent]] = {}
        self.unanswered: set[str] = set()

    def _browser(self, role: Role) -> FlaskClient:
        with self.app.app_context():
            user = one(self.actor, "SELECT min(id) FROM users WHERE roles = ARRAY[:role]", role=role.value)
            return pages._browser_of(self.app, self.actor.tenant_id, int(user))

    def locator(self, kind: str) -> str:
        """The locator of something there is."""
        open_one = " WHERE status = 'OPEN' AND open_appointments > 0" if kind == "episodes" else ""
        with self.app.app_context():
            return str(one(self.actor, f"SELECT max(locator) FROM {WHERE[kind]}{open_one}"))

    def page(self, address: str, rule: Rule | None = None) -> None:
        """A page, as everybody asks for it."""
        with listening(self.app) as sent:
            answers = [self._ask(role, address, sent) for role in ROLES]
        if all(answer.status_code >= 400 for answer in answers):
            self.unanswered.add(rule.endpoint if rule else address)
        self.sent[f"GET {address}"] = list(sent)

    def _ask(self, role: Role, address: str, sent: list[Sent]) -> TestResponse:
        return pages.ask(self.app, self.staff[role], "GET", address)

    def program(self, method: str, address: str, body: dict[str, Any] | None = None) -> None:
        """A route of the API, as somebody with every permission."""
        with listening(self.app) as sent:
            answer = speaking_for(self.app, self.actor).send(method, address, body)
        assert answer.status_code < 300, (address, answer.text)
        self.sent[f"{method} {address}"] = list(sent)

    def portal(self, address: str) -> None:
        """A route of the member portal."""
        with listening(self.app) as sent:
            answer = pages.ask(self.app, self.app.test_client(), "GET", address, headers={HEADER: "PORTAL"})
        assert answer.status_code < 300, (address, answer.text)
        self.sent[f"GET {address}"] = list(sent)


@pytest.fixture(scope="module")
def visited(large: APIFlask, generated: Generated) -> dict[str, list[Sent]]:
    """What every GET of the URL map, and some with filters, sent to the database."""
    tenant_id, key = generated.tenants[7]
    visitor = Visitor(large, everything(TestTenant(tenant_id, key)))
    large.extensions[CREDENTIALS] = [(key, sha256(b"PORTAL").digest())]
    for rule in large.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint not in NO_STATEMENTS:
            _visit(visitor, rule)
    for address in _with_filters(visitor):
        visitor.page(address)
    for path in ("/episodes?status=OPEN", "/episodes?stage=NEW", f"/episodes?party={visitor.locator('patients')}"):
        visitor.program("GET", path)
    visitor.program("POST", "/patients/search", {"name": "aung"})
    assert visitor.unanswered == UNANSWERED.keys()
    return visitor.sent


def _visit(visitor: Visitor, rule: Rule) -> None:
    surface = rule.endpoint.split(".")[0]
    address = rule.rule.replace("<party>", "<locator>")
    if "<locator>" in address:
        kind = address.partition("/<locator>")[0].rpartition("/")[2]
        address = address.replace("<locator>", visitor.locator(kind))
    if surface == "api":
        visitor.program("GET", address.removeprefix("/api/v1"))
    elif surface == "internal":
        visitor.portal(address)
    elif surface in pages.NO_PAGES or surface == "federation":
        return
    else:
        with visitor.app.app_context():
            for name in rule.arguments & pages.NUMBERED.keys():
                address = re.sub(rf"<\w+:{name}>", str(pages.NUMBERED[name](visitor.actor)), address)
        visitor.page(address, rule)


def _with_filters(visitor: Visitor) -> Iterator[str]:
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


@pytest.fixture(scope="module")
def plans(generated: Generated) -> Iterator[Planner]:
    """The planner of the copy."""
    with planner(generated.copy.app) as made:
        yield made


@pytest.fixture(scope="module")
def grown(generated: Generated) -> set[str]:
    """The tables and partitions of so many pages that the planner has a choice to make."""
    with psycopg.connect(localdb.libpq_url(generated.database.whole)) as connection:
        found = connection.execute(
            "SELECT relname, relpages FROM pg_class WHERE relnamespace = 'care'::regnamespace AND relkind = 'r'"
        ).fetchall()
    return {name for name, size in found if size >= PAGES}


def distinct(visited: dict[str, list[Sent]]) -> dict[str, tuple[str, Sent]]:
    """Each statement once, with one request that sent it."""
    return {one.sql: (request, one) for request, all_sent in visited.items() for one in all_sent}


def told(bad: dict[str, tuple[str, set[str]]]) -> str:
    """What was found, for who has to mend it."""
    return "\n\n".join(f"{request} reads {sorted(tables)}:\n{sql}" for sql, (request, tables) in bad.items())


def test_no_table_that_grows_is_read_from_end_to_end(
    visited: dict[str, list[Sent]], plans: Planner, grown: set[str]
) -> None:
    assert len(visited) > 80
    bad = {}
    for sql, (request, sent) in distinct(visited).items():
        found = whole_reads(plans.plan(sent)) | whole_reads(plans.generic_plan(sent))
        if whole := (found & grown) - MAY_BE_READ.keys():
            bad[sql] = request, whole
    assert not bad, told(bad)


def test_every_other_table_could_be_read_by_an_index(
    visited: dict[str, list[Sent]], plans: Planner, grown: set[str]
) -> None:
    bad = {}
    for sql, (request, sent) in distinct(visited).items():
        found = whole_reads(plans.plan(sent, avoiding_scans=True)) - grown
        if whole := {table_of(name) for name in found} - MAY_BE_READ.keys():
            bad[sql] = request, whole
    assert not bad, told(bad)


def test_the_check_notices_a_whole_read(plans: Planner, generated: Generated, grown: set[str]) -> None:
    many = {"patients", "episodes", "appointments", "provider_slots", "status_changes", "outbox", "user_session"}
    assert many <= grown, "enough for the planner to choose"
    tenant_id = generated.tenants[7][0]
    count = Sent("SELECT count(*) FROM sign_in_directory", {}, tenant_id)
    assert whole_reads(plans.plan(count)) == {"sign_in_directory"}
    beside = "SELECT (SELECT family FROM patients p WHERE p.id = d.user_id) FROM sign_in_directory d"
    assert whole_reads(plans.plan(Sent(beside, {}, tenant_id))) == {"sign_in_directory"}, "not by its subquery's index"
    found = Sent("SELECT id FROM patients WHERE locator = %(one)s", {"one": "x"}, tenant_id)
    assert whole_reads(plans.plan(found)) == set() == whole_reads(plans.generic_plan(found))


def a_read(kind: str, *below: dict[str, Any], **said: Any) -> dict[str, Any]:
    """A node of a plan as EXPLAIN writes it."""
    return {"Node Type": kind, "Plans": list(below), **{name.replace("_", " "): value for name, value in said.items()}}


def test_only_a_reads_own_condition_narrows_it() -> None:
    by_id = a_read("Index Scan", Relation_Name="patients", Index_Cond="id = $0", Parent_Relationship="SubPlan")
    assert whole_reads(a_read("Seq Scan", by_id, Relation_Name="episodes")) == {"episodes"}
    first = a_read("Result", by_id, Parent_Relationship="InitPlan")
    assert whole_reads(a_read("Seq Scan", first, Relation_Name="episodes")) == {"episodes"}
    taken = a_read("ModifyTable", by_id, Relation_Name="episodes")
    assert whole_reads(taken) == set(), "what a write takes is read below it"
    one, all_of_it = a_read("Bitmap Index Scan", Index_Cond="a = 1"), a_read("Bitmap Index Scan")
    for parts, whole in (((one,), False), ((all_of_it,), True)):
        assert bool(whole_reads(a_read("Bitmap Heap Scan", *parts, Relation_Name="episodes"))) == whole
    for kind, whole in (("BitmapAnd", False), ("BitmapOr", True)):
        both = a_read(kind, one, all_of_it)
        assert bool(whole_reads(a_read("Bitmap Heap Scan", both, Relation_Name="episodes"))) == whole
