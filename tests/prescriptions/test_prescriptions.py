"""Prescriptions: ordering, filling and voiding them, and what each role sees of them."""

from collections.abc import Callable
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.errors import Conflict, Forbidden, Invalid, NotFound
from careapp.prescriptions import queries, service
from careapp.prescriptions.views import Medication
from careapp.providers import service as providers
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import events, history, newest, one

MEDICINE = Medication(
    text="Amoxicillin 500 mg capsule", code="308191", system="http://www.nlm.nih.gov/research/umls/rxnorm"
)


def test_what_was_ordered_is_kept_whole(clinician: Actor, god: Actor) -> None:
    episode, provider = make.an_episode(god), make.a_provider(god)
    issued = service.issue(
        clinician, episode.locator, medication=MEDICINE, dosage="1 capsule three times a day",
        provider_locator=provider.locator, quantity=21, refills=2,
    )  # fmt: skip
    assert (issued.medication, issued.quantity, issued.refills, issued.status) == (MEDICINE, 21, 2, "ISSUED")
    assert (issued.episode_locator, issued.party_locator) == (episode.locator, episode.party_locator)
    assert issued == queries.get_prescription(clinician, issued.locator)
    assert queries.list_prescriptions(clinician, episode.locator).items == (issued,)
    event = events(god)[-1]
    assert (event.topic, event.key) == ("care.prescription.issued", episode.locator)
    assert set(event.envelope["data"]) == {
        "episodeLocator", "partyLocator", "providerLocator", "status", "issuedAt",
    }, "which, for whom, by whom; never what"  # fmt: skip


def test_who_only_knows_that_it_exists_sees_no_medicine(god: Actor, front_desk: Actor) -> None:
    episode = make.an_episode(god)
    made = make.a_prescription(god, episode)
    service.act(god, made.locator, action="void", reason="Allergy")
    [listed] = queries.list_prescriptions(front_desk, episode.locator).items
    for seen in (queries.get_prescription(front_desk, made.locator), listed):
        assert (seen.medication, seen.dosage, seen.quantity, seen.refills, seen.reason) == (None,) * 5
        assert (seen.locator, seen.status, seen.provider_locator) == (made.locator, "VOID", made.provider_locator)
    assert queries.get_prescription(god, made.locator).reason == "Allergy"


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.ADMIN, Role.AUDITOR])
def test_only_a_clinician_orders_fills_and_voids(god: Actor, actor_of: Callable[..., Actor], role: Role) -> None:
    episode, actor = make.an_episode(god), actor_of(role)
    made = make.a_prescription(god, episode)
    for action in ("fill", "void"):
        with pytest.raises(Forbidden):
            service.act(actor, made.locator, action=action)
    with pytest.raises(Forbidden):
        service.issue(actor, episode.locator, medication=MEDICINE, dosage="1", provider_locator=made.provider_locator)
    assert queries.get_prescription(god, made.locator).status == "ISSUED"


def test_the_admin_does_not_even_see_that_it_exists(god: Actor, admin: Actor) -> None:
    made = make.a_prescription(god)
    with pytest.raises(Forbidden):
        queries.get_prescription(admin, made.locator)


def test_why_it_was_voided_is_kept_and_a_fill_has_no_reason_of_its_own(clinician: Actor, god: Actor) -> None:
    made, filled = make.a_prescription(god), make.a_prescription(god)
    voided = service.act(clinician, made.locator, action="void", reason="Rash after the first dose")
    assert (voided.status, voided.reason, voided.version) == ("VOID", "Rash after the first dose", 2)
    assert history(god)[-1].reason == "Rash after the first dose"
    assert "Rash" not in str(events(god)[-1].envelope)
    assert service.act(clinician, filled.locator, action="fill", reason="At the corner").reason is None
    assert one(god, "SELECT void_reason FROM prescriptions WHERE locator = :locator", locator=filled.locator) is None


def test_what_is_unknown_or_another_tenants(god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    other = everything(new_tenant())
    foreign, episode = make.a_prescription(other), make.an_episode(god)
    for locator in (foreign.locator, "RXP-2026-000000"):
        with pytest.raises(NotFound):
            queries.get_prescription(god, locator)
        with pytest.raises(NotFound):
            service.act(god, locator, action="fill")
    for locator in (foreign.provider_locator, "PRV-2026-000000"):
        with pytest.raises(Invalid) as refusal:
            service.issue(god, episode.locator, medication=MEDICINE, dosage="1", provider_locator=locator)
        assert set(refusal.value.errors) == {"providerLocator"}
    with pytest.raises(NotFound):
        make.a_prescription(god, make.an_episode(other))


@pytest.mark.parametrize("active", [True, False])
def test_who_takes_no_part_in_the_network_prescribes_nothing_new(god: Actor, active: bool) -> None:
    provider, episode = make.a_provider(god, active=active), make.an_episode(god)
    order: dict[str, Any] = {"medication": MEDICINE, "dosage": "1", "provider_locator": provider.locator}
    there = [service.issue(god, episode.locator, **order)] if active else []
    if active:
        providers.act(god, provider.locator, action="deactivate")
    before = newest(god)
    with pytest.raises(Conflict) as refusal:
        service.issue(god, episode.locator, **order)
    assert refusal.value.code == "PROVIDER_NOT_PARTICIPATING"
    assert (events(god, after=before["events"]), history(god, after=before["history"])) == ([], [])
    assert [service.act(god, one.locator, action="fill").status for one in there] == ["FILLED"] * active


def test_a_stale_version_fills_nothing(god: Actor) -> None:
    made = make.a_prescription(god)
    with pytest.raises(Conflict) as refusal:
        service.act(god, made.locator, action="fill", version=made.version + 1)
    assert refusal.value.code == "STALE_VERSION"
    assert service.act(god, made.locator, action="fill", version=made.version).version == made.version + 1
