"""Encounter → one closed episode, its reason kept."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from careapp.imports.reading import Resource, first_concept, moment, part, parts, reference, text
from careapp.imports.report import Note, Unusable

# HL7 v3 ActCode of an encounter's class → care type.
CARE_TYPES = {"AMB": "GP", "EMER": "URGENT_CARE", "IMP": "SPECIALIST"}
SUMMARY_NOT_STATED = "Imported; no summary stated."


@dataclass(frozen=True)
class EpisodeRecord:
    """A finished course of care as another system knows it; `_ref` are references within that system."""

    patient_ref: str
    care_type: str
    reason: str | None
    summary: str
    opened_at: datetime
    closed_at: datetime
    provider_refs: tuple[str, ...]
    clinic_ref: str | None
    remarks: tuple[Note, ...] = ()


def read(resource: Resource, zone: ZoneInfo) -> EpisodeRecord:
    """The closed episode a finished Encounter describes. Raises Unusable where it is not over, or when is unclear."""
    status = text(resource, "status")
    if status != "finished":
        raise Unusable("STATUS", status, "Only a finished encounter is history.")
    kind = text(part(resource, "class"), "code")
    if kind not in CARE_TYPES:
        raise Unusable(
            "CLASS", kind, f"No care type stands for this class of encounter, only for {', '.join(CARE_TYPES)}."
        )
    patient_ref = reference(resource, "subject")
    if patient_ref is None:
        raise Unusable("REFERENCE", "", "An encounter without a patient.")
    opened_at, closed_at = _period(resource, zone)
    reason, summary = first_concept(resource, "reasonCode"), first_concept(resource, "type")
    individuals = (reference(participant, "individual") for participant in parts(resource, "participant"))
    return EpisodeRecord(
        patient_ref=patient_ref,
        care_type=CARE_TYPES[kind],
        reason=reason.text if reason else None,
        summary=summary.text if summary else SUMMARY_NOT_STATED,
        opened_at=opened_at,
        closed_at=closed_at,
        provider_refs=tuple(filter(None, individuals)),
        clinic_ref=reference(resource, "serviceProvider"),
    )


def _period(resource: Resource, zone: ZoneInfo) -> tuple[datetime, datetime]:
    period = part(resource, "period")
    start, end = moment(period, "start", zone), moment(period, "end", zone)
    if start is None or end is None:
        raise Unusable("PERIOD", period, "A finished encounter needs a start and an end.")
    if end < start:
        raise Unusable("PERIOD", f"{period['start']} – {period['end']}", "The end lies before the start.")
    return start, end
