"""Sessions: one row for each sign-in. The browser holds a random value of which only the hash is kept here.

Ending the row ends the session at once, which a signed cookie alone cannot do. These functions stand outside commands:
they find out who the actor is, so there is none yet.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, update

from careapp import clock, commands
from careapp.access import Actor
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.config import Settings
from careapp.db import db, guarded_update, insert, table_of
from careapp.identity.actors import TENANTS, actor_for_user, users_joined
from careapp.identity.models import User, UserSession
from careapp.identity.preferences import Preferences, preference_columns, tenant_columns

SEEN_EVERY = timedelta(minutes=1)


def start(tenant_id: int, user_id: int, *, federated_id: int | None = None, idp_sid: str | None = None) -> str:
    """Write a new session in the present transaction and return the value the browser will hold (256 random bits).

    `federated_id` and `idp_sid`: the identity, and the session at the provider, that it stands on.
    """
    sid, now = secrets.token_urlsafe(32), clock.now()
    insert(
        UserSession, UserSession.id,
        tenant_id=tenant_id, sid_hash=_hash(sid), user_id=user_id, created_at=now, last_seen_at=now,
        federated_id=federated_id, idp_sid=idp_sid,
    )  # fmt: skip
    return sid


def session_actor(
    tenant_id: int, sid: str, *, settings: Settings, poll: bool = False
) -> tuple[Actor, Preferences] | None:
    """Who holds this session and how he likes pages, or None where it is over: ended, idle or open too long, or its
    user disabled.

    Reads once. Writes that it was seen at most once a minute, and never for a `poll`: a forgotten screen must run out.
    """
    now = clock.now()
    given = {
        "tenant": tenant_id,
        "sid_hash": _hash(sid),
        "seen_after": now - timedelta(seconds=settings.session_idle_seconds),
        "begun_after": now - timedelta(seconds=settings.session_life_seconds),
    }
    with commands.system_transaction(tenant_id):
        row = db.session.execute(_live_session(), given).one_or_none()
        if row is None:
            return None
        if not poll and row.last_seen_at < now - SEEN_EVERY:
            _seen(tenant_id, sid, now)
    return actor_for_user(row), Preferences.of(row)


@cache
def _live_session() -> Select[Any]:
    """The session with its user, where it is live; built once, as each page asks it."""
    mine, users = table_of(UserSession), table_of(User)
    return (
        users_joined(mine.c.last_seen_at, *preference_columns(), *tenant_columns(mine.c.tenant_id))
        .select_from(mine)
        .join(users, (users.c.tenant_id == mine.c.tenant_id) & (users.c.id == mine.c.user_id))
        .join(TENANTS, TENANTS.c.id == mine.c.tenant_id)
        .where(
            mine.c.tenant_id == bindparam("tenant"),
            mine.c.sid_hash == bindparam("sid_hash"),
            mine.c.ended_at.is_(None),
            mine.c.last_seen_at > bindparam("seen_after"),
            mine.c.created_at > bindparam("begun_after"),
            users.c.disabled_at.is_(None),
        )
    )


def end_session(tenant_id: int, sid: str, reason: str, *, address: str) -> bool:
    """End one session and audit it; nothing happens where it is over already. Says whether a provider's one goes on."""
    mine = table_of(UserSession).c
    with commands.system_transaction(tenant_id):
        row = guarded_update(
            UserSession,
            mine.tenant_id == tenant_id, mine.sid_hash == _hash(sid), mine.ended_at.is_(None),
            returning=(mine.user_id, mine.federated_id), ended_at=clock.now(), end_reason=reason,
        )  # fmt: skip
        if row:
            who = f"user:{row.user_id}"
            detail = {"reason": reason, "address": address}
            audit.write(tenant_id, who, [AuditRow("user.sign_out", "done", who, detail=detail)])
    return row is not None and row.federated_id is not None


def end_all(tenant_id: int, user_id: int, reason: str) -> int:
    """End every session of a user, in the present transaction, and return how many there were."""
    mine = table_of(UserSession)
    ended = db.session.execute(
        update(mine)
        .where(mine.c.tenant_id == tenant_id, mine.c.user_id == user_id, mine.c.ended_at.is_(None))
        .values(ended_at=clock.now(), end_reason=reason)
        .returning(mine.c.id)
    )
    return len(ended.all())


def _seen(tenant_id: int, sid: str, now: datetime) -> None:
    mine = table_of(UserSession).c
    guarded_update(
        UserSession, mine.tenant_id == tenant_id, mine.sid_hash == _hash(sid), mine.ended_at.is_(None), last_seen_at=now
    )


def _hash(sid: str) -> bytes:
    return hashlib.sha256(sid.encode()).digest()
