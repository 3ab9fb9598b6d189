"""Prescriptions written before they came here: stored as they stand, and told to nobody."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from careapp.access import Actor
from careapp.db import insert
from careapp.lifecycle import StatusChange
from careapp.prescriptions.models import PRESCRIPTIONS, Prescription
from careapp.prescriptions.states import PRESCRIPTION
from careapp.prescriptions.views import Medication


def enter(
    actor: Actor, *, episode_id: int, patient_id: int, provider_id: int, medication: Medication, dosage: str,
    status: str, issued_at: datetime,
) -> Row[Any]:  # fmt: skip
    """Store a prescription in the state it has, inside a command that records it; returns the row.

    Its history begins with that state at the time of issue: when it was filled or voided elsewhere is not known.
    """
    row = insert(
        Prescription, *PRESCRIPTIONS, tenant_id=actor.tenant_id, episode_id=episode_id, patient_id=patient_id,
        provider_id=provider_id, medication_text=medication.text, medication_code=medication.code,
        medication_system=medication.system, dosage=dosage, status=status, issued_at=issued_at,
    )  # fmt: skip
    insert(
        StatusChange, StatusChange.id, tenant_id=actor.tenant_id, episode_id=episode_id, entity=PRESCRIPTION.entity,
        entity_id=row.id, locator=row.locator, action="issue", to_status=status, actor=actor.name, at=issued_at,
    )  # fmt: skip
    return row
