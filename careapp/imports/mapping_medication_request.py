"""MedicationRequest → prescription in the episode of its encounter."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from careapp.imports import mapping_dosage
from careapp.imports.reading import Resource, concept, moment, reference, refuse_modified, text
from careapp.imports.report import Note, Unusable
from careapp.prescriptions.states import FILLED, ISSUED, VOID
from careapp.prescriptions.views import Medication
from careapp.terminology.views import RXNORM

_NO_MEDICINE = "The record does not say which medicine."
STATUSES = {"active": ISSUED, "stopped": FILLED, "completed": FILLED, "cancelled": VOID}


@dataclass(frozen=True)
class PrescriptionRecord:
    """A prescription as another system knows it."""

    patient_ref: str
    episode_ref: str
    provider_ref: str
    medication: Medication
    dosage: str
    status: str
    issued_at: datetime
    remarks: tuple[Note, ...] = ()


def read(resource: Resource, zone: ZoneInfo, medicine: Resource | None = None) -> PrescriptionRecord:
    """The prescription a MedicationRequest describes; `medicine` is the Medication it may name instead of a code.

    Raises Unusable for a mere plan, or where a part is missing.
    """
    status, intent = text(resource, "status"), text(resource, "intent")
    if status not in STATUSES:
        raise Unusable("STATUS", status, f"No state of a prescription stands for this, only for {', '.join(STATUSES)}.")
    if intent != "order":
        raise Unusable("INTENT", intent, "Only an order is a prescription.")
    if resource.get("doNotPerform", False) is not False:  # an order not to give it
        raise Unusable("INTENT", resource["doNotPerform"], "It says what is not to be given (doNotPerform).")
    medication = concept(resource, "medicationCodeableConcept", system=RXNORM)
    if medication is None and medicine is not None:
        refuse_modified(medicine)
        medication = concept(medicine, "code", system=RXNORM)
    if medication is None:
        named = reference(resource, "medicationReference") or ""
        why = "The Medication it names is not in this bundle, or has no code." if named else _NO_MEDICINE
        raise Unusable("MEDICATION", named, why)
    issued_at = moment(resource, "authoredOn", zone)
    if issued_at is None:
        raise Unusable("DATE", "", "A prescription needs the day it was written.")
    remarks: list[Note] = []
    return PrescriptionRecord(
        patient_ref=_needed(resource, "subject"),
        episode_ref=_needed(resource, "encounter"),
        provider_ref=_needed(resource, "requester"),
        medication=Medication(text=medication.text, code=medication.code, system=medication.system),
        dosage=mapping_dosage.in_words(resource, remarks),
        status=STATUSES[status],
        issued_at=issued_at,
        remarks=tuple(remarks),
    )


def _needed(resource: Resource, field: str) -> str:
    found = reference(resource, field)
    if found is None:
        raise Unusable("REFERENCE", "", f"A prescription needs its {field}.")
    return found
