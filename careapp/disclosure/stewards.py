"""Stewards: who decides about a record's confidentiality, care team and consent; and the record they decide about."""

from typing import Any

from sqlalchemy import Row, text

from careapp.access import Actor, Permission
from careapp.db import db
from careapp.disclosure import condition
from careapp.disclosure.reading import kind, values
from careapp.disclosure.rules import LASTING, NORMAL
from careapp.errors import Conflict, Restricted, found


def read_record(actor: Actor, locator: str) -> Row[Any]:
    """The patient with his confidentiality and the ground on which the actor sees him; raises NotFound."""
    given = {**values(actor), "tenant": actor.tenant_id, "locator": locator}
    return found(db.session.execute(condition.record_of(kind(actor)), given).one_or_none())


def hold_record(actor: Actor, locator: str) -> None:
    """Lock the patient's row until the transaction ends: of two who decide something at once, the second sees what the
    first decided. Raises Conflict PATIENT_ERASED.
    """
    lock = text("SELECT erased_at FROM patients WHERE tenant_id = :tenant AND locator = :locator FOR NO KEY UPDATE")
    patient = db.session.execute(lock, {"tenant": actor.tenant_id, "locator": locator}).one_or_none()
    if patient is not None:
        refuse_erased(patient)


def refuse_erased(patient: Any) -> None:
    """Raise Conflict PATIENT_ERASED for a patient who was erased: nothing new is entered about him."""
    if patient.erased_at:
        raise Conflict("This patient was erased. Register him anew.", code="PATIENT_ERASED")


def lock_record(actor: Actor, locator: str) -> Row[Any]:
    """The record as read_record() gives it, held as hold_record() does; for who decides about it.

    Raises NotFound, Conflict PATIENT_ERASED, and Restricted for who is no steward.
    """
    hold_record(actor, locator)
    record = read_record(actor, locator)
    require_steward(actor, record)
    return record


def require_steward(actor: Actor, record: Row[Any]) -> None:
    """Raise Restricted unless the record is open to all, or the actor is of its care team or runs the clinic.

    An emergency opens a record for an hour; it gives nobody a say in who may see it afterwards.
    """
    if record.confidentiality != NORMAL and record.ground not in LASTING and not actor.may(Permission.USER_MANAGE):
        raise Restricted(record.locator)
