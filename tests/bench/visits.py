"""Asking for everything there is, as whoever may: pages, the API, the portal; tests/bench/test_plans.py has explained
what each request sent to the database.
"""

from collections.abc import Iterator

from werkzeug.routing import Rule

from careapp.access import Role
from careapp.patients.queries import get_patient
from deploy.load import forms
from tests import factories as make
from tests.bench.proofs import prove
from tests.bench.visitor import WHERE, Visitor, short_lists
from tests.bench.writes import sign_in, write
from tests.looking import one
from tests.rules import pages
from tests.rules.test_twice import LOOKED_UP
from tests.rules.twice import SCENES


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
        write(visitor)
        sign_in(visitor)
        prove(visitor)
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
    for query in (f"clinic_locator={clinic}", f"provider_locator={provider}"):
        yield f"/slots/to-call?{query}"
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
    code = pages.code_on_paper(visitor.app, visitor.staff[Role.CLINICIAN], prescription)
    typed = {
        "q": "Daw Hla", "version": "1", "medication": "amox", "locator": visitor.locator("patients"),
        "clinic": visitor.actor.tenant_key, "prescription": prescription, "code": code,
    }  # fmt: skip
    everybody = pages.signed_in_as(visitor.app, make.a_person(visitor.actor, *Role))
    for rule in pages.rules(visitor.app, "POST"):
        if rule.endpoint in LOOKED_UP:
            visitor.post(everybody, visitor.address(rule), typed)


def _lists(visitor: Visitor) -> Iterator[tuple[Role, str]]:
    """The pages that show a list by parts, of things that have more than one, and who reads them."""
    for _ in range(2):  # parks an event
        SCENES["admin_outbox.retry"](visitor.actor, visitor.actor, visitor.database)
    for part in ("users", "clinics", "providers", "emergency-access", "outbox"):
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
