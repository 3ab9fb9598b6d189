"""Orders of the identity provider to end sessions (OpenID Connect Back-Channel Logout 1.0): no browser, no cookie."""

import structlog
from flask import Blueprint, Response, jsonify, request

from careapp.errors import Conflict, Upstream, found
from careapp.identity import federated_ends
from careapp.operations.maintenance import tenants
from careapp.surface.actors import public
from careapp.surface.oidc.provider import current_provider
from careapp.surface.oidc.tokens import Claims, Untrusted, read_logout_token

bp = Blueprint("backchannel", __name__)

_log = structlog.get_logger()


@bp.post("/sign-in/oidc/backchannel-logout")
@public
def backchannel_logout() -> tuple[Response, int]:
    """End the sessions that a good logout token names: 200, also where there are none (§2.8); 400 for any other."""
    provider = found(current_provider())
    sent = request.form.getlist("logout_token")
    try:
        raw = sent[0] if len(sent) == 1 else None
        claims = read_logout_token(raw, keys=provider.keys, issuer=provider.issuer, client_id=provider.client_id)
        ended = _end(provider.issuer, claims)
    except (Untrusted, Conflict) as error:
        reason = str(error) if isinstance(error, Untrusted) else "used"
        _log.warning("a logout order was refused", check=reason)
        return jsonify(error="invalid_request"), 400
    except Upstream as error:
        return jsonify(error="temporarily_unavailable"), error.status
    _log.info("sessions ended by the identity provider", count=ended)
    return jsonify(), 200


def _end(issuer: str, claims: Claims) -> int:
    """End what the order names. One without a subject names a session, which may stand in any tenant."""
    subject, session, once = claims.get("sub"), claims.get("sid"), claims["jti"]
    if subject is not None:
        return federated_ends.end_of_subject(issuer, subject, session, once=once)
    return sum(federated_ends.end_of_session(tenant.id, issuer, claims["sid"], once=once) for tenant in tenants())
