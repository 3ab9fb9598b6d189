"""Our own signing keys: the first signs, all are published and accepted, so that a rotation needs no stop.

To rotate: enter the new key second and restart (it is published, nothing signs with it); ten minutes later put it
first; take the old one out when its last token has run out, after a quarter of an hour.
"""

import base64
import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

ALGORITHM = "ES256"  # RFC 7518 §3.4
PEM = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.S)


@dataclass(frozen=True)
class SigningKey:
    """A private key, and the id it is published under: its thumbprint (RFC 7638), so that nobody has to invent one."""

    kid: str
    private: EllipticCurvePrivateKey

    @property
    def public(self) -> EllipticCurvePublicKey:
        """The half that everybody may know."""
        return self.private.public_key()

    def jwk(self) -> dict[str, Any]:
        """The public half as it is published (RFC 7517)."""
        return {**_point(self.public), "kid": self.kid, "use": "sig", "alg": ALGORITHM}


def signing_keys(pems: str) -> list[SigningKey]:
    """The keys in one text of PEM blocks, the signing one first; in an environment variable line breaks may be `\\n`.

    Raises ValueError, which never quotes a key, for what is no P-256 private key, and for one that is there twice.
    """
    blocks = PEM.findall(pems.replace("\\n", "\n"))
    keys = [_key(block) for block in blocks]
    if not keys or len({key.kid for key in keys}) < len(keys):
        raise ValueError("JWT_SIGNING_KEY holds no key, or one key twice")
    return keys


def published(keys: list[SigningKey]) -> dict[str, Any]:
    """The JWKS document of these keys; it holds public halves alone."""
    return {"keys": [key.jwk() for key in keys]}


def _key(pem: str) -> SigningKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None  # the library's message is not for the log
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("JWT_SIGNING_KEY needs unencrypted P-256 private keys as PEM")
    canonical = json.dumps(_point(key.public_key()), sort_keys=True, separators=(",", ":"))
    return SigningKey(_base64url(sha256(canonical.encode()).digest()), key)


def _point(key: EllipticCurvePublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    x, y = (_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
