"""Storing: what each type of foreign record becomes here, in the order that lets one refer to the other."""

from collections.abc import Callable

from sqlalchemy import select

from careapp.clinics import service as clinics
from careapp.db import db
from careapp.episodes import history as episodes
from careapp.episodes.models import EPISODES
from careapp.imports import (
    mapping_encounter,
    mapping_fact,
    mapping_medication_request,
    mapping_organization,
    mapping_patient,
    mapping_practitioner,
)
from careapp.imports.reading import Resource, parts, reference, remark
from careapp.imports.report import Note, Unusable
from careapp.imports.taking_in import Ours, Store, Stored, Taking
from careapp.patients import history as facts
from careapp.patients import service as patients
from careapp.prescriptions import history as prescriptions
from careapp.providers import history as provider_history
from careapp.providers import service as providers


def _clinic(taking: Taking, resource: Resource) -> Stored:
    """A clinic in the tenant's time zone, as the record names none."""
    record = mapping_organization.read(resource)
    row = clinics.enter(taking.actor, name=record.name, time_zone=taking.zone.key)
    return Stored(Ours(row.id, row.locator), record.remarks)


def _provider(taking: Taking, resource: Resource) -> Stored:
    """A provider PENDING in the network; one whose NPI a provider here has already is that provider."""
    record = mapping_practitioner.read(resource)
    same = provider_history.provider_with(taking.actor, record.npi) if record.npi else None
    if same is not None:
        return Stored(Ours(same.id, same.locator), known_before=True)
    row = providers.enter(
        taking.actor, name=record.name, specialty=record.specialty, npi=record.npi, clinic_ids=[],
        identifiers=record.identifiers,
    )  # fmt: skip
    return Stored(Ours(row.id, row.locator), record.remarks)


def _patient(taking: Taking, resource: Resource) -> Stored:
    record = mapping_patient.read(resource, taking.zone)
    row = patients.enter(
        taking.actor, name=record.name, birth_date=record.birth_date, gender=record.gender,
        deceased_at=record.deceased_at, language=record.language, identifiers=record.identifiers,
        telecom=record.telecom,
    )  # fmt: skip
    return Stored(Ours(row.id, row.locator), record.remarks)


def _episode(taking: Taking, resource: Resource) -> Stored:
    """A closed episode; its providers are noted to work at its clinic."""
    record = mapping_encounter.read(resource, taking.zone)
    patient = taking.follow(record.patient_ref, "Patient")
    remarks = list(record.remarks)
    row = episodes.enter_closed(
        taking.actor, patient_id=patient.id, care_type=record.care_type, reason=record.reason, summary=record.summary,
        opened_at=record.opened_at, closed_at=record.closed_at,
    )  # fmt: skip
    clinic = _follow_or_remark(taking, record.clinic_ref, "Organization", remarks)
    found = [_follow_or_remark(taking, ref, "Practitioner", remarks) for ref in record.provider_refs]
    if clinic:
        provider_history.work_at(taking.actor, [(provider.id, clinic.id) for provider in found if provider])
    return Stored(Ours(row.id, row.locator), tuple(remarks))


def _fact(read: Callable[..., mapping_fact.FactRecord]) -> Store:
    """How a condition or an allergy, read by `read`, is stored."""

    def store(taking: Taking, resource: Resource) -> Stored:
        record = read(resource, taking.zone)
        patient = taking.follow(record.patient_ref, "Patient")
        fact_id = facts.add_fact(
            taking.actor, patient.id, kind=record.kind, text=record.text, code=record.code, system=record.system,
            status=record.status, onset_at=record.onset_at, abated_at=record.abated_at,
        )  # fmt: skip
        return Stored(Ours(fact_id, None), record.remarks)

    return store


def _prescription(taking: Taking, resource: Resource) -> Stored:
    record = mapping_medication_request.read(resource, taking.zone, _medicine(taking, resource))
    patient = taking.follow(record.patient_ref, "Patient")
    episode = taking.follow(record.episode_ref, "Encounter")
    provider = taking.follow(record.provider_ref, "Practitioner")
    if _patient_id_of(taking, episode) != patient.id:
        raise Unusable("REFERENCE", record.episode_ref, "The encounter is another patient's.")
    row = prescriptions.enter(
        taking.actor, episode_id=episode.id, patient_id=patient.id, provider_id=provider.id,
        medication=record.medication, dosage=record.dosage, status=record.status, issued_at=record.issued_at,
    )  # fmt: skip
    return Stored(Ours(row.id, row.locator), record.remarks)


def _medicine(taking: Taking, resource: Resource) -> Resource | None:
    """The Medication a record names: one it contains, or one of its bundle."""
    named = reference(resource, "medicationReference")
    if named is None:
        return None
    if named.startswith("#"):
        return next((one for one in parts(resource, "contained") if one.get("id") == named[1:]), None)
    source_id = taking.bundle.source_id(named, "Medication")
    return next((one for one in taking.bundle.records.get("Medication", ()) if one["id"] == source_id), None)


def _patient_id_of(taking: Taking, episode: Ours) -> int:
    statement = select(EPISODES.patient_id).where(
        EPISODES.tenant_id == taking.actor.tenant_id, EPISODES.id == episode.id
    )
    return int(db.session.execute(statement).scalar_one())


def _follow_or_remark(taking: Taking, reference: str | None, resource_type: str, remarks: list[Note]) -> Ours | None:
    """What a reference means that a record can do without; a remark where it leads nowhere."""
    if reference is None:
        return None
    try:
        return taking.follow(reference, resource_type)
    except Unusable as unusable:
        remarks.append(remark("REFERENCE", reference, f"{unusable.note.why} Kept without it."))
        return None


# In this order: what comes later refers to what came before.
STORES: dict[str, Store] = {
    "Organization": _clinic,
    "Practitioner": _provider,
    "Patient": _patient,
    "Encounter": _episode,
    "Condition": _fact(mapping_fact.read_condition),
    "AllergyIntolerance": _fact(mapping_fact.read_allergy),
    "MedicationRequest": _prescription,
}
