"""Confirming who one is: somebody signed in proves it once more, before a dangerous act or a change of password.

It stands outside commands like signing in, for the same reasons: the count of failures outlives the refusal, and no
connection is held while a password is hashed. Whatever else proves somebody (a code, a passkey, a provider) is asked
between `begin` and either `confirmed` or `refuse`.
"""

from typing import Any

from sqlalchemy import Row, select

from careapp import clock, commands
from careapp.access import Actor
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.db import db, guarded_update, table_of
from careapp.errors import Invalid, Unauthenticated
from careapp.identity import attempts, passwords, sessions
from careapp.identity.models import USERS, UserSession

MOST_FAILURES = 5  # in one session, which then ends: whoever sits there is perhaps not its owner
WRONG = "This is not your password."
ENDED = "You are signed out, because this failed too often. Sign in again."


def confirm_by_password(actor: Actor, session_id: int, password: str, *, address: str) -> str:
    """Take the actor's password as proof of who he is, and return the new value of his session.

    Raises TooMany while he has to wait, Invalid naming `password` for a wrong one, Unauthenticated where that was the
    last try and the session is ended.
    """
    begin(actor)
    check_password(actor, session_id, password, field="password", address=address)
    return confirmed(actor, session_id, way="password", address=address)


def begin(actor: Actor) -> None:
    """Let one try through and count it as failed until it is `confirmed`. Raises TooMany while he has to wait."""
    with commands.system_transaction(actor.tenant_id):
        attempts.admit_confirmation(actor.tenant_id, user_of(actor))


def confirmed(actor: Actor, session_id: int, *, way: str, address: str) -> str:
    """Keep that the actor proved just now who he is, in which way, and return the new value of his session.

    Raises Unauthenticated where the session has ended meanwhile.
    """
    with commands.system_transaction(actor.tenant_id):
        sid = sessions.renew(actor.tenant_id, session_id, confirmed_at=clock.now(), confirm_failures=0)
        if sid is None:
            raise Unauthenticated()
        attempts.clear_confirmation(actor.tenant_id, user_of(actor))
        _audit(actor, "user.confirm", "done", way=way, address=address)
    return sid


def refuse(actor: Actor, session_id: int, refusal: Invalid, *, way: str, address: str) -> None:
    """Count and audit a failed proof, then raise `refusal`; Unauthenticated instead where the session ends with it."""
    count = table_of(UserSession).c
    mine = (count.tenant_id == actor.tenant_id, count.id == session_id, count.ended_at.is_(None))
    with commands.system_transaction(actor.tenant_id):
        attempts.count_address_failure(address)
        row = guarded_update(
            UserSession, *mine, returning=(count.confirm_failures,), confirm_failures=count.confirm_failures + 1
        )
        over = row is None or row.confirm_failures >= MOST_FAILURES
        if row and over:
            sessions.end_one(actor.tenant_id, user_of(actor), session_id, "failed to confirm")
        _audit(actor, "user.confirm", "refused", way=way, address=address, session_ended=over)
    if over:
        raise Unauthenticated(ENDED)
    raise refusal


def check_password(actor: Actor, session_id: int, password: str, *, field: str, address: str) -> str:
    """The stored hash of the actor's password, if `password` is it; else refuses, as `refuse` does, naming `field`."""
    with commands.system_transaction(actor.tenant_id):
        user = _user(actor)
    if not passwords.verify(user.password_hash if user else None, password):
        refuse(actor, session_id, Invalid({field: WRONG}), way="password", address=address)
    assert user, "of nobody no password is right"
    return str(user.password_hash)


def user_of(actor: Actor) -> int:
    """The id of the user an actor of a session is."""
    assert actor.user_id is not None, "who has a session is a user"
    return actor.user_id


def _user(actor: Actor) -> Row[Any] | None:
    mine = (USERS.tenant_id == actor.tenant_id, USERS.id == user_of(actor), USERS.disabled_at.is_(None))
    return db.session.execute(select(USERS.password_hash).where(*mine)).one_or_none()


def _audit(actor: Actor, action: str, outcome: str, **detail: Any) -> None:
    row = AuditRow(action, outcome, actor.name, detail=detail)
    audit.write(actor.tenant_id, actor.name, [row], purpose=actor.purpose)
