"""Records of a FHIR server that were taken in by their ids alone, as it was done before their addresses were kept."""

from collections.abc import Iterable

from sqlalchemy import select

from careapp.access import Actor
from careapp.db import db
from careapp.imports import mapping_patient
from careapp.imports.bundles import Bundle
from careapp.imports.reading import Resource
from careapp.imports.report import Unusable
from careapp.operations.models import IMPORTED
from careapp.patients.models import PATIENTS
from careapp.patients.names import words

Key = tuple[str, str]  # resource type, and address or id


def adopted(actor: Actor, bundle: Bundle, unknown: Iterable[Key]) -> dict[Key, tuple[int, str | None]]:
    """Which of these addresses of the bundle's are records taken in by their id alone, as id and locator of ours.

    None of them where a patient among them is another by name or birth date: then the ids are another server's.
    """
    by_id = {(kind, where.rpartition("/")[2]): (kind, where) for kind, where in unknown if "/" in where}
    if not by_id:
        return {}
    mine = IMPORTED.tenant_id == actor.tenant_id
    held = db.session.execute(
        select(IMPORTED.resource_type, IMPORTED.source_id, IMPORTED.entity_id, IMPORTED.locator).where(
            mine, IMPORTED.source_id.in_({short for _, short in by_id}), IMPORTED.entity_id.is_not(None)
        )
    ).all()
    with_address = db.session.execute(
        select(IMPORTED.resource_type, IMPORTED.entity_id).where(
            mine,
            IMPORTED.entity_id.in_({row.entity_id for row in held}),
            IMPORTED.source_id.like("http%/%"),
            IMPORTED.source_id.not_like("%|%"),
        )
    ).all()
    taken = {(row.resource_type, row.entity_id) for row in with_address}
    found = {
        by_id[row.resource_type, row.source_id]: (row.entity_id, row.locator)
        for row in held
        if (row.resource_type, row.source_id) in by_id and (row.resource_type, row.entity_id) not in taken
    }
    patients = {resource["id"]: resource for resource in bundle.records.get("Patient", ())}
    same = (_is_same(actor, ours, patients[where]) for (kind, where), (ours, _) in found.items() if kind == "Patient")
    return found if all(same) else {}


def _is_same(actor: Actor, patient_id: int, resource: Resource) -> bool:
    """Whether a record is this patient's, by name and birth date: two records of one are better than one of two."""
    row = db.session.execute(
        select(PATIENTS.family, PATIENTS.given, PATIENTS.birth_date).where(
            PATIENTS.tenant_id == actor.tenant_id, PATIENTS.id == patient_id
        )
    ).one()
    try:
        name, birth_date = mapping_patient.who(resource)
    except Unusable:
        return False
    here = " ".join((*row.given, row.family or ""))
    return set(words(here)) == set(words(name)) and birth_date == row.birth_date
