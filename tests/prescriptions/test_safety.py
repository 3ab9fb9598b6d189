"""What the safety checks look at in the database, what is stored of them, and whose favourites are whose."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.commands import record, unit_of
from careapp.errors import Conflict, Forbidden, NotFound
from careapp.patients import history as facts
from careapp.patients.views import PatientView
from careapp.prescriptions import favourites, service
from careapp.prescriptions.checks import Checks
from careapp.prescriptions.dosage import Dosage, sentence
from careapp.prescriptions.safety import Warned, check_medicine
from careapp.prescriptions.views import Medication, Override
from careapp.terminology.views import RXNORM
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.identity.people import a_user
from tests.looking import execute, id_of, one, rows

IBUPROFEN = Medication(text="ibuprofen 400 MG Oral Tablet", code="197805", system=RXNORM)
NAPROXEN = Medication(text="naproxen 500 MG Oral Tablet", code="198014", system=RXNORM)
WEEK = Dosage(dose=Decimal(1), unit="tablet", route="oral", timing="TID", duration=7)


@pytest.fixture
def patient(god: Actor) -> PatientView:
    """Somebody to prescribe for."""
    return make.a_patient(god)


def order(god: Actor, patient: PatientView, medication: Medication = IBUPROFEN, *, days_ago: int = 0) -> str:
    """The locator of a week's order, made some days ago."""
    with clock.at(clock.now() - timedelta(days=days_ago)):
        return service.issue(
            god, make.an_episode(god, patient).locator, medication=medication, dosage=sentence(WEEK), parts=WEEK,
            provider_locator=make.a_provider(god).locator, quantity=21,
        ).locator  # fmt: skip


def said(god: Actor, patient: PatientView, medication: Medication = NAPROXEN) -> Checks:
    """What the checks say to a medicine for the patient."""
    return check_medicine(god, make.an_episode(god, patient).locator, medication)


def test_what_is_issued_counts_for_a_year_and_what_is_filled_while_it_lasts(god: Actor, patient: PatientView) -> None:
    issued = order(god, patient, days_ago=300)
    assert said(god, patient).findings[0].locator == issued
    with clock.at(clock.now() - timedelta(days=6)):
        service.act(god, issued, action="fill")
    assert said(god, patient).findings[0].locator == issued, "a week's supply lasts from the day it was handed out"
    execute(god, "UPDATE prescriptions SET status = 'VOID'")
    issued = order(god, patient, days_ago=300)
    with clock.at(clock.now() - timedelta(days=8)):
        service.act(god, issued, action="fill")
    assert said(god, patient).state == "CLEAR", "a week's supply is used up"
    filled = order(god, patient, days_ago=3)
    service.act(god, filled, action="fill")
    assert said(god, patient).findings[0].locator == filled
    execute(god, "UPDATE prescriptions SET dosage_parts = NULL, issued_at = now() - interval '80 days'")
    assert len(said(god, patient).findings) == 2, "nothing tells how long it lasts: 90 days"
    execute(god, "UPDATE prescriptions SET issued_at = now() - interval '400 days', status = 'ISSUED'")
    assert said(god, patient).state == "CLEAR"


def test_another_patients_medicines_and_past_allergies_do_not_count(god: Actor, patient: PatientView) -> None:
    order(god, make.a_patient(god))
    patient_id = id_of(god, "patients", patient.locator)
    with unit_of(god, name="test"):
        facts.add_fact(god, patient_id, kind="ALLERGY", text="NSAID", code=None, system=None, status="active")
        facts.add_fact(god, patient_id, kind="CONDITION", text="naproxen", code=None, system=None, status="active")
        record("test")
    assert [finding.kind for finding in said(god, patient).findings] == ["ALLERGY"]
    execute(god, "UPDATE patient_facts SET abated_at = now()")
    assert said(god, patient).state == "CLEAR"


