"""Stewards: who decides about a record's confidentiality, care team and consent; and the record they decide about."""

from typing import Any

from sqlalchemy import Row, text

from careapp.access import Actor, Permission
from careapp.db import db
from careapp.disclosure import condition
from careapp.disclosure.reading import kind, values
from careapp.disclosure.rules import LASTING, NORMAL
from careapp.errors import Restricted, found


def read_record(actor: Actor, locator: str) -> Row[Any]:
    """The patient with his confidentiality and the ground on which the actor sees him; raises NotFound."""
    given = {**values(actor), "tenant": actor.tenant_id, "locator": locator}
    return found(db.session.execute(condition.record_of(kind(actor)), given).one_or_none())


def lock_record(actor: Actor, locator: str) -> Row[Any]:
    """The same, with the patient's row locked until the transaction ends; for who decides about it.

    Raises NotFound, and Restricted for who is no steward.
    """
    lock = text("SELECT 1 FROM patients WHERE tenant_id = :tenant AND locator = :locator FOR NO KEY UPDATE")
    db.session.execute(lock, {"tenant": actor.tenant_id, "locator": locator})
    record = read_record(actor, locator)
    require_steward(actor, record)
    return record


def require_steward(actor: Actor, record: Row[Any]) -> None:
    """Raise Restricted unless the record is open to all, or the actor is of its care team or runs the clinic.

    An emergency opens a record for an hour; it gives nobody a say in who may see it afterwards.
    """
    if record.confidentiality != NORMAL and record.ground not in LASTING and not actor.may(Permission.USER_MANAGE):
        raise Restricted(record.locator)
