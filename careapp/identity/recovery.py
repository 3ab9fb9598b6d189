"""Recovery codes: ten random values, shown once, each good once, for the day a phone is lost (ASVS 5.0 6.5).

Each holds 138 random bits, so its SHA-256 is as good as a slow hash would be (6.5.2 asks for 112).
"""

import hashlib

from sqlalchemy import delete, func, select

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import command, record
from careapp.db import db, guarded_update, insert_many, table_of
from careapp.identity import passwords
from careapp.identity.actors import lock_user, own_id
from careapp.identity.models import RecoveryCode

HOW_MANY = 10
CODES = table_of(RecoveryCode)


@command(Permission.OWN_ACCOUNT)
def make(actor: Actor) -> tuple[str, ...]:
    """New codes in place of those the actor has; nobody can read them again."""
    user_id = own_id(actor)
    lock_user(actor.tenant_id, user_id)  # of two who make some at once, the second replaces the first one's
    made = tuple(passwords.made() for _ in range(HOW_MANY))
    forget(actor.tenant_id, user_id)
    insert_many(
        RecoveryCode, [{"tenant_id": actor.tenant_id, "user_id": user_id, "code_hash": _hash(code)} for code in made]
    )
    record("factor.recovery_codes", actor.name, count=len(made))
    return made


def made_if_none(actor: Actor) -> tuple[str, ...]:
    """New codes where the actor has none that still works; else nothing."""
    return () if left(actor.tenant_id, own_id(actor)) else make(actor)


def use(tenant_id: int, user_id: int, code: str) -> bool:
    """Whether this is a code of the user that still works; asking uses it up, in the present transaction."""
    mine = (CODES.c.tenant_id == tenant_id, CODES.c.user_id == user_id, CODES.c.code_hash == _hash(code))
    return guarded_update(RecoveryCode, *mine, CODES.c.used_at.is_(None), used_at=clock.now()) is not None


def left(tenant_id: int, user_id: int) -> int:
    """How many codes of the user still work."""
    mine = (CODES.c.tenant_id == tenant_id, CODES.c.user_id == user_id, CODES.c.used_at.is_(None))
    return db.session.execute(select(func.count()).select_from(CODES).where(*mine)).scalar_one()


def forget(tenant_id: int, user_id: int) -> None:
    """Delete all codes of a user."""
    db.session.execute(delete(CODES).where(CODES.c.tenant_id == tenant_id, CODES.c.user_id == user_id))


def _hash(code: str) -> bytes:
    """The hash of a code as typed: capitals, blanks and dashes are the reader's."""
    return hashlib.sha256("".join(sign for sign in code.casefold() if sign.isalnum()).encode()).digest()
