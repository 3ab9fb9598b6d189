"""The identity provider: where its endpoints are, its keys, where a browser is sent, and the exchange of a code.

What it publishes is fetched when it is first needed, kept, and refreshed beside the requests: a start of ours does not
wait for the provider, and an outage of it does not make us forget it. Nothing here runs inside a transaction.
"""

import json
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import authlib.deprecate  # noqa: F401  # sets a filter of its own when it is loaded
import httpx
import structlog
from authlib.oauth2.client import OAuth2Client
from flask import Flask, current_app

from careapp.config import Settings
from careapp.errors import Upstream
from careapp.surface.jwks import KEPT, PAUSE, KeySet, in_thread
from careapp.surface.oidc import way
from careapp.surface.oidc.tokens import ALGORITHMS, Untrusted

with warnings.catch_warnings():  # Authlib would rather have httpx2; ADR 13
    warnings.simplefilter("ignore")
    from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError

PROVIDER = "careapp.oidc"
FRESH = 3600  # seconds after which the endpoints are read again, beside the request
DOWN = "The identity provider does not answer at the moment."
REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")

_log = structlog.get_logger()


@dataclass(frozen=True)
class Endpoints:
    """What the provider publishes about itself (OpenID Connect Discovery 1.0 §3), as far as this client uses it."""

    authorization: str
    token: str
    jwks: str
    end_session: str | None
    names_itself: bool  # in the answer to the browser (RFC 9207)
    token_auth: str


class Provider:
    """One identity provider. Methods that may call it raise Upstream while it is down and was never read."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_issuer
        assert settings.oidc_client_id, "config refuses an issuer without it"
        self.issuer, self.client_id, self.label = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_label
        self.keys = KeySet(self._fetch_keys, algorithms=ALGORITHMS)
        self._scopes = settings.oidc_scopes
        self._secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
        self._reading = threading.Lock()
        self._held: Endpoints | None = None
        self._read_at = self._tried_at = float("-inf")

    @property
    def seems_down(self) -> bool:
        """Whether the last look for its endpoints failed, not long ago; asks nobody."""
        return self._held is None and not self._may_try()

    def authorization_url(self, *, state: str, nonce: str, verifier: str, redirect_uri: str, again: bool) -> str:
        """Where to send the browser: code flow with PKCE S256; `again` asks for a fresh sign-in there."""
        fresh = {"prompt": "login", "max_age": "0"} if again else {}
        client = OAuth2Client(
            None, self.client_id, scope=self._scopes, redirect_uri=redirect_uri, code_challenge_method="S256"
        )
        url, _ = client.create_authorization_url(
            self.endpoints().authorization, state=state, code_verifier=verifier, nonce=nonce, **fresh
        )
        return str(url)

    def redeem(self, code: str, *, verifier: str, redirect_uri: str) -> dict[str, Any]:
        """The answer of the token endpoint to a code. Raises Untrusted where it refuses, Upstream where it is down."""
        endpoints = self.endpoints()
        try:
            answer = way.run(self._redeem(endpoints, code, verifier, redirect_uri))
        except OAuthError as error:
            raise Untrusted("code refused") from error
        except httpx.HTTPStatusError as error:
            if error.response.status_code >= 500:
                raise Upstream(DOWN) from error
            raise Untrusted("token endpoint") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise Upstream(DOWN) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Untrusted("token endpoint") from error
        return dict(answer)

    def sign_out_url(self, back: str) -> str | None:
        """Where a browser ends its session at the provider (RP-initiated logout); None where that is not known.

        The ID token is not sent along as a hint: it holds names, and an address ends up in histories and logs.
        """
        end = self._held.end_session if self._held else None
        return f"{end}?{urlencode({'client_id': self.client_id, 'post_logout_redirect_uri': back})}" if end else None

    def endpoints(self) -> Endpoints:
        """What the provider publishes; an hour old at most, or a day while it is down."""
        age = time.monotonic() - self._read_at
        if self._held and age <= KEPT:
            if age > FRESH and self._may_try():
                in_thread(self._read)
            return self._held
        self._read()
        if self._held is None or time.monotonic() - self._read_at > KEPT:
            raise Upstream(DOWN)
        return self._held

    def _may_try(self) -> bool:
        return time.monotonic() - self._tried_at >= PAUSE

    def _read(self) -> None:
        """Read the endpoints once; whoever waited for another's reading uses what that one brought."""
        with self._reading:
            if not self._may_try():
                return
            self._tried_at = time.monotonic()
            try:
                document = self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
                self._held = self._endpoints_of(document)
                self._read_at = time.monotonic()
            except (OSError, ValueError) as error:
                _log.warning("the identity provider could not be read", error=type(error).__name__)

    def _endpoints_of(self, document: dict[str, Any]) -> Endpoints:
        """Check what the provider says of itself: it must be the issuer that was asked (Discovery §4.3)."""
        if document.get("issuer") != self.issuer:
            raise ValueError("another issuer")
        scheme = self.issuer.partition("://")[0]
        end = document.get("end_session_endpoint")
        for address in (*(document.get(name) for name in REQUIRED), *([end] if end else [])):
            if not isinstance(address, str) or not address.startswith(("https://", f"{scheme}://")):
                raise ValueError("no usable endpoint")
        methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        how = next((one for one in ("client_secret_basic", "client_secret_post") if one in methods), "none")
        authorization, token, jwks = (document[name] for name in REQUIRED)
        named = document.get("authorization_response_iss_parameter_supported") is True
        return Endpoints(authorization, token, jwks, end, named, how if self._secret else "none")

    def _fetch_keys(self) -> dict[str, Any]:
        try:
            return self._get(self.endpoints().jwks)
        except Upstream as error:
            raise OSError(DOWN) from error

    def _get(self, address: str) -> dict[str, Any]:
        """A JSON object. Raises OSError or ValueError where there is none."""
        try:
            answer = way.run(way.get(address))
        except (httpx.HTTPError, TimeoutError) as error:
            raise OSError(type(error).__name__) from error
        if answer.status_code != 200:
            raise OSError(f"status {answer.status_code}")
        try:
            document = json.loads(answer.content)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(document, dict):
            raise ValueError("no object")
        return document

    async def _redeem(self, endpoints: Endpoints, code: str, verifier: str, redirect_uri: str) -> Any:
        async with AsyncOAuth2Client(
            self.client_id, self._secret, redirect_uri=redirect_uri, token_endpoint_auth_method=endpoints.token_auth,
            **way.options(),
        ) as client:  # fmt: skip
            return await client.fetch_token(
                endpoints.token, grant_type="authorization_code", code=code, code_verifier=verifier
            )


def init_oidc(app: Flask, settings: Settings) -> None:
    """Know the provider of the settings, if there is one; nobody is asked yet."""
    provider = Provider(settings) if settings.oidc_issuer else None
    app.extensions[PROVIDER] = provider
    app.jinja_env.globals["oidc_provider"] = provider


def current_provider() -> Provider | None:
    """The provider of this installation, or None."""
    provider: Provider | None = current_app.extensions.get(PROVIDER)
    return provider
