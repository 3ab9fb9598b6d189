"""ID tokens and logout tokens: every check they have to pass.

The rules are those of OpenID Connect Core 1.0 §3.1.3.7 and Back-Channel Logout 1.0 §2.6. The algorithms are fixed here,
never chosen by a token. What is wrong is told to the log alone, by a code.
"""

import hmac
import time
from typing import Any

import jwt
from authlib.oidc.core.util import create_half_hash

from careapp.errors import Unauthenticated
from careapp.surface.jwks import KeySet

ALGORITHMS = ("RS256", "ES256", "PS256")
LONGEST_TOKEN = 16 * 1024  # characters
LONGEST_TEXT = 255  # characters of a subject, of a session's or a token's id
LEEWAY = 30  # seconds two clocks may differ
OLDEST = 600  # seconds since a token was made; each is used at once
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

Claims = dict[str, Any]


class Untrusted(Exception):
    """What came from the provider, or in its name, does not hold. The text is a code for the log."""


def read_id_token(
    raw: object, *, keys: KeySet, issuer: str, client_id: str, nonce: str, access_token: object,
    signed_in_since: int | None = None,
) -> Claims:  # fmt: skip
    """The claims of a good ID token. `signed_in_since`: the person must have signed in at the provider after it.

    Raises Untrusted, or Upstream while the provider's keys cannot be had.
    """
    claims, header = _signed(raw, ("jwt",), keys, issuer, client_id)
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise Untrusted("nonce")
    if "events" in claims:
        raise Untrusted("a logout token")
    short_text(claims.get("sub"), "sub")
    half = create_half_hash(access_token, header["alg"]) if isinstance(access_token, str) else None
    if "at_hash" in claims and (half is None or claims["at_hash"] != half.decode()):
        raise Untrusted("at_hash")
    if signed_in_since is not None:
        moment = claims.get("auth_time")
        if not isinstance(moment, int | float) or moment < signed_in_since - LEEWAY:
            raise Untrusted("auth_time")
    return claims


def read_logout_token(raw: object, *, keys: KeySet, issuer: str, client_id: str) -> Claims:
    """The claims of a good logout token: `sub`, `sid` or both, and a `jti` that the caller takes once."""
    claims, _ = _signed(raw, ("logout+jwt", "jwt"), keys, issuer, client_id)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise Untrusted("events")
    if "nonce" in claims:
        raise Untrusted("an ID token")
    short_text(claims.get("jti"), "jti")
    named = [name for name in ("sub", "sid") if name in claims]
    if not named:
        raise Untrusted("nobody named")
    for name in named:
        short_text(claims[name], name)
    return claims


def short_text(value: object, name: str) -> str:
    """The value, a text that can be stored and compared. Raises Untrusted for anything else."""
    if not isinstance(value, str) or not value or len(value) > LONGEST_TEXT or not value.isprintable():
        raise Untrusted(name)
    return value


def _signed(
    raw: object, types: tuple[str, ...], keys: KeySet, issuer: str, client_id: str
) -> tuple[Claims, dict[str, Any]]:
    """Claims and header of a token the provider has signed for this client, just now."""
    if not isinstance(raw, str) or len(raw) > LONGEST_TOKEN:
        raise Untrusted("no token")
    try:
        header = jwt.get_unverified_header(raw)
        if str(header.get("typ", "JWT")).lower() not in types or "crit" in header or header["alg"] not in ALGORITHMS:
            raise Untrusted("header")  # before a key is asked for: a junk token must not cause a fetch of keys
        key = keys.key(short_text(header.get("kid"), "kid"))
        claims: Claims = jwt.decode(
            raw, key, algorithms=[key.algorithm_name], audience=client_id, issuer=issuer, leeway=LEEWAY,
            options={"require": ["iss", "aud", "exp", "iat"]},
        )  # fmt: skip
    except jwt.PyJWTError as error:
        raise Untrusted(type(error).__name__) from error
    except Unauthenticated as error:
        raise Untrusted("unknown kid") from error
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise Untrusted("malformed") from error
    _timely_and_ours(claims, client_id)
    return claims, header


def _timely_and_ours(claims: Claims, client_id: str) -> None:
    """Times are numbers and near; the token is for this client alone, which trusts no other one."""
    if any(type(claims[name]) not in (int, float) for name in ("exp", "iat")):
        raise Untrusted("times")
    if claims["iat"] < time.time() - OLDEST - LEEWAY:
        raise Untrusted("old")
    if claims["aud"] not in (client_id, [client_id]) or claims.get("azp", client_id) != client_id:
        raise Untrusted("aud")
