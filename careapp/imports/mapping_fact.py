"""Condition and AllergyIntolerance → facts of the patient, as they were coded."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from careapp import clock
from careapp.imports.reading import Resource, concept, moment_or_remark, reference, remark
from careapp.imports.report import Note, Unusable
from careapp.terminology.views import RXNORM

WRONG = ("entered-in-error", "refuted")
OVER = ("inactive", "resolved")  # clinical statuses; what is in remission may come again and goes on to be shown


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
    what, status = concept(resource, "code", system=RXNORM), concept(resource, "clinicalStatus")
    if what is None:
        raise Unusable("CODE", "", f"The record does not say which {kind.lower()}.")
    verified = concept(resource, "verificationStatus")
    if verified and verified.code in WRONG:
        raise Unusable("STATUS", verified.code, "Recorded there as wrong: not taken over.")
    remarks: list[Note] = []
    said = (status.code or status.text) if status else None
    return FactRecord(
        patient_ref=patient_ref,
        kind=kind,
        text=what.text,
        code=what.code,
        system=what.system,
        status=said,
        onset_at=moment_or_remark(resource, "onsetDateTime", zone, remarks),
        abated_at=_abated_at(resource, said, zone, remarks),
        remarks=tuple(remarks),
    )


def _abated_at(resource: Resource, status: str | None, zone: ZoneInfo, remarks: list[Note]) -> datetime | None:
    """Since when it is over, None while it holds. R4 has no such date for an allergy, and for a condition other forms.

    Without a moment that is now, as for what somebody ends here: else it would be shown, and prescriptions be checked
    against it, for ever.
    """
    abated_at = moment_or_remark(resource, "abatementDateTime", zone, remarks)
    ended = status in OVER or any(field.startswith("abatement") and value for field, value in resource.items())
    if abated_at is not None or not ended:
        return abated_at
    remarks.append(remark("ABATED", status or "", "It is over, but since when is not said: kept as over from now on."))
    return clock.now()


read_condition = partial(_read, "CONDITION", "subject")
read_allergy = partial(_read, "ALLERGY", "patient")
