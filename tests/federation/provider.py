"""An identity provider that says what a test wants: right by default, wrong in one thing at a time."""

import base64
import hashlib
import hmac
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from pydantic import SecretStr

from careapp.surface.oidc.provider import PROVIDER, Provider

CLIENT, SECRET, ROLES = "careapp", "a secret of the client", "realm_access.roles"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

Answer = tuple[int, dict[str, str], bytes]
Special = Callable[["HostileProvider", dict[str, str]], Answer | None]


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    """The provider's key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def other_key() -> rsa.RSAPrivateKey:
    """Somebody else's key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    """The provider's second key."""
    return ec.generate_private_key(ec.SECP256R1())


def half_hash(text: str) -> str:
    """at_hash of a token, for algorithms with SHA-256."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


def unsigned(claims: dict[str, Any]) -> str:
    """A token with `alg` none."""
    return jwt.encode(claims, None, algorithm="none", headers={"kid": "first"})


def signed_with_the_public_key(claims: dict[str, Any]) -> str:
    """HS256 with the public key as its secret, which libraries that let the token choose take for good."""
    pem = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [{"alg": "HS256", "typ": "JWT", "kid": "first"}, claims]
    said = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return (said + b"." + base64.urlsafe_b64encode(hmac.digest(pem, said, "sha256")).rstrip(b"=")).decode()


@dataclass
class HostileProvider:
    """One provider on a port of its own. Tests change `discovery`, `special` (by path) and what `approve` is given."""

    url: str = ""
    discovery: dict[str, Any] = field(default_factory=dict)
    special: dict[str, Special] = field(default_factory=dict)
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    secret: str | None = SECRET
    person: dict[str, Any] = field(default_factory=dict)

    PATHS: ClassVar = {"/.well-known/openid-configuration": "document", "/keys": "keys", "/token": "token"}

    def approve(self, sent: dict[str, str], sign: Callable[[dict[str, Any]], str] | None = None, **claims: Any) -> str:
        """Somebody signs in here; the code that the browser brings back. A claim given as None is left out."""
        code, access = uuid.uuid4().hex, uuid.uuid4().hex
        said = self.claims(nonce=sent["nonce"], at_hash=half_hash(access), **self.person) | claims
        said = {name: value for name, value in said.items() if value is not None}
        self.grants[code] = {
            "id_token": (sign or self.sign)(said), "access_token": access, "challenge": sent["code_challenge"],
            "redirect_uri": sent["redirect_uri"],
        }  # fmt: skip
        return code

    def claims(self, **more: Any) -> dict[str, Any]:
        """What every good token of this provider says."""
        now = int(time.time())
        return {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300} | more

    def sign(
        self, claims: dict[str, Any], key: Any = None, algorithm: str = "RS256", kid: str = "first", **headers: Any
    ) -> str:
        """A token; with the provider's key unless another is given."""
        return jwt.encode(claims, key or rsa_key(), algorithm=algorithm, headers={"kid": kid} | headers)

    def logout_token(self, **claims: Any) -> str:
        """A good logout token, but for `claims`; None leaves one out."""
        said = self.claims(jti=uuid.uuid4().hex, events={LOGOUT_EVENT: {}}) | claims
        return self.sign({name: value for name, value in said.items() if value is not None}, typ="logout+jwt")

    def document(self, _: dict[str, str]) -> Answer:
        """The discovery document."""
        said = {
            "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/logout",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }  # fmt: skip
        return _json(said | self.discovery)

    def keys(self, _: dict[str, str]) -> Answer:
        """The key set."""
        first = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key().public_key(), as_dict=True)
        second = jwt.algorithms.ECAlgorithm.to_jwk(ec_key().public_key(), as_dict=True)
        third = first | {"kid": "third", "alg": "PS256"}
        return _json({"keys": [first | {"kid": "first", "use": "sig"}, second | {"kid": "second"}, third]})

    def token(self, form: dict[str, str]) -> Answer:
        """The token endpoint: a code is good once, for who proves that he asked for it."""
        grant = self.grants.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if form.pop("authorization") != self._expected_authorization() or grant is None:
            return _json({"error": "invalid_grant"}, 400)
        if challenge != grant["challenge"] or form.get("redirect_uri") != grant["redirect_uri"]:
            return _json({"error": "invalid_grant"}, 400)
        return _json({"id_token": grant["id_token"], "access_token": grant["access_token"], "token_type": "Bearer"})

    def _expected_authorization(self) -> str:
        pair = f"{CLIENT}:{self.secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}" if self.secret else ""

    def answer(self, path: str, form: dict[str, str]) -> Answer:
        """What is said at a path."""
        self.asked.append(path)
        special = self.special.get(path)
        said = special(self, form) if special else None
        if said is None and path in self.PATHS:
            said = getattr(self, self.PATHS[path])(form)
        return said or (404, {}, b"")


def _json(said: dict[str, Any], status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(said).encode()


def a_clinician_of(key: str) -> dict[str, Any]:
    """What the provider says of one person: a clinician of that tenant."""
    return {
        "sub": f"person-{key}", "tenant": key, "realm_access": {"roles": ["clinician", "offline"]},
        "name": "Daw Mya Sein", "email": f"mya@{key}.example", "email_verified": True, "sid": "at-provider",
    }  # fmt: skip


def use_provider(app: Flask, issuer: str, **settings: Any) -> Provider:
    """Let an application have this provider, which knows it as a client, with these settings besides its own."""
    known = {"oidc_client_id": CLIENT, "oidc_client_secret": SecretStr(SECRET), "oidc_roles_claim": ROLES}
    changed = app.config["SETTINGS"].model_copy(update={"oidc_issuer": issuer, **known, **settings})
    app.config["SETTINGS"] = changed
    provider = app.extensions[PROVIDER] = app.jinja_env.globals["oidc_provider"] = Provider(changed)
    return provider


@contextmanager
def hostile_provider() -> Iterator[HostileProvider]:
    """A provider that answers until the block ends."""
    provider = HostileProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._speak({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._speak(dict(parse_qsl(body)) | {"authorization": self.headers.get("Authorization", "")})

        def _speak(self, form: dict[str, str]) -> None:
            status, headers, body = provider.answer(urlsplit(self.path).path, form)
            try:
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # the client has had enough, which is what some tests are about

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
