"""Commands on what is known of a patient: allergies, conditions, and that no allergy is known."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.db import db, guarded_update, table_of
from careapp.disclosure import reading
from careapp.disclosure.stewards import refuse_erased
from careapp.errors import Conflict, Invalid, Sentence, found
from careapp.patients import history
from careapp.patients.models import FACTS, PATIENTS, Patient, PatientFact
from careapp.patients.names import fold
from careapp.patients.states import ALLERGY, NO_KNOWN_ALLERGY, NONE_KNOWN, SNOMED
from careapp.patients.views import FactView

NONE_KNOWN_TEXT = "No known allergies"
RESOLVED, ENTERED_IN_ERROR = "resolved", "entered-in-error"  # FHIR R4: clinical status, verification status
ENDINGS = (RESOLVED, ENTERED_IN_ERROR)


@command(Permission.CLINICAL_WRITE)
def add_fact(
    actor: Actor, locator: str, *, kind: str, text: str, code: str | None = None, system: str | None = None
) -> FactView:
    """Record an allergy or a condition; an allergy ends what was recorded as "no known allergies".

    Raises NotFound, and Invalid for a fact without text or one that is recorded already.
    """
    patient, text = _lock_patient(actor, locator), text.strip()
    if not text:
        raise Invalid({"text": Sentence("Say what it is.")})
    holding = _holding(actor, patient.id)
    if any(fact.kind == kind and fold(fact.text) == fold(text) for fact in holding):
        raise Invalid({"text": Sentence("This is recorded already.")})
    for fact in holding:
        if kind == ALLERGY and fact.kind == ALLERGY and fact.code in NONE_KNOWN:
            _end(actor, FACTS.id == fact.id, RESOLVED)
    return _add(actor, locator, patient.id, kind=kind, text=text, code=code, system=system)


@command(Permission.CLINICAL_WRITE)
def record_no_known_allergy(actor: Actor, locator: str) -> FactView:
    """Record that the patient was asked and knows of no allergy.

    Raises NotFound, Invalid where that is recorded already, and Conflict ALLERGY_KNOWN beside an allergy.
    """
    patient = _lock_patient(actor, locator)
    allergies = [fact for fact in _holding(actor, patient.id) if fact.kind == ALLERGY]
    if any(fact.code not in NONE_KNOWN for fact in allergies):
        raise Conflict("An allergy is recorded. End it first if it does not hold.", code="ALLERGY_KNOWN")
    if allergies:
        raise Invalid({"text": Sentence("This is recorded already.")})
    coded = {"code": NO_KNOWN_ALLERGY, "system": SNOMED}
    return _add(actor, locator, patient.id, kind=ALLERGY, text=NONE_KNOWN_TEXT, **coded)


@command(Permission.CLINICAL_WRITE)
def end_fact(actor: Actor, locator: str, *, fact_id: int, ending: str = RESOLVED) -> FactView:
    """Note that a fact holds no longer, or (ENTERED_IN_ERROR) never did; it stays in the record.

    Raises NotFound where the patient has no such fact, and Conflict FACT_ENDED where it has ended already.
    """
    patient = _lock_patient(actor, locator)
    mine = (FACTS.id == fact_id, FACTS.patient_id == patient.id)
    found(db.session.execute(select(FACTS.id).where(FACTS.tenant_id == actor.tenant_id, *mine)).one_or_none())
    if _end(actor, FACTS.id == fact_id, ending) is None:
        raise Conflict("This was ended already.", code="FACT_ENDED")
    commands.record("patient.fact.end", locator, patients=(locator,), ending=ending)
    return _view(actor, fact_id)


def _add(actor: Actor, locator: str, patient_id: int, **values: Any) -> FactView:
    fact_id = history.add_fact(actor, patient_id, status="active", **values)
    commands.record("patient.fact.add", locator, patients=(locator,), kind=values["kind"])
    return _view(actor, fact_id)


def _lock_patient(actor: Actor, locator: str) -> Any:
    """The patient, locked: two who record the same allergy at once wait for each other. Raises NotFound, Restricted."""
    columns = (PATIENTS.id, PATIENTS.id.label("patient_id"), PATIENTS.locator.label("party_locator"))
    statement: Select[Any] = select(*columns, PATIENTS.confidentiality, PATIENTS.erased_at).where(
        PATIENTS.tenant_id == actor.tenant_id, PATIENTS.locator == locator
    )
    row = found(db.session.execute(statement.with_for_update(of=table_of(Patient))).one_or_none())
    reading.require(actor, row)
    refuse_erased(row)
    return row


def _holding(actor: Actor, patient_id: int) -> Sequence[Row[Any]]:
    statement: Select[Any] = select(FACTS.id, FACTS.kind, FACTS.text, FACTS.code).where(
        FACTS.tenant_id == actor.tenant_id, FACTS.patient_id == patient_id, FACTS.abated_at.is_(None)
    )
    return db.session.execute(statement).all()


def _end(actor: Actor, which: ColumnElement[bool], ending: str) -> Row[Any] | None:
    still_holds = (FACTS.tenant_id == actor.tenant_id, which, FACTS.abated_at.is_(None))
    return guarded_update(PatientFact, *still_holds, abated_at=clock.now(), status=ending)


def _view(actor: Actor, fact_id: int) -> FactView:
    statement = select(*FACTS).where(FACTS.tenant_id == actor.tenant_id, FACTS.id == fact_id)
    return FactView.of(db.session.execute(statement).one())
