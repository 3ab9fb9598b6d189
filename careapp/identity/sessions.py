"""Sessions: one row for each sign-in. The browser holds a random value of which only the hash is kept here.

Ending the row ends the session at once, which a signed cookie alone cannot do. These functions stand outside commands:
they find out who the actor is, so there is none yet.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, ColumnElement, LargeBinary, Select, any_, bindparam, delete, func, select, update

from careapp import clock, commands
from careapp.access import Actor
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.config import Settings
from careapp.db import db, guarded_update, insert, table_of
from careapp.errors import TenantSuspended
from careapp.identity import factor_rules
from careapp.identity.actors import TENANTS, actor_for_user, refuse_closed, users_joined
from careapp.identity.models import User, UserSession
from careapp.identity.preferences import Preferences, preference_columns, tenant_columns
from careapp.kept import built_once

SEEN_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=30)  # after it was last used
ROWS = table_of(UserSession)


@dataclass(frozen=True)
class Origin:
    """Where a session is begun: the network address, and the device ("Chrome on Windows") where it is known."""

    address: str | None = None
    device: str | None = None


@dataclass(frozen=True)
class OpenSession:
    """What a live session is known by: `confirmed_at` is when its holder last proved in it who he is, `factors` what he
    proved it with at sign-in; `federated` says that it was begun at an identity provider.

    With `needs_new_password` it is good for nothing but choosing one, with `needs_factor` for nothing but enrolling.
    """

    id: int
    created_at: datetime
    confirmed_at: datetime
    needs_new_password: bool = False
    factors: tuple[str, ...] = ()
    federated: bool = False
    needs_factor: bool = False


class Holder(NamedTuple):
    """Who holds a session, how he likes pages, and the session."""

    actor: Actor
    preferences: Preferences
    session: OpenSession


def start(tenant_id: int, user_id: int, *, origin: Origin | None = None, **values: Any) -> str:
    """Write a new session in the present transaction and return the value the browser will hold (256 random bits).

    `values` are more columns of its row: its factors, and the identity and the session at the provider it stands on.
    Every way of signing in ends here: raises TenantSuspended, and Unauthenticated where the tenant is deleted.
    """
    refuse_closed(tenant_id)
    sid, now, origin = secrets.token_urlsafe(32), clock.now(), origin or Origin()
    insert(
        UserSession, UserSession.id,
        tenant_id=tenant_id, sid_hash=_hash(sid), user_id=user_id, created_at=now, last_seen_at=now, confirmed_at=now,
        address=origin.address, device=origin.device, **values,
    )  # fmt: skip
    return sid


@contextmanager
def suspension_audited(tenant_id: int, user_id: int, origin: Origin) -> Iterator[None]:
    """Keep in the log that a user, who has proved who he is, was not let in because his tenant is suspended."""
    try:
        yield
    except TenantSuspended as refusal:
        detail = {"code": refusal.code, "address": origin.address}
        with commands.system_transaction(tenant_id):
            audit.write(tenant_id, "nobody", [AuditRow("user.sign_in", "refused", f"user:{user_id}", detail=detail)])
        raise


def renew(tenant_id: int, session_id: int, **values: Any) -> str | None:
    """Give a session a new value in the present transaction, so that a copy of the old one is worth nothing (ASVS 5.0
    7.2.4), change `values` of its row, and return the new one; None where it is over.
    """
    sid = secrets.token_urlsafe(32)
    row = guarded_update(UserSession, *_of_id(tenant_id, session_id), sid_hash=_hash(sid), **values)
    return sid if row else None


def session_actor(tenant_id: int, sid: str, *, settings: Settings, poll: bool = False) -> Holder | None:
    """Who holds this session, or None where it is over: ended, idle or open too long, or its user disabled.

    Raises TenantSuspended for one that goes on when its tenant is let in again. Reads once. Writes that it was seen at
    most once a minute, and never for a `poll`: a forgotten screen must run out.
    """
    now = clock.now()
    given = {"tenant": tenant_id, "sid_hash": _hash(sid), **limits(settings)}
    with commands.first_read(tenant_id):
        row = db.session.execute(_live_session(), given).one_or_none()
    if row is None:
        return None
    actor = actor_for_user(row)
    if not poll and row.last_seen_at < now - SEEN_EVERY:
        with commands.system_transaction(tenant_id):
            _seen(tenant_id, sid, now)
    session = OpenSession(
        row.session_id, row.begun_at, row.proved_at, row.needs_new_password, tuple(row.factors), bool(row.federated_id),
        row.needs_factor,
    )  # fmt: skip
    return Holder(actor, Preferences.of(row), session)


def good_sessions(tenant_id: int, sids: Collection[str], *, settings: Settings) -> frozenset[str]:
    """Which of these sessions of a tenant go on and are good for every page their holders may open, in one statement:
    of any other one `session_actor` finds nobody, or somebody who is led elsewhere first. It marks none as seen.
    """
    hashes = {_hash(sid): sid for sid in sids}
    given = {"tenant": tenant_id, "sid_hashes": list(hashes), **limits(settings)}
    with commands.first_read(tenant_id):
        found = db.session.execute(_good_sessions(), given).scalars().all()
    return frozenset(hashes[bytes(one)] for one in found)


def limits(settings: Settings) -> dict[str, datetime]:
    """The values of `live()`: a session last seen, or begun, before these is over (ASVS 5.0 7.3)."""
    now = clock.now()
    return {
        "seen_after": now - timedelta(seconds=settings.session_idle_seconds),
        "begun_after": now - timedelta(seconds=settings.session_life_seconds),
    }


def live() -> tuple[ColumnElement[bool], ...]:
    """The conditions of a session that is neither ended nor idle nor open for too long; `limits()` are their values."""
    return (
        ROWS.c.ended_at.is_(None),
        ROWS.c.last_seen_at > bindparam("seen_after"),
        ROWS.c.created_at > bindparam("begun_after"),
    )


@built_once
def _live_session() -> Select[Any]:
    """The session with its user, where it is live; built once, as each page asks it."""
    mine, users = ROWS, table_of(User)
    session = (
        mine.c.id.label("session_id"), mine.c.created_at.label("begun_at"), mine.c.last_seen_at,
        func.coalesce(mine.c.confirmed_at, mine.c.created_at).label("proved_at"), users.c.needs_new_password,
        mine.c.factors, mine.c.federated_id, factor_rules.missing().label("needs_factor"),
    )  # fmt: skip
    found = users_joined(*session, *preference_columns(), *tenant_columns(mine.c.tenant_id))
    return _of_holders(found).where(mine.c.sid_hash == bindparam("sid_hash"))


@built_once
def _good_sessions() -> Select[Any]:
    """The hashes of those of `sid_hashes` that are good; built once, as each screen asks it."""
    users = table_of(User).c
    mine = ROWS.c.sid_hash == any_(bindparam("sid_hashes", type_=ARRAY(LargeBinary)))
    finished = ~users.needs_new_password, ~factor_rules.missing()
    open_to_all = TENANTS.c.suspended_at.is_(None), TENANTS.c.deleted_at.is_(None)
    return _of_holders(select(ROWS.c.sid_hash)).where(mine, *finished, *open_to_all)


def _of_holders(columns: Select[Any]) -> Select[Any]:
    """A select of a tenant's live sessions (`tenant`), each with its user, who is not disabled, and its tenant."""
    users = table_of(User).c
    return (
        columns.select_from(ROWS)
        .join(table_of(User), (users.tenant_id == ROWS.c.tenant_id) & (users.id == ROWS.c.user_id))
        .join(TENANTS, TENANTS.c.id == ROWS.c.tenant_id)
        .where(ROWS.c.tenant_id == bindparam("tenant"), *live(), users.disabled_at.is_(None))
    )


