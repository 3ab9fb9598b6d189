"""Stewards: who decides about a record's confidentiality, care team and consent; and the record they decide about."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Row,
    ScalarSelect,
    Text,
    cast,
    column,
    func,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from careapp.access import Actor, Permission
from careapp.db import db
from careapp.disclosure import condition
from careapp.disclosure.reading import values
from careapp.disclosure.rules import LASTING, NORMAL
from careapp.errors import Restricted, found

# Staff and providers belong to siblings above: known here only by these columns.
_STAFF = table(
    "users", column("tenant_id", Integer), column("id", BigInteger), column("name", Text),
    column("roles", ARRAY(Text)), column("disabled_at"),
)  # fmt: skip
USERS = _STAFF.c
PROVIDERS = table(
    "providers", column("tenant_id", Integer), column("id", BigInteger), column("name", Text), column("status", Text)
).c


def read_record(actor: Actor, locator: str) -> Row[Any]:
    """The patient with his confidentiality and the ground on which the actor sees him; raises NotFound."""
    given = {**values(actor), "tenant": actor.tenant_id, "locator": locator}
    return found(db.session.execute(condition.record_of(), given).one_or_none())


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


def name_of_actor(tenant: ColumnElement[int], named: Any) -> ScalarSelect[str]:
    """The name of the member of staff that a column with an actor's name means: `user:7` is the user with the id 7.

    The number is a query of its own, so that it is cut out once a row; PostgreSQL may else do so once for each pair of
    a row and a member of staff.
    """
    number = select(cast(func.substring(named, "^user:([0-9]{1,18})$"), BigInteger)).correlate(named.table)
    one = _STAFF.alias("somebody").c
    return select(one.name).where(one.tenant_id == tenant, one.id == number.scalar_subquery()).scalar_subquery()


def who_did(history: Any) -> ColumnElement[str]:
    """Who is behind these rows, which have `tenant_id` and `actor`: by name where it was somebody of the staff."""
    return func.coalesce(name_of_actor(history.tenant_id, history.actor), history.actor)
