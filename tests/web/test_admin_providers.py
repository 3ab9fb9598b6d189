"""Pages of providers: entering, changing, where they work, and whether they can be booked."""

from collections.abc import Callable
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.providers import service
from careapp.providers.queries import get_provider
from careapp.web.admin import providers as pages
from tests import factories as make
from tests.looking import audits, events, one
from tests.web.conftest import Desk

NPI, OTHER_NPI = "1234567893", "1245319599"


@pytest.fixture
def office(desk: Callable[..., Desk]) -> Desk:
    """An administrator's browser."""
    return desk(Role.ADMIN)


def test_a_provider_is_entered_once_activated_and_booked(office: Desk, god: Actor) -> None:
    clinic = make.a_clinic(god, name="Hill Clinic")
    form = office.forms("/admin/providers/new")["/admin/providers/new"]
    typed = {"name": "Dr Su Su", "specialty": "PEDIATRICS", "npi": NPI, "clinics": [clinic.locator]}
    first, again = office.send(form, **typed), office.send(form, **typed)
    assert (first.status_code, again.headers["Location"]) == (303, first.headers["Location"])
    assert one(god, "SELECT count(*) FROM providers") == 1
    page = office.get(first.location).text
    assert "Nobody can be booked with this provider until he is active." in page
    locator = first.location.rsplit("/", 1)[1]
    moved = office.fill(first.location, f"{first.location}/activate")
    assert moved.status_code == 303
    made = get_provider(god, locator)
    assert (made.name, made.specialty, made.npi, made.clinics, made.status) == (
        "Dr Su Su", "PEDIATRICS", NPI, [clinic.locator], "ACTIVE",
    )  # fmt: skip
    make.an_appointment(god, slot=make.a_slot(god, made, clinic=clinic))
    assert "1 appointment lies ahead. It stays if the provider is deactivated" in office.get(first.location).text


def test_all_are_listed_with_where_they_work(office: Desk, god: Actor, statements: Callable[[], Any]) -> None:
    clinic = make.a_clinic(god, name="Hill Clinic")
    for name in ("Dr Aung", "Dr Ba"):
        make.a_provider(god, name=name, specialty="UROLOGY", clinic_locators=[clinic.locator])
    with statements() as seen:
        page = office.get("/admin/providers").text
    assert len(seen) == 2, seen
    for text in ("Dr Aung", "Dr Ba", "Urology", "Hill Clinic", "Active"):
        assert text in page, text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", " ", 'href="#name">Name: Fill this in.'),
        ("specialty", "", 'href="#specialty">Specialty: Choose the specialty.'),
        ("npi", "1234567890", 'href="#npi">NPI: This is no valid NPI'),
        ("npi", OTHER_NPI, "Another provider has this NPI."),
        ("clinics", ["CLN-2026-999999"], "One of these is not there any more."),
    ],
)
def test_what_a_provider_cannot_be_is_said_and_the_rest_kept(
    office: Desk, god: Actor, field: str, value: Any, said: str
) -> None:
    make.a_provider(god, npi=OTHER_NPI)
    typed = {"name": "Dr Su Su", "specialty": "PEDIATRICS", "npi": NPI, field: value}
    form = office.forms("/admin/providers/new")["/admin/providers/new"]
    answer = office.open("POST", form.action, data={**form.values, **typed})
    assert answer.status_code in (409, 422)
    assert said in answer.text
    assert one(god, "SELECT count(*) FROM providers") == 1
    if field != "name":
        assert 'value="Dr Su Su"' in answer.text


def test_a_change_is_told_and_written_down(office: Desk, god: Actor) -> None:
    here, there = make.a_clinic(god), make.a_clinic(god)
    provider = make.a_provider(god, name="Dr Hla", specialty="UROLOGY", clinic_locators=[here.locator])
    slot = make.a_slot(god, provider, clinic=here)
    address = f"/admin/providers/{provider.locator}"
    saved = office.fill(address, address, name="Dr Hla Hla", specialty="NURSING", npi=NPI, clinics=[there.locator])
    assert saved.status_code == 303
    changed = get_provider(god, provider.locator)
    assert (changed.name, changed.specialty, changed.npi, changed.clinics) == (
        "Dr Hla Hla", "NURSING", NPI, [there.locator],
    )  # fmt: skip
    assert (changed.status, changed.version) == (provider.status, provider.version + 1)
    [row] = [row for row in audits(god) if row.action == "provider.change"]
    assert row.detail == {
        "before": {"name": "Dr Hla", "specialty": "UROLOGY", "npi": None, "clinics": [here.locator]},
        "after": {"name": "Dr Hla Hla", "specialty": "NURSING", "npi": NPI, "clinics": [there.locator]},
    }
    told = events(god)[-1].envelope
    assert (told["subject"], told["data"]["npi"], told["data"]["specialty"]) == (provider.locator, NPI, "NURSING")
    assert make.an_appointment(god, slot=slot).clinic_locator == here.locator, "what is offered already stays"


def test_what_no_list_offers_stays(office: Desk, god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    clinics = sorted(make.a_clinic(god, name=name).locator for name in ("North", "South"))
    provider = make.a_provider(god, specialty="DIVING_MEDICINE", clinic_locators=clinics)
    monkeypatch.setattr(pages, "MOST_CHOICES", 1)  # as of hundreds of clinics
    address = f"/admin/providers/{provider.locator}"
    assert office.fill(address, address, name="Dr Deep").status_code == 303
    changed = get_provider(god, provider.locator)
    assert (changed.name, changed.specialty, changed.clinics) == ("Dr Deep", "DIVING_MEDICINE", clinics)


def test_who_comes_too_late_is_told_and_keeps_what_he_typed(office: Desk, god: Actor) -> None:
    provider = make.a_provider(god, name="Dr Hla")
    address = f"/admin/providers/{provider.locator}"
    form = office.forms(address)[address]
    service.change_provider(
        god, provider.locator, version=provider.version, name="By Another", specialty="UROLOGY", npi=None,
        clinic_locators=[],
    )  # fmt: skip
    refused = office.send(form, name="Typed By Me")
    assert refused.status_code == 409
    assert "By Another" in refused.text
    assert 'value="Typed By Me"' in refused.text
    assert get_provider(god, provider.locator).name == "By Another"
    late = office.open("POST", f"{address}/deactivate", data={**form.values, "version": provider.version})
    assert late.status_code == 409
    assert get_provider(god, provider.locator).status == "ACTIVE"


def test_only_who_runs_the_clinic_sees_these_pages(god: Actor, desk: Callable[..., Desk]) -> None:
    provider = make.a_provider(god)
    for role in (Role.FRONT_DESK, Role.CLINICIAN, Role.AUDITOR):
        for address in ("/admin/providers", "/admin/providers/new", f"/admin/providers/{provider.locator}"):
            assert desk(role).open("GET", address).status_code == 403
