"""What is known of a patient: who may record and end it, and what does not go together."""

from collections.abc import Callable

import pytest

from careapp.access import Actor, Role
from careapp.errors import Conflict, Forbidden, Invalid, NotFound
from careapp.patients import facts, queries
from careapp.patients.views import FactView
from careapp.prescriptions.safety import check_medicine
from careapp.prescriptions.views import Medication
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import audits


def known(actor: Actor, locator: str) -> list[tuple[str, bool]]:
    """The patient's facts: what, and whether it holds."""
    return [(fact.text, fact.abated_at is None) for fact in queries.list_facts(actor, locator)]


def test_an_allergy_ends_no_known_allergies(clinician: Actor, god: Actor) -> None:
    patient = make.a_patient(god).locator
    asked = facts.record_no_known_allergy(clinician, patient)
    assert asked.none_known
    assert audits(god)[-1].patients == [patient]
    with pytest.raises(Invalid):
        facts.record_no_known_allergy(clinician, patient)
    made = facts.add_fact(
        clinician, patient, kind="ALLERGY", text=" Penicillin ", code="91936005", system="http://snomed.info/sct"
    )
    assert not made.none_known
    assert known(god, patient) == [("Penicillin", True), ("No known allergies", False)]
    with pytest.raises(Conflict) as refusal:
        facts.record_no_known_allergy(clinician, patient)
    assert refusal.value.code == "ALLERGY_KNOWN"
    facts.end_fact(clinician, patient, fact_id=made.id, ending=facts.ENTERED_IN_ERROR)
    assert facts.record_no_known_allergy(clinician, patient).abated_at is None


def test_the_same_is_not_recorded_twice_while_it_holds(god: Actor) -> None:
    patient = make.a_patient(god).locator
    made = facts.add_fact(god, patient, kind="CONDITION", text="Asthma")
    for text in ("asthma", "ASTHMA", "Asthmá", " "):
        with pytest.raises(Invalid):
            facts.add_fact(god, patient, kind="CONDITION", text=text)
    facts.end_fact(god, patient, fact_id=made.id)
    facts.add_fact(god, patient, kind="CONDITION", text="Asthma")
    with pytest.raises(Conflict) as refusal:
        facts.end_fact(god, patient, fact_id=made.id)
    assert refusal.value.code == "FACT_ENDED"


def test_only_who_treats_patients_writes(god: Actor, actor_of: Callable[..., Actor]) -> None:
    patient = make.a_patient(god).locator
    made: FactView = facts.add_fact(god, patient, kind="ALLERGY", text="Latex")
    for role in (Role.FRONT_DESK, Role.ADMIN, Role.AUDITOR):
        for act in (
            lambda actor: facts.add_fact(actor, patient, kind="ALLERGY", text="Nuts"),
            lambda actor: facts.record_no_known_allergy(actor, patient),
            lambda actor: facts.end_fact(actor, patient, fact_id=made.id),
        ):
            with pytest.raises(Forbidden):
                act(actor_of(role))


def test_another_patients_fact_is_not_there(god: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    other = make.a_patient(god).locator
    made = facts.add_fact(god, make.a_patient(god).locator, kind="ALLERGY", text="Latex")
    foreign = make.a_patient(everything(new_tenant())).locator
    for locator in (other, foreign):
        with pytest.raises(NotFound):
            facts.end_fact(god, locator, fact_id=made.id)
    with pytest.raises(NotFound):
        facts.add_fact(god, foreign, kind="ALLERGY", text="Latex")


def test_the_safety_check_takes_no_known_allergies_for_none(clinician: Actor, god: Actor) -> None:
    episode = make.an_episode(god)
    facts.record_no_known_allergy(god, episode.party_locator)
    said = check_medicine(clinician, episode.locator, Medication(text="Amoxicillin 500 mg capsule"))
    assert "No known allergies" not in said.model_dump_json()
