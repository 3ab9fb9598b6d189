"""Drafts about a patient who is erased: those of his pages' forms, and those in which somebody has typed who he is."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, Select, delete, select

from careapp.access import Actor
from careapp.db import db, table_of
from careapp.identity.models import DRAFTS, FormDraft
from careapp.patients.models import PATIENTS
from careapp.patients.names import words


def forget_drafts(actor: Actor, patient_id: int, locators: Iterable[str]) -> None:
    """Delete drafts that name one of the locators, all words of the name together, or one of the numbers.

    Drafts last a week, so a tenant has few, and looking into each is fair. One too many costs its user some typing.
    """
    this = (PATIENTS.tenant_id == actor.tenant_id, PATIENTS.id == patient_id)
    person = db.session.execute(select(*PATIENTS).where(*this)).one()
    drafts: Select[Any] = select(DRAFTS.id, DRAFTS.address, DRAFTS.fields).where(DRAFTS.tenant_id == actor.tenant_id)
    his = [row.id for row in db.session.execute(drafts) if _names(row, person, locators)]
    db.session.execute(delete(table_of(FormDraft)).where(DRAFTS.tenant_id == actor.tenant_id, DRAFTS.id.in_(his)))


def _names(draft: Row[Any], person: Row[Any], locators: Iterable[str]) -> bool:
    typed = " ".join((draft.address, *(text for _, text in draft.fields)))
    called = set(words(" ".join((*person.given, person.family))))
    numbers = [str(one["value"]) for one in (*person.telecom, *person.identifiers) if one.get("value")]
    return any(one in typed for one in (*locators, *numbers)) or (bool(called) and called <= set(words(typed)))
