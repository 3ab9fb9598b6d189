"""An erasure in a crowd: what is entered about the patient at the same moment was there before it, or is refused."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.disclosure import emergency, team
from careapp.episodes import service as episodes
from careapp.erasure.erase import erase_patient
from careapp.erasure.holds import set_hold
from careapp.errors import Conflict, Refusal
from careapp.imports.run import import_files
from careapp.imports.taking_in import Taking
from careapp.patients import confidentiality, facts, service
from careapp.patients.views import HumanName
from careapp.prescriptions import service as prescriptions
from tests import factories as make
from tests.imports.build import History, coded, new_id
from tests.looking import one, rows
from tests.races.crowd import Crowd, Meanwhile, done, refused

AGES = timedelta(days=365 * 11)
WHY = "Found unconscious at the gate"

# What may not be there once the patient is erased: how many there are.
LEFT = {
    "facts": "SELECT count(*) FROM patient_facts WHERE patient_id = :it",
    "words of his name": "SELECT count(*) FROM patient_name_words WHERE patient_id = :it",
    "a name": "SELECT count(*) FROM patients WHERE id = :it AND birth_date IS NOT NULL",
    "a reason": "SELECT count(*) FROM status_changes WHERE entity = 'patient' AND entity_id = :it"
    " AND reason IS NOT NULL",
    "an open episode": "SELECT count(*) FROM episodes WHERE patient_id = :it AND status = 'OPEN'",
    "why it was voided": "SELECT count(*) FROM prescriptions WHERE patient_id = :it AND void_reason IS NOT NULL",
    "a hold": "SELECT count(*) FROM legal_holds WHERE patient_id = :it",
    "an emergency's reason": f"SELECT count(*) FROM emergency_accesses WHERE patient_id = :it AND reason = '{WHY}'",
}


def treated_long_ago(god: Actor, *, restricted: bool) -> tuple[str, str]:
    """A patient nobody has seen for eleven years, and a prescription of his."""
    with clock.at(clock.now() - AGES):
        patient = make.a_patient(god)
        episode = make.an_episode(god, patient)
        order = make.a_prescription(god, episode)
        episodes.close(god, episode.locator, summary="Well")
    if restricted:
        confidentiality.restrict(god, patient.locator, reason="Works here himself")
    return patient.locator, order.locator


def entering(god: Actor, clinician: Actor, patient: str, order: str) -> dict[str, Callable[[], Any]]:
    """What can be entered about a patient, by name."""
    told: dict[str, Any] = {
        "name": HumanName(family="Other"), "birth_date": None, "gender": "other", "language": None, "identifiers": [],
        "telecom": [], "version": 1,
    }  # fmt: skip
    return {
        "open": partial(episodes.open_episode, god, party_locator=patient, care_type="GP", reason="Cough"),
        "fact": partial(facts.add_fact, god, patient, kind="CONDITION", text="Asthma"),
        "update": partial(service.update, god, patient, **told),
        "void": partial(prescriptions.act, god, order, action="void", reason="Too old"),
        "hold": partial(set_hold, god, patient, reason="A court asks"),
        "restrict": partial(confidentiality.restrict, god, patient, reason="Known to the staff"),
        "consent": partial(team.record_consent, god, patient, decision="DENY"),
        "emergency": partial(emergency.declare, clinician, patient, reason=WHY),
    }


ACTS = ("open", "fact", "update", "void", "hold", "restrict", "consent", "emergency")


@pytest.mark.parametrize("name", ACTS)
def test_an_erasure_meets_what_is_entered(god: Actor, crowd: Crowd, name: str) -> None:
    clinician = make.a_person(god, Role.CLINICIAN)
    for first in (True, False) * 2:
        patient, order = treated_long_ago(god, restricted=name == "emergency")
        version = one(god, "SELECT version FROM patients WHERE locator = :of", of=patient)
        acts = [entering(god, clinician, patient, order)[name], erasing(god, patient, version)]
        outcomes = crowd(acts if first else acts[::-1])
        assert done(outcomes), "one of the two is the first"
        [(it, erased)] = rows(god, "SELECT id, erased_at FROM patients WHERE locator = :of", of=patient)
        if erased:
            assert [left for left, statement in LEFT.items() if one(god, statement, it=it)] == []
        else:
            assert set(refused(outcomes)) <= {"EPISODE_OPEN", "STALE_VERSION", "LEGAL_HOLD"}


def erasing(god: Actor, patient: str, version: int) -> Callable[[], Any]:
    """The act of erasing a patient whose time is over."""
    reason = {"category": "RETENTION_OVER", "reason": "Ten years are over"}
    return partial(erase_patient, god, patient, version=version, **reason)


@pytest.mark.parametrize("restricted", [False, True])
def test_nothing_is_entered_about_who_was_erased(god: Actor, restricted: bool) -> None:
    clinician = make.a_person(god, Role.CLINICIAN)
    patient, order = treated_long_ago(god, restricted=restricted)
    erasing(god, patient, one(god, "SELECT version FROM patients WHERE locator = :of", of=patient))()
    for act in entering(god, clinician, patient, order).values():
        with pytest.raises(Refusal) as refusal:
            act()
        assert refusal.value.code in {"PATIENT_ERASED", "ALREADY_ERASED", "VALIDATION_FAILED", "RESTRICTED"}
    with pytest.raises(Conflict, match="erased"):
        confidentiality.lift(god, patient, reason="Nobody knows him any more")


def test_what_an_import_has_of_a_patient_who_is_erased_meanwhile_is_not_his(
    god: Actor, crowd: Crowd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    history, importing = History(), partial(import_files, tenant_key=god.tenant_key, progress=lambda document: None)
    importing([history.write(tmp_path)])
    [(it, locator, version)] = rows(god, "SELECT id, locator, version FROM patients")
    history.records["newer"] = {**history.records["condition"], "id": new_id(), "code": coded("195967001", "Asthma")}
    again = history.write(tmp_path, "again.json")

    def erase() -> Any:
        with clock.at(clock.now() + AGES):
            return erasing(god, locator, version)()

    erase_now = Meanwhile(monkeypatch, Taking, "_look_up").do(erase)
    outcomes = crowd([partial(importing, [again]), erase_now])
    assert refused(outcomes) == []
    assert [left for left, statement in LEFT.items() if one(god, statement, it=it)] == []
