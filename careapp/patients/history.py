"""Facts known of a patient from elsewhere: stored inside a command that records it, and told to nobody."""

from datetime import datetime

from careapp.access import Actor
from careapp.db import insert
from careapp.patients.models import PatientFact


def add_fact(
    actor: Actor, patient_id: int, *, kind: str, text: str, code: str | None = None, system: str | None = None,
    status: str | None = None, onset_at: datetime | None = None, abated_at: datetime | None = None,
) -> int:  # fmt: skip
    """Store a condition or an allergy (`kind`: CONDITION, ALLERGY) of a patient; returns the row's id."""
    row = insert(
        PatientFact, PatientFact.id, tenant_id=actor.tenant_id, patient_id=patient_id, kind=kind, text=text, code=code,
        system=system, status=status, onset_at=onset_at, abated_at=abated_at,
    )  # fmt: skip
    return int(row.id)
