"""Erasing one patient: everything that says who it was or what he had goes; locators, states, times and counts stay."""

from typing import Any

from sqlalchemy import Row, Table, delete, func, or_, select, update

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import command, publish, record
from careapp.db import db, guarded_update, insert, table_of
from careapp.disclosure.models import EmergencyAccess
from careapp.episodes.models import EPISODES, Episode
from careapp.erasure.drafts import forget_drafts
from careapp.erasure.events import PatientErased
from careapp.erasure.holds import sound_reason
from careapp.erasure.models import ERASURES, PatientErasure
from careapp.erasure.standing import patient_row, refuse, standing_of
from careapp.erasure.states import CATEGORIES
from careapp.erasure.views import ErasureView
from careapp.errors import Conflict, Invalid, Sentence
from careapp.idempotency import IdempotencyKey
from careapp.operations.models import IMPORTED, ImportedRecord
from careapp.patients.models import FACTS, PATIENTS, Patient, PatientFact, PatientKey, PatientNameWord
from careapp.prescriptions.models import Prescription
from careapp.referrals.models import Referral
from careapp.scheduling.models import Appointment

ERASED_NAME = "Erased patient"
GONE = "Erased"  # where a text may not be empty

# What is blanked in each row of the patient's: the rest is locators, states, codes of kind, times and counts.
BLANKED: dict[type[Any], dict[str, Any]] = {
    Episode: {"reason": None, "summary": None, "triage_session_locator": None},
    Appointment: {"reason": None, "notes": None},
    Prescription: {
        "medication_text": GONE, "medication_code": None, "medication_system": None, "dosage": GONE, "quantity": None,
        "refills": None, "void_reason": None, "dosage_parts": None, "checks": None, "override_reason": None,
    },
    Referral: {"reason": GONE, "facility": None, "outcome": None},
}  # fmt: skip
# Beside them, the texts of emergency accesses: that there was one stays, for the review of who looked.
EMERGENCY = {"reason": "Erased with its patient", "remark": None}
DELETED: tuple[type[Any], ...] = (PatientNameWord, PatientKey, PatientFact)


@command(Permission.PATIENT_ERASE)
def erase_patient(actor: Actor, locator: str, *, category: str, reason: str, version: int) -> ErasureView:
    """Forget a patient for good; docs/security/data.md says what goes and what stays, ADR 17 why.

    Raises NotFound, Invalid, and Conflict STALE_VERSION, ALREADY_ERASED, LEGAL_HOLD, EPISODE_OPEN, RECORDS_KEPT (with
    `keptUntil`) or HAS_RECORD. Episodes are locked before the patient, the way all else locks; then nobody opens one.
    """
    said = sound_reason(reason)
    if category not in CATEGORIES:
        raise Invalid({"category": Sentence("Choose one of the list.")})
    found = patient_row(actor, locator)
    _lock_episodes(actor, found.id)
    patient = patient_row(actor, locator, lock=True)
    if patient.version != version:
        raise Conflict(f"{locator} has changed since you saw it. Look again, then decide.", code="STALE_VERSION")
    refuse(standing_of(actor, patient), category)
    forget_drafts(actor, patient.id, _locators(actor, patient))
    _forget_copies(actor, patient)
    now = clock.now()
    insert(
        PatientErasure, ERASURES.patient_id, tenant_id=actor.tenant_id, patient_id=patient.id, category=category,
        reason=said, erased_by=actor.name, erased_at=now,
    )  # fmt: skip
    db.session.execute(select(func.erase_history(patient.id))).one()
    _blank(actor, patient, now)
    record("patient.erase", locator, patients=(locator,), category=category)
    publish(PatientErased.of(patient, key=locator, party_locator=locator, erased_at=now))
    return standing_of(actor, patient_row(actor, locator))


def _lock_episodes(actor: Actor, patient_id: int) -> None:
    mine = (EPISODES.tenant_id == actor.tenant_id, EPISODES.patient_id == patient_id)
    db.session.execute(select(EPISODES.id).where(*mine).order_by(EPISODES.id).with_for_update()).all()


def _blank(actor: Actor, patient: Row[Any], now: Any) -> None:
    """Blank what stays, delete what need not stay."""
    for model, values in BLANKED.items():
        table = table_of(model)
        of_patient = (table.c.tenant_id == actor.tenant_id, table.c.patient_id == patient.id)
        db.session.execute(update(table).where(*of_patient).values(**values, version=table.c.version + 1))
    told = table_of(EmergencyAccess)
    of_patient = (told.c.tenant_id == actor.tenant_id, told.c.patient_id == patient.id)
    db.session.execute(update(told).where(*of_patient).values(EMERGENCY))
    for model in DELETED:
        table = table_of(model)
        db.session.execute(delete(table).where(table.c.tenant_id == actor.tenant_id, table.c.patient_id == patient.id))
    guarded_update(
        Patient, PATIENTS.tenant_id == actor.tenant_id, PATIENTS.id == patient.id, family=ERASED_NAME, given=[],
        birth_date=None, gender="unknown", language=None, deceased_at=None, telecom=[], identifiers=[], erased_at=now,
    )  # fmt: skip


def _forget_copies(actor: Actor, patient: Row[Any]) -> None:
    """Delete answers kept for a repeated request, and which foreign records became the patient's."""
    locators = _locators(actor, patient)
    keys = table_of(IdempotencyKey)
    about = or_(keys.c.patients.overlap(locators), keys.c.subject.in_(locators))
    db.session.execute(delete(keys).where(keys.c.tenant_id == actor.tenant_id, about))
    facts = select(FACTS.id).where(FACTS.tenant_id == actor.tenant_id, FACTS.patient_id == patient.id)
    of_facts = IMPORTED.resource_type.in_(("Condition", "AllergyIntolerance")) & IMPORTED.entity_id.in_(facts)
    imported = (IMPORTED.tenant_id == actor.tenant_id, or_(IMPORTED.locator.in_(locators), of_facts))
    db.session.execute(delete(table_of(ImportedRecord)).where(*imported))


def _locators(actor: Actor, patient: Row[Any]) -> list[str]:
    """The locators of the patient and of everything that is about him."""
    found = [patient.locator]
    for model in BLANKED:
        table: Table = table_of(model)
        of_patient = (table.c.tenant_id == actor.tenant_id, table.c.patient_id == patient.id)
        found += db.session.scalars(select(table.c.locator).where(*of_patient)).all()
    return found
