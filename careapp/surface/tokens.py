"""Bearer tokens: every check a JWT has to pass (RFC 8725), and the actor it speaks for.

PyJWT accepts no `exp`, `exp` as text and any `typ`; the checks here do not. Whatever is wrong, the answer is the same.
Whose keys a token is checked by follows from its issuer; which algorithms are taken, from whose keys they are.
"""

import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flask import Flask, current_app, request

from careapp.access import Actor
from careapp.config import Settings
from careapp.errors import Unauthenticated, Upstream
from careapp.identity.actors import actor_of_subject
from careapp.identity.service_clients import ServiceClientView, actor_of_client
from careapp.scopes import known_scopes, narrowed
from careapp.surface import compact
from careapp.surface.jwks import ALGORITHMS, KeySet
from careapp.surface.received import receive_body
from careapp.surface.signing_keys import ALGORITHM, SigningKey, signing_keys
from careapp.surface.tenants import tenant_id

RULES = "careapp.tokens"
OWN_KEYS = "careapp.signing_keys"
LONGEST_TOKEN = 8192  # characters
LONGEST_NAME = 255  # characters of a subject, a tenant's key or a key's id
LEEWAY = 30  # seconds two clocks may differ
REMEMBERED, MOST_REMEMBERED = 60, 1000  # seconds a good token is not checked again, and how many are remembered
OWN_LIFE = 3600  # seconds a token for a local user lives
CLIENT_LIFE = 900  # seconds a token of a service client lives
SMALLEST_RSA = 2048  # bits
SCOPE = re.compile(r"(?:[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*)?")
TYPES, ACCESS_TOKEN = ("jwt", "at+jwt"), "at+jwt"
CLAIMS = ("iss", "aud", "exp", "iat", "sub", "jti", "tenant", "roles")


@dataclass(frozen=True)
class TokenRules:
    """What a good token of one issuer looks like. `algorithms` is fixed by whose keys they are, never by the token.

    `of_clients`: the issuer is this application, and its tokens are those of service clients.
    """

    issuer: str
    audience: str
    max_life: int
    algorithms: tuple[str, ...]
    key_for: Callable[[dict[str, Any]], Any]
    types: tuple[str, ...] = TYPES
    of_clients: bool = False
    good: dict[str, "Claims"] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Claims:
    """What a checked token says. `good_until` (seconds since 1970): how long it need not be checked again."""

    subject: str
    tenant: str
    roles: tuple[str, ...]
    scopes: frozenset[str] | None = None
    good_until: float = field(default=0, compare=False)


def init_tokens(app: Flask, settings: Settings) -> None:
    """Choose the sources of keys once, at start: JWKS, else a public key, else the development secret; and our own.

    Raises ValueError for a public key that is no RSA key of 2048 bits or more and no P-256 key.
    """
    keys = signing_keys(settings.jwt_signing_key.get_secret_value()) if settings.jwt_signing_key else []
    sources = (token_rules(settings), own_rules(settings, keys))
    app.extensions[OWN_KEYS] = keys
    app.extensions[RULES] = {rules.issuer: rules for rules in sources if rules}


def token_rules(settings: Settings) -> TokenRules | None:
    """The rules for tokens of the identity provider, or of the development secret; None, where neither is set."""
    if settings.jwt_jwks_url:
        keys = KeySet.at(settings.jwt_jwks_url)
        return _rules(settings, ALGORITHMS, lambda header: keys.key(_short_text(header["kid"])))
    if settings.jwt_public_key:
        key, algorithm = _public_key(settings.jwt_public_key)
        return _rules(settings, (algorithm,), lambda header: key)
    if settings.jwt_secret:
        secret = settings.jwt_secret.get_secret_value()
        return _rules(settings, ("HS256",), lambda header: secret)
    return None


def own_rules(settings: Settings, keys: list[SigningKey]) -> TokenRules | None:
    """The rules for tokens that this application gives to service clients; None where it has no key to sign with."""
    if not keys:
        return None
    public = {key.kid: key.public for key in keys}
    return TokenRules(
        settings.own_issuer, settings.jwt_audience, CLIENT_LIFE, (ALGORITHM,),
        lambda header: public[_short_text(header["kid"])], types=(ACCESS_TOKEN,), of_clients=True,
    )  # fmt: skip


def bearer_actor() -> Actor:
    """Who the request's bearer token speaks for; cookies are never looked at. Raises Unauthenticated, or Upstream."""
    kind, _, raw = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise Unauthenticated()
    actor = actor_of_token(raw.strip(), current_app.extensions[RULES])
    if actor is None:
        raise Unauthenticated()
    return actor


def actor_of_token(raw: str, sources: dict[str, TokenRules]) -> Actor | None:
    """The actor of a token, by the rules of its issuer; None where its tenant or its subject is nobody (any more).

    Raises Unauthenticated, Upstream, TenantSuspended.
    """
    rules = _rules_for(raw, sources)
    claims = known_token(raw, rules)
    tenant = tenant_id(claims.tenant)
    if tenant is None:
        return None
    receive_body()
    if rules.of_clients:
        return actor_of_client(tenant, claims.tenant, claims.subject, claims.scopes or frozenset())
    actor = actor_of_subject(tenant, claims.tenant, claims.subject, claims.roles)
    return narrowed(actor, claims.scopes) if actor else None


