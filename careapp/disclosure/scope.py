"""The clinic scope: which clinics' slots and appointments an actor is shown; what stands at no clinic is everybody's.

Said three times, as a condition made for the actor, as one of a statement that is built once, and of a row that was
read; nobody else compares clinics with an actor's (design §6).
"""

from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, bindparam, or_, true

from careapp.access import Actor


def in_scope(actor: Actor, clinic_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that a clinic is in the actor's scope."""
    return true() if actor.clinic_ids is None else or_(clinic_id.is_(None), clinic_id.in_(actor.clinic_ids))


def within(scoped: bool, clinic_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The same condition in a statement that is built once, for actors with a clinic scope and for those without."""
    clinics = bindparam("clinics", type_=ARRAY(BigInteger))
    return or_(clinic_id.is_(None), clinic_id == any_(clinics)) if scoped else true()


def scope_of(actor: Actor) -> dict[str, Any]:
    """The values of such a statement: the actor's `tenant`, and the `clinics` in his scope where he has one."""
    tenant = {"tenant": actor.tenant_id}
    return tenant if actor.clinic_ids is None else {**tenant, "clinics": list(actor.clinic_ids)}


def reaches(actor: Actor, clinic_id: int | None) -> bool:
    """Whether what stands at this clinic is in the actor's scope."""
    return actor.clinic_ids is None or clinic_id is None or clinic_id in actor.clinic_ids
