"""Tokens for service clients: the token endpoint (RFC 6749 §4.4), our public keys, and the page that names them.

The endpoint looks at no cookie and takes no form of a page; a client shows its secret in the Authorization header only.
"""

import base64
import binascii
import json
from typing import Any
from urllib.parse import unquote_plus

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import HTTPException, NotFound

from careapp.config import Settings
from careapp.errors import Refusal, TenantSuspended, TooMany
from careapp.identity.attempts import count_credential_failure
from careapp.identity.service_clients import ServiceClientView, authenticate
from careapp.operations.tenants import tenant_id_of
from careapp.surface.actors import public, token_scopes
from careapp.surface.json_input import is_storable
from careapp.surface.problems import fault, problem_of
from careapp.surface.signing_keys import SigningKey, published
from careapp.surface.tokens import CLIENT_LIFE, OWN_KEYS, SCOPE, client_token

bp = Blueprint("oauth", __name__)

TOKEN_PATH, KEYS_PATH = "/oauth/token", "/.well-known/jwks.json"
METADATA_PATH = "/.well-known/oauth-authorization-server"
GRANT = "client_credentials"
FORM = "application/x-www-form-urlencoded"
LONGEST = 4096  # bytes of a request for a token
LONGEST_PART = 255  # characters of an id or a secret
STATUS = {"invalid_client": 401, "temporarily_unavailable": 503, "server_error": 500}  # all else is 400


class TokenRefused(Exception):
    """A request for a token that gets none: a code of RFC 6749 §5.2, or of §4.1.2.1 for our own, and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


@bp.post(TOKEN_PATH)
@public
def token() -> Response:
    """Give a service client a token of a quarter of an hour."""
    [key, *_] = _keys()
    sent = _parameters()
    client, tenant_key = _client()
    granted = frozenset(client.granted)
    wanted = frozenset(sent["scope"].split(" ")) if "scope" in sent else granted
    if not wanted or not wanted <= granted:
        may_have = " ".join(client.granted) or "no scope: its roles reach none of those it was given"
        raise TokenRefused("invalid_scope", f"This client may have {may_have}.")
    raw = client_token(client, tenant_key, wanted, _settings(), key)
    body = {
        "access_token": raw, "token_type": "Bearer", "expires_in": CLIENT_LIFE, "scope": " ".join(sorted(wanted)),
    }  # fmt: skip
    return _answer(body)


@bp.get(KEYS_PATH)
@public
def jwks() -> Response:
    """The public halves of our keys, those that will sign soon among them."""
    return _cached(published(_keys()))


@bp.get(METADATA_PATH)
@public
def metadata() -> Response:
    """What this authorization server does (RFC 8414)."""
    _keys()
    issuer = _settings().own_issuer
    return _cached({
        "issuer": issuer,
        "token_endpoint": issuer.rstrip("/") + TOKEN_PATH,
        "jwks_uri": issuer.rstrip("/") + KEYS_PATH,
        "scopes_supported": sorted(token_scopes(current_app)),
        "response_types_supported": [],
        "grant_types_supported": [GRANT],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    })  # fmt: skip


@bp.errorhandler(TokenRefused)
def refused(refusal: TokenRefused) -> Response:
    """An error in the form that RFC 6749 §5.2 has."""
    answer = _answer({"error": refusal.code, "error_description": refusal.sentence}, STATUS.get(refusal.code, 400))
    if refusal.code == "invalid_client":
        answer.headers["WWW-Authenticate"] = 'Basic realm="careapp", charset="UTF-8"'
    return answer


@bp.errorhandler(Exception)
def failed(error: Exception) -> Response:
    """Whatever else goes wrong, in the words of the token endpoint where it is one that was asked."""
    if isinstance(error, HTTPException) or request.path != TOKEN_PATH:
        return problem_of(error)
    if isinstance(error, TenantSuspended):
        return refused(TokenRefused("unauthorized_client", error.detail))
    if isinstance(error, TooMany):
        answer = _answer({"error": "temporarily_unavailable", "error_description": error.detail}, error.status)
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    said = error if isinstance(error, Refusal) else fault(error)
    code = "temporarily_unavailable" if said.status == 503 else "server_error"
    return _answer({"error": code, "error_description": said.detail}, said.status)


def _parameters() -> dict[str, str]:
    """What was sent, each name once. Raises TokenRefused."""
    if request.args or request.mimetype != FORM or (request.content_length or LONGEST + 1) > LONGEST:
        raise TokenRefused("invalid_request", f"Send a body as {FORM}, nothing in the address.")
    if any(len(values) > 1 for _, values in request.form.lists()):
        raise TokenRefused("invalid_request", "Send each parameter once.")
    sent = {name: value for name, value in request.form.items() if value}  # RFC 6749 §3.2: empty is as if not sent
    if "client_secret" in sent or "client_assertion" in sent:
        raise TokenRefused("invalid_request", "Send id and secret in the Authorization header (Basic).")
    if "grant_type" not in sent:
        raise TokenRefused("invalid_request", f"grant_type is missing; it is {GRANT}.")
    if sent["grant_type"] != GRANT:
        raise TokenRefused("unsupported_grant_type", f"grant_type is {GRANT}.")
    if "scope" in sent and not SCOPE.fullmatch(sent["scope"]):
        raise TokenRefused("invalid_scope", "Scopes stand with single blanks between them.")
    return sent


def _client() -> tuple[ServiceClientView, str]:
    """The client that asks, and its tenant's key.

    Raises TokenRefused, with one text whatever is wrong, TooMany after twenty in a minute from one network address, and
    TenantSuspended for a client that is known.
    """
    address = request.remote_addr or ""
    client_id, secret = _credentials()
    tenant_key = client_id.rpartition(".")[0]
    client = authenticate(tenant_id_of(tenant_key), client_id, secret, address=address)
    named = request.form.get("client_id")
    if client is None or (named and named != client_id):
        count_credential_failure(address)
        raise TokenRefused("invalid_client", "There is no enabled client with this id and secret.")
    return client, tenant_key


def _credentials() -> tuple[str, str]:
    """Id and secret of the Authorization header (RFC 6749 §2.3.1), two empty texts for any other header."""
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        plain = base64.b64decode(encoded.strip(), validate=True).decode() if kind.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        plain = ""
    client_id, _, secret = (unquote_plus(part) for part in plain.partition(":"))
    fine = all(part and len(part) <= LONGEST_PART and is_storable(part) for part in (client_id, secret))
    return (client_id, secret) if fine else ("", "")


def _keys() -> list[SigningKey]:
    """Our keys. Raises NotFound where there are none: this application then gives nobody a token."""
    keys: list[SigningKey] = current_app.extensions[OWN_KEYS]
    if not keys:
        raise NotFound()
    return keys


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return Response(json.dumps(body), status, headers, content_type="application/json")


def _cached(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), headers={"Cache-Control": "public, max-age=300"}, content_type="application/json")
