"""Encryption of single columns with keys that rotate; whoever reads only the database reads nothing in them.

AES-256-GCM (NIST SP 800-38D) by `cryptography`, a random nonce a value; ADR 16 says why so. Kept is one text,
`enc1:KEY-ID:BASE64(nonce + ciphertext)`. Tenant and place are authenticated with it: copied to another row, column or
tenant it no longer opens. Keys come from the setting ENCRYPTION_KEYS; the first one writes, all of them read.
"""

import base64
import binascii
import os
from dataclasses import dataclass
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Text, cast
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import TypeDecorator

from careapp import tenancy
from careapp.config import Settings

MARK = "enc1:"
NONCE_BYTES = 12
UNREADABLE = "(This text cannot be read: its key is missing, or it was changed outside the application.)"

_log = structlog.get_logger()


class Unreadable(Exception):
    """A kept value does not open: its key is not configured, it was altered, or it belongs to another place."""


@dataclass(frozen=True)
class OfRow:
    """A text on its way into an encrypted column, and the row that it is bound to."""

    text: str
    row: object


@dataclass(frozen=True)
class _Ring:
    """The keys of this process by id; `first` writes."""

    first: str
    ciphers: dict[str, AESGCM]


_ring: _Ring | None = None


def init(settings: Settings) -> None:
    """Take the keys of the settings; create_app calls it once."""
    global _ring
    keys = settings.encryption_key_list()
    _ring = _Ring(keys[0][0], {name: AESGCM(key) for name, key in keys})


def encrypt(text: str, *, about: str) -> str:
    """The text encrypted for one place of the present tenant; `about` names the place, as `users.totp_secret/7`."""
    ring, nonce = _keys(), os.urandom(NONCE_BYTES)
    sealed = ring.ciphers[ring.first].encrypt(nonce, text.encode(), _bound_to(about))
    return f"{MARK}{ring.first}:{base64.b64encode(nonce + sealed).decode()}"


def decrypt(kept: str, *, about: str) -> str:
    """The text that was encrypted for this place of the present tenant. Raises Unreadable for anything else."""
    key_id = key_of(kept)
    cipher = _keys().ciphers.get(key_id or "")
    if key_id is None or cipher is None:
        raise Unreadable(f"{about}: there is no key {key_id!r}" if key_id else f"{about} is not encrypted")
    try:
        raw = base64.b64decode(kept.split(":", 2)[2], validate=True)
        return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound_to(about)).decode()
    except (InvalidTag, binascii.Error, ValueError):
        raise Unreadable(f"{about} was changed, or was encrypted for another place or tenant") from None


def key_of(kept: str) -> str | None:
    """The id of the key a kept value was encrypted with; None for one that is not encrypted."""
    parts = kept.split(":", 2)
    return parts[1] if len(parts) == 3 and kept.startswith(MARK) else None


def known_keys() -> frozenset[str]:
    """The ids of all keys this process can read with."""
    return frozenset(_keys().ciphers)


def writing_key() -> str:
    """The id of the key that new values are encrypted with."""
    return _keys().first


class EncryptedText(TypeDecorator[Any]):
    """A text column kept encrypted. It is written as `OfRow` and read as text, bound to tenant, column and row.

    `row` names the columns of the table that say which row it is. Rows from before encryption read as they stand,
    until `flask keys rotate` has passed. What does not open reads as UNREADABLE and stands in the log by its place: one
    broken value must not take a whole list with it.
    """

    impl = Text
    cache_ok = True

    def __init__(self, place: str, *, row: tuple[str, ...] = ("id",)) -> None:
        super().__init__()
        self.place, self.row = place, row

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """What a SELECT or RETURNING reads: the row, a slash, the kept value; NULL stays NULL."""
        plain = getattr(column, "element", column)  # a label names the column it stands for
        parts = plain.table.c
        told: ColumnElement[Any] = cast(parts[self.row[0]], Text)
        for name in self.row[1:]:
            told = told.concat(" ").concat(cast(parts[name], Text))
        return told.concat("/").op("||", return_type=self)(cast(column, Text))

    def process_bind_param(self, value: Any, dialect: object) -> str | None:
        """Encrypt on the way in; a bare text is refused, because nobody has said which row it is bound to."""
        if value is None:
            return None
        if not isinstance(value, OfRow):
            raise TypeError(f"{self.place} is encrypted: write it as crypto.OfRow(text, row)")
        return encrypt(value.text, about=f"{self.place}/{value.row}")

    def process_result_value(self, value: str | None, dialect: object) -> str | None:
        """Decrypt on the way out."""
        if value is None:
            return None
        row, kept = value.split("/", 1)
        if not kept.startswith(MARK):
            return kept
        try:
            return decrypt(kept, about=f"{self.place}/{row}")
        except Unreadable as fault:
            _log.error("an encrypted value does not open", where=str(fault))
            return UNREADABLE


def _bound_to(about: str) -> bytes:
    """The associated data: tenant and place. Raises RuntimeError where no tenant is bound."""
    tenant = tenancy.current()
    if tenant is None:
        raise RuntimeError("nothing is encrypted or decrypted outside a tenant")
    return f"{tenant}/{about}".encode()


def _keys() -> _Ring:
    if _ring is None:
        raise RuntimeError("crypto.init() has not run")
    return _ring
