"""Challenges for passkeys: random, bound to one browser and one purpose, good for five minutes and once.

The browser's value (its session's, its half session's, or one made for the purpose) is kept only as a hash. A new
challenge replaces the one before it, so that nobody collects them.
"""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from careapp import clock, commands
from careapp.db import db, table_of
from careapp.identity.models import WebauthnChallenge

GOOD_FOR = timedelta(minutes=5)
CHALLENGES = table_of(WebauthnChallenge)


def give(binding: str, purpose: str) -> bytes:
    """A new challenge for the browser that holds `binding`, in a transaction of its own."""
    challenge, expires = secrets.token_bytes(32), clock.now() + GOOD_FOR
    values = {"binding_hash": _hash(binding), "purpose": purpose, "challenge": challenge, "expires_at": expires}
    fresh = postgres_insert(CHALLENGES).values(values)
    replacing = fresh.on_conflict_do_update(
        index_elements=["binding_hash", "purpose"], set_={"challenge": challenge, "expires_at": expires}
    )
    with commands.system_transaction(None):
        db.session.execute(replacing)
    return challenge


def take(binding: str, purpose: str) -> bytes | None:
    """The browser's challenge, which is gone by asking, whatever comes of it; None where it has none that is good."""
    mine = (CHALLENGES.c.binding_hash == _hash(binding), CHALLENGES.c.purpose == purpose)
    with commands.system_transaction(None):
        row = db.session.execute(
            delete(CHALLENGES).where(*mine).returning(CHALLENGES.c.challenge, CHALLENGES.c.expires_at)
        ).one_or_none()
    return row.challenge if row and row.expires_at > clock.now() else None


def forget_old() -> int:
    """Delete challenges nobody answered in time, and return how many; jobs run it."""
    with commands.system_transaction(None):
        old = delete(CHALLENGES).where(CHALLENGES.c.expires_at < clock.now()).returning(CHALLENGES.c.purpose)
        return len(db.session.execute(old).all())


def _hash(binding: str) -> bytes:
    return hashlib.sha256(binding.encode()).digest()
