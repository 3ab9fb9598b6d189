"""An authenticator in software: makes passkeys and signs with them as a phone would, and as a thief would like to."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers import bytes_to_base64url as told

from careapp.identity.passkeys import Site

HERE = Site("clinic.example", "https://clinic.example")
LOCAL = Site("localhost", "http://localhost")  # where a test's client asks
PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


@dataclass
class Authenticator:
    """One key on one device; `site` is where the browser believes to be."""

    site: Site = HERE
    flags: int = PRESENT | VERIFIED
    count: int = 0
    handle: bytes = b""
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def made(self, options: str) -> str:
        """The answer to a request to make a passkey."""
        asked = json.loads(options)
        self.handle = base64url_to_bytes(asked["user"]["id"])
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + self._public_key()
        data = self._data(ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": told(self._client_data("webauthn.create", asked["challenge"])),
            "attestationObject": told(attestation),
        }
        return json.dumps(self._named(response))

    def signed(self, options: str, **changes: Any) -> str:
        """The answer to a request to prove it; `changes` are other values of it."""
        client = self._client_data("webauthn.get", json.loads(options)["challenge"])
        self.count += 1
        data = self._data(0)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": told(client), "authenticatorData": told(data), "signature": told(signature),
            "userHandle": told(self.handle),
        }  # fmt: skip
        return json.dumps(self._named(response | changes))

    def _data(self, more: int) -> bytes:
        site = hashlib.sha256(self.site.rp_id.encode()).digest()
        return site + bytes([self.flags | more]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.site.origin}).encode()

    def _public_key(self) -> bytes:
        at = self.key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: at.x.to_bytes(32, "big"), -3: at.y.to_bytes(32, "big")})

    def _named(self, response: dict[str, Any]) -> dict[str, Any]:
        return {"id": told(self.id), "rawId": told(self.id), "type": "public-key", "response": response}
