"""Condition and AllergyIntolerance → facts of the patient, as they were coded."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from careapp.imports.reading import Resource, concept, moment_or_remark, reference
from careapp.imports.report import Note, Unusable

WRONG = ("entered-in-error", "refuted")


@dataclass(frozen=True)
class FactRecord:
    """A condition or allergy as another system knows it."""

    patient_ref: str
    kind: str
    text: str
    code: str | None
    system: str | None
    status: str | None
    onset_at: datetime | None
    abated_at: datetime | None
    remarks: tuple[Note, ...] = ()


def _read(kind: str, patient_field: str, resource: Resource, zone: ZoneInfo) -> FactRecord:
    patient_ref = reference(resource, patient_field)
    if patient_ref is None:
        raise Unusable("REFERENCE", "", f"A {kind.lower()} without a patient.")
    what, status = concept(resource, "code"), concept(resource, "clinicalStatus")
    if what is None:
        raise Unusable("CODE", "", f"The record does not say which {kind.lower()}.")
    verified = concept(resource, "verificationStatus")
    if verified and verified.code in WRONG:
        raise Unusable("STATUS", verified.code, "Recorded there as wrong: not taken over.")
    remarks: list[Note] = []
    return FactRecord(
        patient_ref=patient_ref,
        kind=kind,
        text=what.text,
        code=what.code,
        system=what.system,
        status=(status.code or status.text) if status else None,
        onset_at=moment_or_remark(resource, "onsetDateTime", zone, remarks),
        abated_at=moment_or_remark(resource, "abatementDateTime", zone, remarks),
        remarks=tuple(remarks),
    )


read_condition = partial(_read, "CONDITION", "subject")
read_allergy = partial(_read, "ALLERGY", "patient")
