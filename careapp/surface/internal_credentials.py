"""Service credentials of the portal routes: `X-Internal-Token`, each bound to one tenant."""

import hmac
from hashlib import sha256

from flask import Flask, current_app, request

from careapp.access import Actor
from careapp.config import Settings
from careapp.errors import NotFound, Unauthenticated
from careapp.identity.actors import portal_actor
from careapp.identity.attempts import count_credential_failure
from careapp.surface.tenants import tenant_id

CREDENTIALS = "careapp.internal_credentials"
HEADER = "X-Internal-Token"


def init_internal_credentials(app: Flask, settings: Settings) -> None:
    """Keep the credentials, hashed so that all compare in the same time. Raises ValueError for a bad list."""
    credentials = settings.internal_credentials()
    app.extensions[CREDENTIALS] = [(key, sha256(token.encode()).digest()) for key, token in credentials]


def internal_actor() -> Actor:
    """The portal, in the tenant its token is bound to.

    Raises NotFound where no credential is configured, so that nobody learns of these routes, Unauthenticated for a
    missing or wrong one, TooMany after twenty such in a minute from one network address. Every credential is compared,
    without stopping at the first that fits.
    """
    credentials: list[tuple[str, bytes]] = current_app.extensions[CREDENTIALS]
    if not credentials:
        raise NotFound()
    given = sha256(request.headers.get(HEADER, "").encode()).digest()
    fitting = [key for key, digest in credentials if hmac.compare_digest(digest, given)]
    tenant = tenant_id(fitting[0]) if fitting else None
    if tenant is None:
        count_credential_failure(request.remote_addr or "")
        raise Unauthenticated(f"Send a valid {HEADER}.")
    return portal_actor(tenant, fitting[0])
