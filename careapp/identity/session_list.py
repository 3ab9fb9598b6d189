"""Where somebody is signed in: the list of his sessions, and ending one of them, by himself or an administrator."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, select

from careapp import commands
from careapp.access import Actor, Permission
from careapp.commands import command, query
from careapp.config import Settings
from careapp.db import at_most, db
from careapp.errors import NotFound
from careapp.identity import sessions
from careapp.identity.actors import lock_user
from careapp.identity.confirmation import user_of
from careapp.identity.sessions import ROWS
from careapp.kept import built_once
from careapp.views import View

MOST_LISTED = 100


class SessionView(View):
    """A live session as its list shows it; device and address are as they were at sign-in, or unknown, and `factors`
    are what its holder signed in with.
    """

    id: int
    device: str | None
    address: str | None
    created_at: datetime
    last_seen_at: datetime
    factors: tuple[str, ...]


@query(Permission.OWN_ACCOUNT)
def list_own_sessions(actor: Actor, *, settings: Settings) -> list[SessionView]:
    """Where the actor is signed in, the place last used first (ASVS 5.0 7.5.2)."""
    return _list(actor, user_of(actor), settings)


@query(Permission.USER_MANAGE)
def list_sessions_of(actor: Actor, user_id: int, *, settings: Settings) -> list[SessionView]:
    """Where a user of the actor's tenant is signed in; nobody else's sessions are listed (ASVS 5.0 7.4.5)."""
    return _list(actor, user_id, settings)


@command(Permission.OWN_ACCOUNT)
def end_own_session(actor: Actor, session_id: int) -> None:
    """Sign the actor out in one place. Raises NotFound for a session that is over, or somebody else's."""
    _end(actor, user_of(actor), session_id, "ended from the list")


@command(Permission.OWN_ACCOUNT)
def end_own_other_sessions(actor: Actor, session_id: int) -> int:
    """Sign the actor out everywhere but in the session he does it in, and return how many sessions that ended."""
    lock_user(actor.tenant_id, user_of(actor))  # two who end many at once would each wait for the other's
    ended = sessions.end_all(actor.tenant_id, user_of(actor), "ended from the list", but=session_id)
    commands.record("user.end_sessions", actor.name, sessions_ended=ended)
    return ended


@command(Permission.USER_MANAGE)
def end_session_of(actor: Actor, user_id: int, session_id: int) -> None:
    """Sign a user out in one place. Raises NotFound for a session that is over, and for another tenant's user."""
    _end(actor, user_id, session_id, "ended by an administrator")


def _end(actor: Actor, user_id: int, session_id: int, reason: str) -> None:
    if not sessions.end_one(actor.tenant_id, user_id, session_id, reason):
        raise NotFound()
    commands.record("user.end_session", f"user:{user_id}", sessions_ended=1)


def _list(actor: Actor, user_id: int, settings: Settings) -> list[SessionView]:
    given = {"tenant": actor.tenant_id, "user": user_id, **sessions.limits(settings)}
    return SessionView.of_each(db.session.execute(_listed(), given))


@built_once
def _listed() -> Select[Any]:
    his = (ROWS.c.tenant_id == bindparam("tenant"), ROWS.c.user_id == bindparam("user"))
    columns = (ROWS.c[name] for name in SessionView.model_fields)
    newest_first = (ROWS.c.last_seen_at.desc(), ROWS.c.id.desc())
    return select(*columns).where(*his, *sessions.live()).order_by(*newest_first).limit(at_most(MOST_LISTED))
