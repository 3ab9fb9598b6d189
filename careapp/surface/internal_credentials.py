"""Service credentials of the portal routes: a signature over the request, or `X-Internal-Token`; each of one tenant."""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flask import Flask, current_app, request

from careapp import clock
from careapp.access import Actor
from careapp.config import Settings
from careapp.errors import NotFound, Unauthenticated
from careapp.identity import nonces
from careapp.identity.actors import portal_actor
from careapp.identity.attempts import count_credential_failure
from careapp.signing import HEADERS, KEY, NONCE, NONCES, SECONDS, SIGNATURE, TIME, canonical_text, signature
from careapp.surface.tenants import tenant_id

CREDENTIALS = "careapp.internal_credentials"
KEYS = "careapp.internal_keys"
HEADER = "X-Internal-Token"
WINDOW = 60  # seconds by which the caller's clock may differ from ours
WRONG = "Send a valid signature of the request, or a valid X-Internal-Token where those are taken."


@dataclass(frozen=True)
class SigningKeys:
    """The keys callers sign with, as id -> (tenant's key, secret), and whether only signed requests are served."""

    by_id: dict[str, tuple[str, str]]
    only: bool = False


def init_internal_credentials(app: Flask, settings: Settings) -> None:
    """Keep the credentials, hashed so that all compare in the same time. Raises ValueError for a bad list."""
    credentials = settings.internal_credentials()
    app.extensions[CREDENTIALS] = [(key, sha256(token.encode()).digest()) for key, token in credentials]
    keys = {key_id: (tenant, secret) for tenant, key_id, secret in settings.internal_signing_keys()}
    app.extensions[KEYS] = SigningKeys(keys, settings.internal_require_signed)


def internal_actor() -> Actor:
    """The portal, in the tenant its credential is bound to.

    Raises NotFound where no credential is configured, so that nobody learns of these routes, Unauthenticated for a
    missing or wrong one (the same, whatever is wrong), TooMany after twenty such in a minute from one network address,
    TenantSuspended for a good one.
    A request with any header of a signature is taken for a signed one: a token beside it does not help.
    """
    keys: SigningKeys = current_app.extensions[KEYS]
    if not keys.by_id and not current_app.extensions[CREDENTIALS]:
        raise NotFound()
    signs = any(name in request.headers for name in HEADERS)
    key = _signed_tenant(keys) if signs else _token_tenant(keys)
    tenant = tenant_id(key) if key else None
    portal = portal_actor(tenant, key) if key is not None and tenant is not None else None
    if portal is None or (signs and not nonces.use(portal.tenant_id, request.headers[NONCE])):
        count_credential_failure(request.remote_addr or "")
        raise Unauthenticated(WRONG)
    return portal


def _token_tenant(keys: SigningKeys) -> str | None:
    """The tenant's key of the bare token; every one is compared, without stopping at the first that fits."""
    if keys.only:
        return None
    credentials: list[tuple[str, bytes]] = current_app.extensions[CREDENTIALS]
    given = sha256(request.headers.get(HEADER, "").encode()).digest()
    fitting = [key for key, digest in credentials if hmac.compare_digest(digest, given)]
    return fitting[0] if fitting else None


def _signed_tenant(keys: SigningKeys) -> str | None:
    """The tenant's key of a request whose signature and time are good; its nonce is for the caller to look at.

    The signature comes first, so that a stranger can store no nonces.
    """
    sent = {name: request.headers.getlist(name) for name in HEADERS}
    if any(len(values) != 1 for values in sent.values()):
        return None
    key_id, time, nonce, given = (sent[name][0] for name in (KEY, TIME, NONCE, SIGNATURE))
    if not (SECONDS.fullmatch(time) and NONCES.fullmatch(nonce) and given.isascii()):
        return None
    tenant, secret = keys.by_id.get(key_id, ("", ""))
    good = hmac.compare_digest(signature(_canonical_text(tenant, key_id, time, nonce), secret), given)
    fresh = abs(clock.now().timestamp() - int(time)) <= WINDOW
    return tenant if tenant and good and fresh else None


def _canonical_text(tenant: str, key_id: str, time: str, nonce: str) -> str:
    environ: dict[str, Any] = request.environ
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    query = environ.get("QUERY_STRING", "").encode("latin-1").decode("utf-8", "replace")
    return canonical_text(
        request.method, path, query, request.get_data(), tenant=tenant, key_id=key_id, time=time, nonce=nonce
    )
