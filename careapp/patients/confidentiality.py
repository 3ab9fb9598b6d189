"""Commands on a patient's confidentiality: restricting his record, and opening it to all who care again."""

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.db import guarded_update, insert_many
from careapp.disclosure import reading
from careapp.disclosure.events import ConfidentialityChanged
from careapp.disclosure.rules import NORMAL, RESTRICTED
from careapp.disclosure.stewards import lock_record
from careapp.disclosure.team import PATIENT, enter_member, is_member
from careapp.errors import Conflict, Invalid, Sentence, found
from careapp.lifecycle import StatusChange, why
from careapp.patients.models import PATIENTS, Patient

RESTRICT, LIFT = "restrict", "lift"
LONGEST_REASON = 1000


@command(Permission.RECORD_RESTRICT)
def restrict(actor: Actor, locator: str, *, reason: str) -> None:
    """Close a record to all but the care team. Who treats the patient and closes it is of the team from then on.

    Raises NotFound, Invalid without a reason, and Conflict ALREADY_SO.
    """
    patient_id = _change(actor, locator, RESTRICT, NORMAL, RESTRICTED, reason)
    if not actor.may(Permission.CLINICAL_READ) or actor.user_id is None:
        return
    if not is_member(actor, patient_id, user_id=actor.user_id):  # once: taken out, he is out
        enter_member(actor, patient_id, role="Restricted the record", user_id=actor.user_id)


@command(Permission.RECORD_RESTRICT)
def lift(actor: Actor, locator: str, *, reason: str) -> None:
    """Open a record to everybody in care again. Raises NotFound, Restricted, Invalid without a reason, ALREADY_SO."""
    _change(actor, locator, LIFT, RESTRICTED, NORMAL, reason)


def _change(actor: Actor, locator: str, action: str, before: str, after: str, reason: str) -> int:
    """Set it, keep who did it and why in the history, record and tell of it; returns the patient's id."""
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise Invalid({"reason": Sentence("Say why.")})
    record, now = lock_record(actor, locator), clock.now()
    if record.confidentiality != before:
        raise Conflict(f"{locator} is {record.confidentiality} already.", code="ALREADY_SO")
    this = (PATIENTS.tenant_id == actor.tenant_id, PATIENTS.id == record.id)
    since = now if after == RESTRICTED else None
    row = found(guarded_update(Patient, *this, returning=PATIENTS, confidentiality=after, restricted_at=since))
    change = {
        "tenant_id": actor.tenant_id, "episode_id": None, "entity": PATIENT, "entity_id": row.id, "locator": locator,
        "action": action, "from_status": before, "to_status": after, "actor": actor.name, "cause": None,
        "reason": why(reason.strip(), locator, action), "category": None, "at": now,
    }  # fmt: skip
    insert_many(StatusChange, [change])
    reading.forget()
    commands.record(f"patient.{action}", locator, patients=(locator,))
    commands.publish(ConfidentialityChanged.of(row, key=locator, party_locator=locator, changed_at=now))
    return int(row.id)