def test_an_rxnorm_allergy_means_its_ingredients(god: Actor, patient: PatientView) -> None:
    patient_id = id_of(god, "patients", patient.locator)
    with unit_of(god, name="test"):  # 10831 is the combination of both ingredients
        facts.add_fact(god, patient_id, kind="ALLERGY", text="x", code="10831", system=RXNORM, status="active")
        record("test")
    found = said(god, patient, Medication(text="t", code="198332", system=RXNORM)).findings
    assert [(one.substance, one.how) for one in found] == [("trimethoprim", "SAME_INGREDIENT")]


def test_a_person_is_interrupted_and_a_system_is_not(god: Actor, patient: PatientView) -> None:
    order(god, patient)
    episode, provider = make.an_episode(god, patient), make.a_provider(god)
    sent = {"medication": NAPROXEN, "dosage": "1", "provider_locator": provider.locator}
    with pytest.raises(Warned) as warned:
        service.issue(god, episode.locator, **sent, interrupt=True)
    key = warned.value.checks.key
    for given in (Override(reason=" ", key=key), Override(reason="Fine", key="other")):
        with pytest.raises(Warned):
            service.issue(god, episode.locator, **sent, interrupt=True, override=given)
    assert one(god, "SELECT count(*) FROM audit_event WHERE detail->>'code' = 'CHECKS_WARN'") == 3
    issued = service.issue(god, episode.locator, **sent, interrupt=True, override=Override(reason="Fine", key=key))
    stored = rows(god, "SELECT checks, override_reason FROM prescriptions ORDER BY id")[-1]
    assert (stored.checks["state"], stored.override_reason) == ("WARNED", "Fine")
    service.act(god, issued.locator, action="void", reason="x")
    service.issue(god, episode.locator, **sent)
    assert rows(god, "SELECT override_reason FROM prescriptions ORDER BY id")[-1].override_reason is None


def test_what_the_checks_say_is_for_who_prescribes(god: Actor, front_desk: Actor, patient: PatientView) -> None:
    episode = make.an_episode(god, patient)
    with pytest.raises(Forbidden):
        check_medicine(front_desk, episode.locator, IBUPROFEN)
    audited = one(god, "SELECT count(*) FROM audit_event WHERE action = 'prescription.check'")
    check_medicine(god, episode.locator, IBUPROFEN)
    assert one(god, "SELECT count(*) FROM audit_event WHERE action = 'prescription.check'") == audited + 1


def test_a_foreign_episode_is_not_there(god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    foreign = make.an_episode(everything(new_tenant()))
    with pytest.raises(NotFound):
        check_medicine(god, foreign.locator, IBUPROFEN)


def test_favourites_are_one_users_own(god: Actor, actor_of: Callable[..., Actor]) -> None:
    mine, other = (actor_of(Role.CLINICIAN, user_id=a_user(god, Role.CLINICIAN).id) for _ in range(2))
    for _ in range(2):
        favourites.keep_favourite(mine, medication=IBUPROFEN, dosage=sentence(WEEK), parts=WEEK, quantity=21, refills=1)
    [kept] = favourites.list_favourites(mine)
    assert (kept.medication, kept.parts, kept.quantity, kept.refills) == (IBUPROFEN, WEEK, 21, 1)
    assert favourites.list_favourites(other) == []
    with pytest.raises(NotFound):
        favourites.forget_favourite(other, kept.id)
    favourites.forget_favourite(mine, kept.id)
    assert favourites.list_favourites(mine) == []


def test_favourites_need_a_user_and_have_an_end(god: Actor, clinician: Actor, actor_of: Callable[..., Actor]) -> None:
    assert favourites.list_favourites(clinician) == []
    with pytest.raises(Conflict, match="belong to a user"):
        favourites.keep_favourite(clinician, medication=IBUPROFEN, dosage="1")
    mine = actor_of(Role.CLINICIAN, user_id=a_user(god, Role.CLINICIAN).id)
    for number in range(favourites.MOST):
        favourites.keep_favourite(mine, medication=IBUPROFEN, dosage=f"{number}")
    with pytest.raises(Conflict, match="Remove one first"):
        favourites.keep_favourite(mine, medication=IBUPROFEN, dosage="one more")
