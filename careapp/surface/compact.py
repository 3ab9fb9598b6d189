"""A signed token in its compact form (RFC 7515 §3.1), read strictly before any library sees it.

Libraries take padding, stray bits and the last of two equal keys; two readers could then see two different tokens.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from careapp.surface.json_input import no_repeats, refuse_constant

PART = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
EXTENSIONS = ("crit", "b64", "zip", "enc")  # of a header we would have to understand, and do not


@dataclass(frozen=True)
class Unverified:
    """What a token says of itself. Nothing in it may be believed yet, but which keys to ask about it."""

    header: dict[str, Any]
    claims: dict[str, Any]


def read(raw: str) -> Unverified:
    """Header and claims of a token of exactly three parts, each in the one way base64url has of writing it.

    Raises ValueError (RecursionError for absurd depth) for all else: five parts (encrypted), padding, repeated keys.
    """
    header, claims, _signature = (_bytes(part) for part in _three(raw))
    found = Unverified(_object(header), _object(claims))
    if any(name in found.header for name in EXTENSIONS):
        raise ValueError("the token asks for an extension")
    return found


def _three(raw: str) -> list[str]:
    parts = raw.split(".")
    if len(parts) != 3:
        raise ValueError("the token has not three parts")
    return parts


def _bytes(part: str) -> bytes:
    if not PART.fullmatch(part):
        raise ValueError("a part of the token is not base64url")
    found = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != part:
        raise ValueError("a part of the token has stray bits")
    return found


def _object(part: bytes) -> dict[str, Any]:
    value = json.loads(part.decode("utf-8"), object_pairs_hook=no_repeats, parse_constant=refuse_constant)
    if not isinstance(value, dict):
        raise ValueError("a part of the token is no object")
    return value
