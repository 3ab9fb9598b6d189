"""Providers and clinics: entering and listing them, and the numbers that must be right."""

from collections.abc import Callable

import pytest

from careapp.access import Actor, Role
from careapp.clinics import queries as clinic_queries
from careapp.clinics import service as clinics
from careapp.errors import Conflict, Forbidden, Invalid, NotFound
from careapp.providers import queries, service
from careapp.providers.npi import is_valid_npi
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import events

GOOD = "1234567893"  # the example of the NPI standard


@pytest.mark.parametrize("npi", [GOOD, "1245319599", "1679576722"])
def test_a_valid_npi(npi: str) -> None:
    assert is_valid_npi(npi)


@pytest.mark.parametrize(
    "npi", ["1234567890", "1234567839", "123456789", "12345678930", "", "12345 7893", "١٢٣٤٥٦٧٨٩٣", "1234567893\n"]
)
def test_what_is_no_npi(npi: str) -> None:
    assert not is_valid_npi(npi)


def test_every_single_wrong_digit_is_noticed() -> None:
    for place in range(10):
        for digit in "0123456789":
            if digit != GOOD[place]:
                assert not is_valid_npi(GOOD[:place] + digit + GOOD[place + 1 :])


def test_a_provider_is_entered_with_clinics_and_told_of(admin: Actor) -> None:
    first, second = make.a_clinic(admin), make.a_clinic(admin, name="Hill Clinic")
    made = service.create_provider(
        admin, name="Dr Su Su", specialty="CARDIOLOGY", npi=GOOD,
        clinic_locators=[second.locator, first.locator, second.locator],
    )  # fmt: skip
    assert (made.status, made.clinics) == ("PENDING", [first.locator, second.locator])
    assert made == queries.get_provider(admin, made.locator)
    event = events(admin)[-1]
    assert (event.topic, event.key) == ("provider.updated", made.locator)
    assert event.envelope["data"] == {"npi": GOOD, "specialty": "CARDIOLOGY", "networkStatus": "PENDING"}


def test_an_npi_is_checked_and_taken_once_in_a_tenant(admin: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    with pytest.raises(Invalid) as wrong:
        make.a_provider(admin, npi="1234567890", active=False)
    assert set(wrong.value.errors) == {"npi"}
    make.a_provider(admin, npi=GOOD)
    with pytest.raises(Conflict) as taken:
        make.a_provider(admin, npi=GOOD)
    assert (taken.value.code, taken.value.__cause__) == ("NPI_TAKEN", None)
    assert make.a_provider(everything(new_tenant()), npi=GOOD).npi == GOOD
    assert [make.a_provider(admin).npi for _ in range(2)] == [None, None], "many may have none"


def test_an_unknown_clinic_refuses_the_provider(admin: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    foreign = make.a_clinic(everything(new_tenant()))
    for locator in (foreign.locator, "CLN-2026-000000"):
        with pytest.raises(Invalid) as refusal:
            make.a_provider(admin, clinic_locators=[make.a_clinic(admin).locator, locator])
        assert set(refusal.value.errors) == {"clinics"}
    assert queries.list_providers(admin).items == ()


def test_lists_are_filtered_and_by_name(admin: Actor) -> None:
    clinic = make.a_clinic(admin)
    beta = make.a_provider(admin, name="Beta", specialty="CARDIOLOGY", clinic_locators=[clinic.locator])
    alpha = make.a_provider(admin, name="Alpha", active=False)

    def listed(**filters: str) -> list[str]:
        return [provider.name for provider in queries.list_providers(admin, **filters).items]

    assert listed() == ["Alpha", "Beta"]
    assert listed(specialty=beta.specialty) == listed(clinic=clinic.locator) == listed(status="ACTIVE") == ["Beta"]
    assert listed(status=alpha.status) == ["Alpha"]
    assert listed(clinic="CLN-2026-000000") == []


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "Asia/Yangon\x00"])
def test_a_clinic_needs_a_zone_of_the_time_zone_database(admin: Actor, zone: str) -> None:
    with pytest.raises(Invalid) as refusal:
        make.a_clinic(admin, time_zone=zone)
    assert set(refusal.value.errors) == {"timeZone"}


def test_what_is_unknown_or_another_tenants_is_not_found(admin: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    other = everything(new_tenant())
    provider, clinic = make.a_provider(other), make.a_clinic(other)
    for get, locator in ((queries.get_provider, provider.locator), (clinic_queries.get_clinic, clinic.locator)):
        with pytest.raises(NotFound):
            get(admin, locator)
    with pytest.raises(NotFound):
        service.act(admin, provider.locator, action="deactivate")


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.CLINICIAN, Role.AUDITOR])
def test_only_an_admin_enters_providers_and_clinics(actor_of: Callable[..., Actor], role: Role) -> None:
    for act in (
        lambda actor: make.a_provider(actor, active=False),
        lambda actor: clinics.create_clinic(actor, name="Hill Clinic", time_zone="Asia/Yangon"),
    ):
        with pytest.raises(Forbidden):
            act(actor_of(role))
