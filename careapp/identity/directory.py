"""The sign-in directory: which tenant and user an e-mail address, or a provider's subject, belongs to: known before any
tenant is.

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
    return _find(_key(email))


def enter(email: str, *, tenant_id: int, user_id: int) -> None:
    """Give a normalised address to a user; the primary key refuses one that somebody has, in whichever tenant."""
    _enter(_key(email), tenant_id, user_id)


def find_subject(issuer: str, subject: str) -> tuple[int | None, int]:
    """The same for somebody whom an identity provider knows by `subject`."""
    return _find(_subject_key(issuer, subject))


def enter_subject(issuer: str, subject: str, *, tenant_id: int, user_id: int) -> None:
    """Give a provider's subject to a user; the primary key refuses one that somebody has, in whichever tenant."""
    _enter(_subject_key(issuer, subject), tenant_id, user_id)


def _find(key: bytes) -> tuple[int | None, int]:
    table = table_of(SignInDirectory).c
    row = db.session.execute(select(table.tenant_id, table.user_id).where(table.email_hash == key)).one_or_none()
    return (row.tenant_id, row.user_id) if row else (None, 0)


def _enter(key: bytes, tenant_id: int, user_id: int) -> None:
    insert(SignInDirectory, SignInDirectory.user_id, email_hash=key, tenant_id=tenant_id, user_id=user_id)


def _subject_key(issuer: str, subject: str) -> bytes:
    """NUL stands in no address, so that a subject is never taken for one."""
    return hashlib.sha256(f"oidc\0{issuer}\0{subject}".encode()).digest()


def _key(email: str) -> bytes:
    return hashlib.sha256(email.encode()).digest()
