"""What prescriptions look like from outside."""

from datetime import datetime
from typing import Annotated, Any, Self

from sqlalchemy import Row

from careapp.access import Actor, Permission
from careapp.disclosure import reading
from careapp.prescriptions.dosage import Dosage
from careapp.prescriptions.dosage_fhir import from_fhir
from careapp.prescriptions.states import PRESCRIPTION
from careapp.views import Page, View, codes


class Medication(View):
    """A medicine as text, with its code and code system where it was chosen from a coded list."""

    text: str
    code: str | None = None
    system: str | None = None


# What a prescription says, as against that it exists; also in views that add to the one below.
HIDDEN = ("medication", "dosage", "quantity", "refills", "reason", "checks", "override_reason")


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
    status: Annotated[str, codes(PRESCRIPTION.states)]
    reason: str | None
    issued_at: datetime
    version: int

    @classmethod
    def seen_by(cls, actor: Actor, row: Row[Any], **changes: Any) -> Self:
        """The view of a row for this actor."""
        if not (actor.may(Permission.PRESCRIPTION_READ) and reading.sees(actor, row)):
            hidden = dict.fromkeys(HIDDEN)
            return cls.of(row, **{**changes, **hidden})
        medication = Medication(text=row.medication_text, code=row.medication_code, system=row.medication_system)
        reason = changes.get("void_reason", row.void_reason)
        return cls.of(row, **{**changes, "medication": medication, "reason": reason})


class Order(View):
    """A medicine with how it is taken and how much: what a form is filled with. `parts` is None for a dosage in
    somebody's own words.
    """

    medication: Medication
    dosage: str
    parts: Dosage | None
    quantity: int | None
    refills: int | None

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """The order in a row of prescriptions or favourites."""
        medication = Medication(text=row.medication_text, code=row.medication_code, system=row.medication_system)
        return cls.of(row, medication=medication, parts=from_fhir(row.dosage_parts))


class FavouriteView(Order):
    """Something a clinician orders often; `id` names it to him alone."""

    id: int


class EarlierOrder(Order):
    """What a patient was prescribed before, by the prescription's locator."""

    locator: str
    issued_at: datetime
    status: str


class Override(View):
    """Why a prescription is issued in spite of findings, or that somebody has `looked` at what could not be checked;
    `key` names what was read (Checks.key)."""

    reason: str
    key: str
    looked: bool = False


class PrescriptionPage(Page[PrescriptionView]):
    """A page of prescriptions."""
