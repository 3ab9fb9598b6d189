"""The code on a printed prescription: made from what is printed, so that a changed or invented paper is found out."""

import hashlib
import hmac
import json
import re
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

# Crockford's base 32: no I, L, O or U, so that nothing read from paper is taken for a digit, or for a word.
SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUP, GROUPS, BITS = 4, 3, 5  # 12 signs of 5 bits each: 60 bits, too many to be guessed through a page
SHOWN = 3  # letters
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None, "\u2013": None, "\t": None})
_LABEL = b"careapp: code of a printed prescription, 1"


@dataclass(frozen=True)
class Printed:
    """What a code vouches for. A prescription is never changed after its issue; its status is asked for instead."""

    tenant_key: str
    locator: str
    medication_text: str
    medication_code: str | None
    dosage: str
    quantity: int | None
    refills: int | None
    provider_locator: str
    party_locator: str
    issued_at: datetime

    @classmethod
    def of(cls, one: Any, tenant_key: str) -> Self:
        """From anything that has its fields by name, such as a row."""
        names = (field.name for field in fields(cls) if field.name != "tenant_key")
        return cls(tenant_key=tenant_key, **{name: getattr(one, name) for name in names})


def signing_key(secret: str) -> bytes:
    """The key of the codes, derived from the application's secret: whoever learns one does not learn the other.

    Another secret makes another key; papers of the old one are confirmed while SECRET_KEY_FALLBACKS names it (ADR 8).
    """
    return hmac.digest(secret.encode(), _LABEL, hashlib.sha256)


def code_of(key: bytes, printed: Printed) -> str:
    """The code of a paper, such as `7K2M-9QTD-41XB`: the first 60 bits of HMAC-SHA256 over all of it."""
    values = [one.astimezone(UTC).isoformat() if isinstance(one, datetime) else one for one in astuple(printed)]
    digest = hmac.digest(key, json.dumps(values).encode(), hashlib.sha256)
    number = int.from_bytes(digest) >> (8 * len(digest) - GROUP * GROUPS * BITS)
    signs = "".join(SIGNS[number >> (BITS * place) & (len(SIGNS) - 1)] for place in reversed(range(GROUP * GROUPS)))
    return "-".join(signs[start : start + GROUP] for start in range(0, len(signs), GROUP))


def is_code_of(key: bytes, printed: Printed, typed: str) -> bool:
    """Whether somebody has typed the code of this paper; compared in constant time."""
    return hmac.compare_digest(_plain(code_of(key, printed)), _plain(typed))


def beginning(medication: str) -> str:
    """How a medicine's name begins, such as `Amo…`: enough to notice another one on the paper."""
    letters = re.findall(r"[^\W_][^\w\s]*", medication)  # each with the marks that stand on it
    return "".join(letters[:SHOWN]) + "…"


def _plain(code: str) -> bytes:
    """A code without hyphens, blanks and capitals, and with what is easily misread put right."""
    return code.upper().translate(_MISREAD).encode("utf-8", "replace")
