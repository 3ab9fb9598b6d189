"""Drafts: what a user typed into a form and has not saved, kept on the server so that nothing typed is lost.

A draft belongs to one user and one form, named by the address the form is sent to. Keeping one stands outside commands,
like the note that a session was seen: it changes no record of care, and it must work for a session that has run out.
Reading one back is audited.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db, table_of
from careapp.errors import found
from careapp.identity.actors import TENANTS
from careapp.identity.models import DRAFTS, FormDraft, UserSession
from careapp.identity.sessions import of_sid
from careapp.kept import built_once

KEPT_DAYS = 7
WORKING_DAY = timedelta(hours=12)
LONGEST_SUBJECT = 64  # characters of an address that an audit row keeps
LONGEST_ADDRESS, LARGEST_DRAFT, MOST_FIELDS = 500, 100_000, 100  # characters, characters, fields
MOST_OF_A_USER = 40  # drafts; more than anybody has begun in KEPT_DAYS, and few enough that they fill no disk

Fields = list[tuple[str, str]]


@dataclass(frozen=True)
class Draft:
    """What was typed into the form of an address: pairs of field name and text, in the form's order."""

    id: int
    address: str
    fields: Fields
    saved_at: datetime


def keep(tenant_id: int, user_id: int, address: str, fields: Fields) -> int | None:
    """Keep what was typed into the form of `address` in place of an earlier draft, and return the draft's id.

    None, and nothing is kept, where it is larger than any form of ours. Of one user the newest MOST_OF_A_USER stay.
    """
    size = sum(len(name) + len(text) for name, text in fields)
    if len(address) > LONGEST_ADDRESS or size > LARGEST_DRAFT or len(fields) > MOST_FIELDS:
        return None
    values = {"fields": [list(pair) for pair in fields], "saved_at": clock.now()}
    statement = (
        postgres_insert(table_of(FormDraft))
        .values(tenant_id=tenant_id, user_id=user_id, address=address, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "user_id", "address"], set_=values)
        .returning(DRAFTS.id)
    )
    mine = (DRAFTS.tenant_id == tenant_id, DRAFTS.user_id == user_id)
    newest_first = select(DRAFTS.id).where(*mine).order_by(DRAFTS.saved_at.desc(), DRAFTS.id.desc())
    with commands.system_transaction(tenant_id):
        kept = int(db.session.execute(statement).scalar_one())
        db.session.execute(delete(table_of(FormDraft)).where(*mine, DRAFTS.id.in_(newest_first.offset(MOST_OF_A_USER))))
        return kept


@query(Permission.OWN_DRAFTS)
def get_draft(actor: Actor, draft_id: int) -> Draft:
    """A draft of the actor's own, by its id. Raises NotFound for anybody else's."""
    return found(_find(actor, "id", draft_id))


@query(Permission.OWN_DRAFTS)
def find_draft(actor: Actor, address: str) -> Draft | None:
    """The actor's own draft for the form of this address, or None."""
    return _find(actor, "address", address)


def discard(actor: Actor, address: str) -> None:
    """Forget the actor's draft for the form of this address; nothing happens where there is none."""
    mine = (DRAFTS.tenant_id == actor.tenant_id, DRAFTS.user_id == actor.user_id, DRAFTS.address == address)
    with commands.system_transaction(actor.tenant_id):
        db.session.execute(delete(table_of(FormDraft)).where(*mine))


def user_of_ended(tenant_id: int, sid: str) -> int | None:
    """The user whose session this was, where it has run out by itself; None for one he ended, and for none at all.

    Only of the same working day: what is typed into a browser somebody used last week is not his. None as well while
    his tenant is suspended, or once it is deleted: nothing of it is written any more.
    """
    rows = table_of(UserSession).c
    let_in = (TENANTS.c.suspended_at.is_(None), TENANTS.c.deleted_at.is_(None))
    lately = rows.last_seen_at > clock.now() - WORKING_DAY
    with commands.system_transaction(tenant_id):
        of_it = select(rows.user_id).join(TENANTS, TENANTS.c.id == rows.tenant_id)
        return db.session.execute(of_it.where(*of_sid(tenant_id, sid), lately, *let_in)).scalar_one_or_none()


def forget_old(tenant_id: int) -> int:
    """Delete a tenant's drafts older than KEPT_DAYS and return how many; a maintenance loop."""
    before = clock.now() - timedelta(days=KEPT_DAYS)
    old = delete(table_of(FormDraft)).where(DRAFTS.tenant_id == tenant_id, DRAFTS.saved_at < before)
    with commands.system_transaction(tenant_id):
        return len(db.session.execute(old.returning(DRAFTS.id)).all())


def _find(actor: Actor, known_by: str, value: object) -> Draft | None:
    given = {"tenant": actor.tenant_id, "whose": actor.user_id, "value": value}
    row = db.session.execute(_one(known_by), given).one_or_none()
    if row is None:
        return None
    record_read("draft.read", row.address[:LONGEST_SUBJECT])
    return Draft(row.id, row.address, [(name, text) for name, text in row.fields], row.saved_at)


@built_once
def _one(known_by: str) -> Select[Any]:
    """A user's draft by one of its columns; built once: each page of an episode asks for the one of its close form."""
    mine = (DRAFTS.tenant_id == bindparam("tenant"), DRAFTS.user_id == bindparam("whose"))
    columns = (DRAFTS.id, DRAFTS.address, DRAFTS.fields, DRAFTS.saved_at)
    return select(*columns).where(*mine, DRAFTS[known_by] == bindparam("value"))
