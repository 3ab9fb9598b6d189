"""Signed requests between services: what is signed, and the headers that carry the signature. Both sides use this.

A caller in another language does the same: docs/security/api-tokens.md has the text line by line, and a worked example.
"""

import hmac
import re
import secrets
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote, unquote_to_bytes

from careapp import clock

SCHEME = "careapp-hmac-sha256-1"
KEY, TIME, NONCE, SIGNATURE = "X-Internal-Key", "X-Internal-Time", "X-Internal-Nonce", "X-Internal-Signature"
HEADERS = (KEY, TIME, NONCE, SIGNATURE)
SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)  # since 1970, as decimal digits
NONCES = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


def signed_headers(
    method: str, path_with_query: str, body: bytes, *, tenant: str, key_id: str, secret: str,
    now: datetime | None = None, nonce: str | None = None,
) -> dict[str, str]:  # fmt: skip
    """The four headers that sign one request: key, time, nonce, signature. A retry needs new ones.

    `path_with_query` is what follows the host in the address, just as it is sent. `now` and `nonce` are for tests.
    """
    path, _, query = path_with_query.partition("?")
    at, number = str(int((now or clock.now()).timestamp())), nonce or secrets.token_urlsafe(24)
    text = canonical_text(
        method, unquote_to_bytes(path), query, body, tenant=tenant, key_id=key_id, time=at, nonce=number
    )
    return {KEY: key_id, TIME: at, NONCE: number, SIGNATURE: signature(text, secret)}


def canonical_text(
    method: str, path: bytes, query: str, body: bytes, *, tenant: str, key_id: str, time: str, nonce: str
) -> str:
    """The text a signature is over. `path` is decoded, as an application sees it; `query` is as it was sent.

    Host and port are not in it, so that a request may pass through a proxy; the tenant is, so that one tenant's key
    never speaks for another. No part can hold a line break, so no two requests have the same text.
    """
    lines = (SCHEME, tenant, key_id, method.upper(), quote(path), query, sha256(body).hexdigest(), time, nonce)
    return "\n".join(lines)


def signature(text: str, secret: str) -> str:
    """HMAC-SHA256 (RFC 2104) of the text, as 64 lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), text.encode(), sha256).hexdigest()
