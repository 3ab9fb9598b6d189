"""Favourites: what one clinician orders often, kept with dosage and quantity; nobody else sees them."""

import json
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select

from careapp import commands
from careapp.access import Actor, Permission
from careapp.commands import command, query
from careapp.db import db, insert_unless_clash, table_of
from careapp.errors import Conflict, NotFound
from careapp.identity.actors import lock_user
from careapp.prescriptions.dosage import Dosage
from careapp.prescriptions.dosage_fhir import to_fhir
from careapp.prescriptions.models import FAVOURITES, PrescriptionFavourite
from careapp.prescriptions.views import FavouriteView, Medication

MOST = 40  # of one user; a list that long is no shortcut any more


@command(Permission.PRESCRIPTION_WRITE)
def keep_favourite(
    actor: Actor, *, medication: Medication, dosage: str, parts: Dosage | None = None, quantity: int | None = None,
    refills: int | None = None,
) -> None:  # fmt: skip
    """Keep it for the actor; what he keeps already is not kept twice. Raises Conflict TOO_MANY_FAVOURITES, and Conflict
    NO_USER for who is no user, such as an API token."""
    user_id = _user(actor)
    lock_user(actor.tenant_id, user_id)  # of two kept at once, the second counts the first
    mine = (FAVOURITES.tenant_id == actor.tenant_id) & (FAVOURITES.user_id == user_id)
    if db.session.execute(select(func.count()).select_from(FAVOURITES.id.table).where(mine)).scalar_one() >= MOST:
        raise Conflict(f"You have {MOST} favourites. Remove one first.", code="TOO_MANY_FAVOURITES")
    stored = parts and to_fhir(parts)
    what = [medication.text, medication.code, medication.system, dosage, stored, quantity, refills]
    insert_unless_clash(
        PrescriptionFavourite, FAVOURITES.id, tenant_id=actor.tenant_id, user_id=user_id,
        medication_text=medication.text, medication_code=medication.code, medication_system=medication.system,
        dosage=dosage, dosage_parts=stored, quantity=quantity, refills=refills,
        fingerprint=sha256(json.dumps(what).encode()).hexdigest(),
    )  # fmt: skip
    commands.record("prescription.favourite")


@command(Permission.PRESCRIPTION_WRITE)
def forget_favourite(actor: Actor, favourite: int) -> None:
    """Remove one of the actor's favourites; raises NotFound for another's."""
    table = table_of(PrescriptionFavourite)
    statement = table.delete().where(
        FAVOURITES.tenant_id == actor.tenant_id, FAVOURITES.user_id == _user(actor), FAVOURITES.id == favourite
    )
    if db.session.execute(statement.returning(FAVOURITES.id)).one_or_none() is None:
        raise NotFound()
    commands.record("prescription.forget_favourite")


@query(Permission.PRESCRIPTION_WRITE)
def list_favourites(actor: Actor) -> list[FavouriteView]:
    """The actor's favourites by name; none for who is no user."""
    statement = select(FAVOURITES.id, *_SHOWN).where(
        FAVOURITES.tenant_id == actor.tenant_id, FAVOURITES.user_id == actor.user_id
    )
    rows = db.session.execute(statement.order_by(func.lower(FAVOURITES.medication_text), FAVOURITES.id))
    return [FavouriteView.from_row(row) for row in rows]


_SHOWN: tuple[Any, ...] = (
    FAVOURITES.medication_text, FAVOURITES.medication_code, FAVOURITES.medication_system, FAVOURITES.dosage,
    FAVOURITES.dosage_parts, FAVOURITES.quantity, FAVOURITES.refills,
)  # fmt: skip


def _user(actor: Actor) -> int:
    if actor.user_id is None:
        raise Conflict("Favourites belong to a user; sign in as one.", code="NO_USER")
    return actor.user_id
