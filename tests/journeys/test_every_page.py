"""Every page in light and dark, wide and narrow: no accessibility violation, no sideways scrolling, a clean console.

One browser page walks through all of them and is looked at in four ways where it stands. A page that nobody has put on
the list below fails a test.
"""

from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from playwright.sync_api import Page, expect
from werkzeug.routing import MapAdapter

from careapp.patients.views import PatientView
from tests import factories as make
from tests.journeys.people import sign_in
from tests.journeys.scene import Scene
from tests.looking import one

Axe = Callable[..., list[Any]]
LOOKS = [(scheme, width) for width in (1366, 320) for scheme in ("light", "dark")]
NO_PAGES = {  # GET addresses that show no page of ours, and why
    "static": "files", "health.alive": "for the load balancer", "health.ready": "for the load balancer",
    "home.home": "leads on; an auditor's page is in test_every_swap.py", "admin.first": "leads on",
    "admin_audit.export": "a file", "admin_audit.export_fhir": "a file", "prescription_print.paper_pdf": "a file",
    "oauth.jwks": "for programs", "oauth.metadata": "for programs",
    "federation.start": "leads on", "federation.callback": "leads on",
    "federation.signed_out": "in test_keycloak.py: it is there with an identity provider only",
    "factors.app": "in test_second_factors.py: it shows a secret that waits for its first code",
    "second_stage.second": "in test_second_factors.py: it asks somebody who is half signed in",
    "drafts.held_back": "in test_every_swap.py",
}  # fmt: skip


def addresses(scene: Scene) -> dict[str, list[str]]:
    """The addresses of pages, in parts of about the same size."""
    clinic, doctor, slot = scene.clinic.locator, scene.doctors[0].locator, scene.free[0].locator
    patient, inside = f"/patients/{scene.patient.locator}", f"/episodes/{scene.episode.locator}"
    visit, slots = scene.visits[0].locator, f"clinic={clinic}&day=2027-03-10"
    event = one(scene.actor, "SELECT event_id FROM outbox WHERE tenant_id = :t ORDER BY length(topic) DESC, id LIMIT 1",
                t=scene.actor.tenant_id)  # fmt: skip
    user = one(scene.actor, "SELECT min(id) FROM users WHERE tenant_id = :t", t=scene.actor.tenant_id)
    client = one(scene.actor, "SELECT min(id) FROM service_clients WHERE tenant_id = :t", t=scene.actor.tenant_id)
    return {
        "day": [
            "/today", f"/today?clinic={clinic}",
            *(f"/today?clinic={clinic}&tab={tab}" for tab in ("due", "arrived", "in-room", "done", "missed")),
            f"/today?clinic={clinic}&day=2027-03-20", f"/walk-in?clinic={clinic}",
            f"/walk-in?clinic={clinic}&party={scene.patient.locator}", f"/dashboard?clinic={clinic}", "/dashboard",
        ],
        "slots": [
            f"/calendar?{slots}", f"/calendar?clinic={clinic}&week=2027-W10",
            f"/calendar?provider={doctor}&week=2027-W10", f"/calendar?{slots}&move={visit}", f"/slots/{slot}/book",
            f"/slots/{slot}/book?episode={scene.episode.locator}", f"/slots/{scene.visits[1].slot_locator}/book",
            f"/slots/{scene.visits[0].slot_locator}/book",
            f"/appointments/{visit}/reschedule", f"/slots/block?{slots}", f"/slots/new?{slots}",
            "/slots/to-call", f"/next-free?clinic={clinic}",
        ],
        "episodes": [
            "/episodes", "/episodes?stage=SCHEDULED", inside, f"{inside}/prescriptions/new",
            f"{inside}/referrals/new", f"/episodes/new?party={scene.patient.locator}", "/referrals",
            f"/prescriptions/{scene.prescription.locator}/paper",
        ],
        "patients": [
            "/patients", "/patients/new", patient, f"{patient}/edit", f"{patient}/episodes", f"{patient}/appointments",
            f"{patient}/prescriptions", f"{patient}/referrals", f"{patient}/access",
            "/preferences", "/palette", "/keys", "/verify",
            "/account", "/account/password", "/account/factors", "/confirm",
            "/sign-in",
        ],
        "administration": [
            "/admin/users", "/admin/users/new", f"/admin/users/{user}", "/admin/clients", "/admin/clients/new",
            f"/admin/clients/{client}", "/admin/clinics", "/admin/clinics/new",
            f"/admin/clinics/{clinic}", "/admin/providers", "/admin/providers/new", f"/admin/providers/{doctor}",
            "/admin/settings", "/admin/outbox", f"/admin/outbox/{event}", "/admin/audit",
            "/admin/emergency-access", "/admin/erasure", f"/admin/erasure/{scene.patient.locator}",
        ],
    }  # fmt: skip


def sound(page: Page, axe: Axe, what: str) -> None:
    """Nothing to object to, however the page is looked at; what is open stays open."""
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 768})
        expect(page.locator("html")).to_have_attribute("data-bs-theme", scheme)
        assert axe(page) == [], (what, scheme, width)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (what, width)
    page.set_viewport_size({"width": 1366, "height": 768})


@pytest.fixture
def signed_in(scene: Scene, scene_url: str, new_page: Callable[..., Page]) -> Page:
    """Somebody signed in who may do everything."""
    page = new_page(statuses=(404, 409, 422))
    sign_in(page, scene_url, scene.everybody)
    return page


@pytest.mark.parametrize("part", ["day", "slots", "episodes", "patients", "administration"])
def test_pages(scene: Scene, scene_url: str, signed_in: Page, axe: Axe, part: str) -> None:
    for address in addresses(scene)[part]:
        if address == "/sign-in":
            signed_in.context.clear_cookies()
        answer = signed_in.goto(scene_url + address)
        assert answer
        assert answer.status == 200, address
        sound(signed_in, axe, address)


def test_pages_of_a_restricted_record(scene: Scene, scene_url: str, axe: Axe, new_page: Callable[..., Page]) -> None:
    party = make.a_restricted_patient(scene.actor).locator
    episode = make.an_episode(scene.actor, PatientView.model_construct(locator=party)).locator
    page = new_page(statuses=(403, 404, 409, 422))
    sign_in(page, scene_url, scene.everybody)
    closed = ((f"/episodes/{episode}", 403), (f"/patients/{party}", 200), (f"/patients/{party}/access", 200))
    for address, status in closed:
        answer = page.goto(scene_url + address)
        assert answer
        assert answer.status == status, address
        sound(page, axe, address)
    page.goto(f"{scene_url}/episodes/{episode}")
    page.get_by_label("Reason").fill("Found unconscious at home")
    page.get_by_role("button", name="Open the record for 60 minutes").click()
    expect(page.get_by_text("Emergency access: 60 minutes left.")).to_be_visible()
    sound(page, axe, "an episode in an emergency")
    page.goto(f"{scene_url}/patients/{party}")
    sound(page, axe, "a patient in an emergency")
    page.get_by_role("button", name="End now").click()
    expect(page.get_by_text("Emergency access: 60 minutes left.")).to_have_count(0)
    page.goto(f"{scene_url}/admin/emergency-access")
    expect(page.get_by_text("Found unconscious at home")).to_be_visible()
    sound(page, axe, "the review")


def test_no_page_is_forgotten(app: APIFlask, scene: Scene) -> None:
    paths: MapAdapter = app.url_map.bind("localhost")
    listed = {paths.match(one.partition("?")[0])[0] for part in addresses(scene).values() for one in part}
    there = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.rule.startswith(("/api/", "/internal/"))
    }
    assert there - listed == NO_PAGES.keys()
