"""The sign-in directory: which tenant and user an e-mail address belongs to, known before any tenant is.

It is keyed by a hash and holds no address, because it stands outside row-level security.
"""

import hashlib

from sqlalchemy import select

from careapp.db import db, insert, table_of
from careapp.identity.models import SignInDirectory


def normalised(email: str) -> str:
    """The one form of an e-mail address: nobody signs in as somebody else by capitals or blanks."""
    return email.strip().casefold()


def find(email: str) -> tuple[int | None, int]:
    """The tenant and user of a normalised address; (None, 0), which finds no rows, where nobody has it."""
    table = table_of(SignInDirectory).c
    row = db.session.execute(
        select(table.tenant_id, table.user_id).where(table.email_hash == _key(email))
    ).one_or_none()
    return (row.tenant_id, row.user_id) if row else (None, 0)


def enter(email: str, *, tenant_id: int, user_id: int) -> None:
    """Give a normalised address to a user; the primary key refuses one that somebody has, in whichever tenant."""
    insert(
        SignInDirectory, SignInDirectory.user_id, email_hash=_key(email), tenant_id=tenant_id, user_id=user_id
    )  # fmt: skip


def _key(email: str) -> bytes:
    return hashlib.sha256(email.encode()).digest()