def known_token(raw: str, rules: TokenRules) -> Claims:
    """The same as read_token(), but a token found good is not checked again for a minute, or until it expires.

    A check costs as much as a statement of the database. Who the token's subject is, and whether he is enabled,
    is asked of the database each time.
    """
    now = time.time()
    claims = rules.good.get(raw)
    if claims is None or claims.good_until <= now:
        claims = read_token(raw, rules)
        if len(rules.good) >= MOST_REMEMBERED:
            rules.good.clear()
        rules.good[raw] = replace(claims, good_until=min(claims.good_until, now + REMEMBERED))
    return claims


def read_token(raw: str, rules: TokenRules) -> Claims:
    """The claims of a good token. Raises Unauthenticated for any other, Upstream while there are no keys."""
    try:
        return _checked(raw, rules)
    except (Unauthenticated, Upstream):
        raise
    except Exception as error:  # a forged token may break any parser below; whatever it breaks, the answer is no
        raise Unauthenticated() from error


def own_token(actor: Actor, settings: Settings) -> str:
    """A token for a local user that lives an hour. Raises ValueError where tokens are not signed by our own secret."""
    rules = token_rules(settings)
    if rules is None or rules.algorithms != ("HS256",):
        raise ValueError("tokens come from the identity provider here; only JWT_SECRET lets careapp make its own")
    claims = {
        **_frame(rules.issuer, rules.audience, OWN_LIFE), "sub": actor.name, "tenant": actor.tenant_key,
        "roles": sorted(role.value for role in actor.roles),
        **({} if actor.scopes is None else {"scope": " ".join(sorted(actor.scopes))}),
    }  # fmt: skip
    return jwt.encode(claims, rules.key_for({}), algorithm="HS256")


def client_token(
    client: ServiceClientView, tenant_key: str, scopes: frozenset[str], settings: Settings, key: SigningKey
) -> str:
    """A token for a service client that lives a quarter of an hour (RFC 9068), signed by the first of our keys."""
    claims = {
        **_frame(settings.own_issuer, settings.jwt_audience, CLIENT_LIFE), "sub": f"client:{client.id}",
        "client_id": client.client_id, "tenant": tenant_key, "roles": sorted(client.roles),
        "scope": " ".join(sorted(scopes)),
    }  # fmt: skip
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"typ": ACCESS_TOKEN, "kid": key.kid})


def _frame(issuer: str, audience: str, life: int) -> dict[str, Any]:
    """The claims by which a token is known and ends."""
    now = int(time.time())
    return {"iss": issuer, "aud": audience, "iat": now, "exp": now + life, "jti": str(uuid.uuid4())}


def _rules_for(raw: str, sources: dict[str, TokenRules]) -> TokenRules:
    """The rules of the issuer a token names. Raises Unauthenticated for a token nobody here could have issued."""
    for rules in sources.values():
        if raw in rules.good:
            return rules
    try:
        return sources[compact.read(raw[: LONGEST_TOKEN + 1]).claims["iss"]]
    except Exception as error:
        raise Unauthenticated() from error


def _checked(raw: str, rules: TokenRules) -> Claims:
    if len(raw) > LONGEST_TOKEN:
        raise Unauthenticated()
    header = compact.read(raw).header
    if str(header.get("typ", "JWT")).lower() not in rules.types or header["alg"] not in rules.algorithms:
        raise Unauthenticated()  # before the key is asked for: a junk token must not cause a fetch of keys
    claims = jwt.decode(
        raw, rules.key_for(header), algorithms=list(rules.algorithms), audience=rules.audience, issuer=rules.issuer,
        leeway=LEEWAY, options={"require": list(CLAIMS)},
    )  # fmt: skip
    if any(type(claims[name]) not in (int, float) for name in ("exp", "iat")):
        raise Unauthenticated()
    if not 0 < claims["exp"] - claims["iat"] <= rules.max_life:
        raise Unauthenticated()
    _short_text(claims["jti"])
    roles = claims["roles"]
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise Unauthenticated()
    scopes = _scopes(claims["scope"]) if "scope" in claims else None
    return Claims(_short_text(claims["sub"]), _short_text(claims["tenant"]), tuple(roles), scopes, claims["exp"])


def _scopes(value: object) -> frozenset[str]:
    """The scopes a token is narrowed to (RFC 6749 §3.3: names between single blanks). Raises Unauthenticated."""
    if not isinstance(value, str) or not SCOPE.fullmatch(value):
        raise Unauthenticated()
    return known_scopes(value.split(" "))


def _short_text(value: object) -> str:
    """The value, a text that can be stored and compared. Raises Unauthenticated for anything else."""
    if not isinstance(value, str) or not value or len(value) > LONGEST_NAME or not value.isprintable():
        raise Unauthenticated()
    return value


def _rules(settings: Settings, algorithms: tuple[str, ...], key_for: Callable[[dict[str, Any]], Any]) -> TokenRules:
    return TokenRules(
        settings.jwt_issuer, settings.jwt_audience, settings.jwt_max_life_seconds, algorithms, key_for
    )  # fmt: skip


def _public_key(pem: str) -> tuple[RSAPublicKey | EllipticCurvePublicKey, str]:
    """A key from PEM text, which in an environment variable may be one line, and the algorithm that goes with it."""
    key = load_pem_public_key(pem.replace("\\n", "\n").encode())
    if isinstance(key, RSAPublicKey) and key.key_size >= SMALLEST_RSA:
        return key, "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key, "ES256"
    raise ValueError("JWT_PUBLIC_KEY is neither an RSA key of 2048 bits or more nor a P-256 key")
