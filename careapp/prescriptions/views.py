"""What prescriptions look like from outside."""

from datetime import datetime
from typing import Any, Self

from sqlalchemy import Row

from careapp.access import Actor, Permission
from careapp.views import Page, View


class Medication(View):
    """A medicine as text, with its code and code system where it was chosen from a coded list."""

    text: str
    code: str | None = None
    system: str | None = None


class PrescriptionView(View):
    """One prescription (design §6). What was ordered is None for who may only know that it exists."""

    locator: str
    episode_locator: str
    party_locator: str
    provider_locator: str
    medication: Medication | None
    dosage: str | None
    quantity: int | None
    refills: int | None
    status: str
    reason: str | None
    issued_at: datetime
    version: int

    @classmethod
    def seen_by(cls, actor: Actor, row: Row[Any], **changes: Any) -> Self:
        """The view of a row for this actor."""
        if not actor.may(Permission.PRESCRIPTION_READ):
            hidden = dict.fromkeys(("medication", "dosage", "quantity", "refills", "reason"))
            return cls.of(row, **{**changes, **hidden})
        medication = Medication(text=row.medication_text, code=row.medication_code, system=row.medication_system)
        reason = changes.get("void_reason", row.void_reason)
        return cls.of(row, **{**changes, "medication": medication, "reason": reason})


class PrescriptionPage(Page[PrescriptionView]):
    """A page of prescriptions."""
