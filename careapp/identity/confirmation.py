"""Confirming who one is: somebody signed in proves it once more, before a dangerous act or a change of password.

It stands outside commands like signing in, for the same reasons: the count of failures outlives the refusal, and no
connection is held while a password is hashed. Who has a second factor proves that: a password alone, which may be what
was stolen, would undo what the factor is for (NIST SP 800-63B-4 §2.2).
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Row, select

from careapp import clock, commands
from careapp.access import Actor
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.db import db, guarded_update, table_of
from careapp.errors import Invalid, Sentence, Unauthenticated
from careapp.identity import attempts, challenges, passkeys, passwords, second_stage, sessions
from careapp.identity.factor_rules import has_any
from careapp.identity.models import USERS, UserSession
from careapp.identity.passkeys import Site
from careapp.telemetry.metrics import SIGN_IN_FAILURES

MOST_FAILURES = 5  # in one session, which then ends: whoever sits there is perhaps not its owner
WRONG = Sentence("This is not your password.")
NOT_ENOUGH = Sentence("Confirm with your second factor: a password alone is not enough.")
ENDED = "You are signed out, because this failed too often. Sign in again."


def confirm_by_password(actor: Actor, session_id: int, password: str, *, address: str) -> str:
    """Take the actor's password as proof of who he is, and return the new value of his session.

    Raises TooMany while he has to wait, Invalid naming `password` for a wrong one or where he has a second factor,
    Unauthenticated where that was the last try and the session is ended.
    """
    begin(actor)
    if has_second_factor(actor):
        refuse(actor, session_id, Invalid({"password": NOT_ENOUGH}), way="password", address=address)
    check_password(actor, session_id, password, field="password", address=address)
    return confirmed(actor, session_id, way="password", address=address)


def confirm_by_code(actor: Actor, session_id: int, code: str, *, address: str) -> str:
    """Take a code of the actor's app, or one of his recovery codes, as proof; each is taken once.

    Returns the new value of his session. Raises as `confirm_by_password` does, naming `code`.
    """
    way, prove = second_stage.proof_of(code)
    return _confirm(actor, session_id, lambda: prove(actor.tenant_id, user_of(actor), code), "code", way, address)


def confirm_by_passkey(actor: Actor, session_id: int, answer: str, *, site: Site, address: str) -> str:
    """Take what a passkey of the actor's answered to `passkey_options` as proof. Raises as `confirm_by_code` does."""
    challenge = challenges.take(_binding(actor, session_id), passkeys.CONFIRM)

    def proved() -> bool:
        return passkeys.check(actor.tenant_id, user_of(actor), site=site, challenge=challenge, answer=answer)

    return _confirm(actor, session_id, proved, "passkey", "passkey", address)


def passkey_options(actor: Actor, session_id: int, site: Site) -> str:
    """What the browser needs to prove a passkey of the actor's, as JSON."""
    with commands.system_transaction(actor.tenant_id):
        keys = passkeys.descriptors(actor.tenant_id, user_of(actor))
    challenge = challenges.give(_binding(actor, session_id), passkeys.CONFIRM)
    return passkeys.proof_options(site, challenge, of=keys)


def has_second_factor(actor: Actor) -> bool:
    """Whether the actor has one, so that he proves that and no password."""
    mine = (USERS.tenant_id == actor.tenant_id, USERS.id == user_of(actor))
    with commands.system_transaction(actor.tenant_id):
        return bool(db.session.execute(select(has_any(USERS.tenant_id, USERS.id)).where(*mine)).scalar_one())


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
    SIGN_IN_FAILURES.labels("confirmation").inc()
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


def _confirm(
    actor: Actor, session_id: int, prove: Callable[[], bool], field: str, way: str, address: str
) -> str:  # fmt: skip
    begin(actor)
    with commands.system_transaction(actor.tenant_id):
        proved = prove()
    if not proved:
        refuse(actor, session_id, Invalid({field: second_stage.WRONG}), way=way, address=address)
    return confirmed(actor, session_id, way=way, address=address)


def _binding(actor: Actor, session_id: int) -> str:
    """What a challenge is bound to: the session, which nobody else holds."""
    return f"session:{actor.tenant_id}:{session_id}"


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