def end_session(tenant_id: int, sid: str, reason: str, *, address: str) -> bool:
    """End one session and audit it; nothing happens where it is over already. Says whether a provider's one goes on."""
    told = (ROWS.c.user_id, ROWS.c.federated_id)
    with commands.system_transaction(tenant_id):
        held = db.session.execute(select(ROWS.c.id).where(*of_sid(tenant_id, sid))).scalar_one_or_none()
        this = _of_id(tenant_id, held or 0)  # by its id, as it may be given another value at this moment
        row = guarded_update(UserSession, *this, returning=told, ended_at=clock.now(), end_reason=reason)
        if row:
            who = f"user:{row.user_id}"
            detail = {"reason": reason, "address": address}
            audit.write(tenant_id, who, [AuditRow("user.sign_out", "done", who, detail=detail)])
    return row is not None and row.federated_id is not None


def was_ended(tenant_id: int, sid: str) -> bool:
    """Whether somebody has ended this session, as against one that has run out, and one there is no more."""
    mine = (ROWS.c.tenant_id == tenant_id, ROWS.c.sid_hash == _hash(sid), ROWS.c.ended_at.is_not(None))
    with commands.system_transaction(tenant_id):
        return db.session.execute(select(ROWS.c.id).where(*mine)).one_or_none() is not None


def end_one(tenant_id: int, user_id: int, session_id: int, reason: str) -> bool:
    """End one session of a user, in the present transaction; False where he has no such session that is not ended."""
    his = (*_of_id(tenant_id, session_id), ROWS.c.user_id == user_id)
    return guarded_update(UserSession, *his, ended_at=clock.now(), end_reason=reason) is not None


def end_all(tenant_id: int, user_id: int, reason: str, *, but: int | None = None) -> int:
    """End every session of a user, in the present transaction, and return how many there were; the one with the id
    `but` stays.
    """
    his = [ROWS.c.tenant_id == tenant_id, ROWS.c.user_id == user_id, ROWS.c.ended_at.is_(None)]
    if but is not None:
        his.append(ROWS.c.id != but)
    ended = update(ROWS).where(*his).values(ended_at=clock.now(), end_reason=reason).returning(ROWS.c.id)
    return len(db.session.execute(ended).all())


def forget_old(tenant_id: int) -> int:
    """Delete a tenant's sessions that nobody has used for 30 days, and return how many; a maintenance loop.

    What was done in them stays in the audit log.
    """
    old = delete(ROWS).where(ROWS.c.tenant_id == tenant_id, ROWS.c.last_seen_at < clock.now() - KEPT)
    with commands.system_transaction(tenant_id):
        return len(db.session.execute(old.returning(ROWS.c.id)).all())


def of_sid(tenant_id: int, sid: str) -> tuple[ColumnElement[bool], ...]:
    """The session a browser holds, unless it was ended, as conditions on its row."""
    return ROWS.c.tenant_id == tenant_id, ROWS.c.sid_hash == _hash(sid), ROWS.c.ended_at.is_(None)


def _of_id(tenant_id: int, session_id: int) -> tuple[ColumnElement[bool], ...]:
    return ROWS.c.tenant_id == tenant_id, ROWS.c.id == session_id, ROWS.c.ended_at.is_(None)


def _seen(tenant_id: int, sid: str, now: datetime) -> None:
    guarded_update(UserSession, *of_sid(tenant_id, sid), last_seen_at=now)


def _hash(sid: str) -> bytes:
    return hashlib.sha256(sid.encode()).digest()
