"""Bearer tokens: forged, broken and outdated ones, all refused with the same answer."""

import base64
import json
import time
import uuid
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from careapp.config import Settings
from careapp.errors import Unauthenticated
from careapp.surface.tokens import LONGEST_TOKEN, Claims, TokenRules, read_token, token_rules

SECRET = "a secret of more than sixty-four bytes, so that it is long enough for HS512"


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, with changes; a change to None leaves the claim out."""
    now = int(time.time())
    good = {
        "iss": "careapp", "aud": "careapp", "iat": now, "exp": now + 3600, "sub": "user:7", "jti": str(uuid.uuid4()),
        "tenant": "demo", "roles": ["clinician"],
    }  # fmt: skip
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(
    payload: dict[str, Any], *, header: dict[str, Any] | None = None, key: Any = SECRET, alg: str = "HS256"
) -> str:
    return jwt.encode(payload, key, algorithm=alg, headers=header)


def raw(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    """A token put together by hand, as a library refuses to."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def settings(**changes: Any) -> Settings:
    return Settings(_env_file=None, CAREAPP_ENV="development", **changes)


@pytest.fixture(scope="module")
def rules() -> TokenRules:
    rules = token_rules(settings(jwt_secret=SECRET))
    assert rules
    return rules


@pytest.mark.parametrize(
    "header", [None, {"typ": "at+jwt"}, {"typ": "AT+JWT"}, {"typ": None}, {"jku": "https://evil.example"}]
)
def test_good_tokens(rules: TokenRules, header: dict[str, Any] | None) -> None:
    assert read_token(signed(claims(), header=header), rules) == Claims("user:7", "demo", ("clinician",))


NOW = int(time.time())


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in ("iss", "aud", "exp", "iat", "sub", "jti", "tenant", "roles")),
        {"iss": "somebody else"},
        {"aud": "another application"},
        {"exp": NOW - 60},
        {"exp": str(NOW + 3600)},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": NOW + 13 * 3600},
        {"iat": NOW + 86400},
        {"iat": str(NOW)},
        {"iat": NOW + 20, "exp": NOW + 10},
        {"nbf": NOW + 86400},
        {"sub": 7},
        {"sub": ""},
        {"sub": "nul\0inside"},
        {"sub": "x" * 256},
        {"jti": 1},
        {"jti": ""},
        {"tenant": 1},
        {"tenant": "demo\0"},
        {"roles": "admin"},
        {"roles": [1]},
        {"roles": {"admin": True}},
    ],
    ids=" ".join,  # names only: the times differ from worker to worker
)
def test_tokens_that_say_something_wrong(rules: TokenRules, changes: dict[str, Any]) -> None:
    parts = claims(**changes)
    header = {"alg": "HS256", "typ": "JWT"}
    body = raw(header, parts).rsplit(".", 1)[0]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(body.encode(), SECRET.encode())
    with pytest.raises(Unauthenticated) as refusal:
        read_token(raw(header, parts, signature), rules)
    assert refusal.value.detail == Unauthenticated().detail


@pytest.mark.parametrize(
    "token",
    [
        "",
        "junk",
        "a.b.c",
        "é.é.é",
        raw({"alg": "none", "typ": "JWT"}, claims()),
        raw({"alg": "NONE"}, claims()),
        raw({"typ": "JWT"}, claims()),
        raw({"alg": "HS256"}, claims()),
        raw({"alg": ["HS256"]}, claims()),
        signed(claims(), alg="HS512"),
        signed(claims(), key="another secret of thirty-two bytes or more"),
        signed(claims(), header={"typ": "logout+jwt"}),
        signed(claims(), header={"typ": "dpop+jwt"}),
        signed(claims(), header={"crit": ["b64"], "b64": True}),
        signed(claims(jti="x" * LONGEST_TOKEN)),
        signed(claims())[:-4] + "AAAA",
        base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.AA",
    ],
    ids=range(17),
)
def test_tokens_that_are_not_ours(rules: TokenRules, token: str) -> None:
    with pytest.raises(Unauthenticated):
        read_token(token, rules)


def pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_public_key_takes_only_its_own_algorithm() -> None:
    large, curve = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    for key, alg, other in ((large, "RS256", "PS256"), (curve, "ES256", None)):
        rules = token_rules(settings(jwt_public_key=pem(key).replace("\n", "\\n"), jwt_secret=SECRET))
        assert rules
        assert rules.algorithms == (alg,)
        assert read_token(signed(claims(), key=key, alg=alg), rules)
        forged = [signed(claims())]  # signed with the secret
        body = raw({"alg": "HS256"}, claims()).rsplit(".", 1)[0]
        mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        forged.append(raw({"alg": "HS256"}, claims(), mac.sign(body.encode(), pem(key).encode())))
        if other:
            forged.append(signed(claims(), key=key, alg=other))
        for token in forged:
            with pytest.raises(Unauthenticated):
                read_token(token, rules)


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP384R1())])
def test_weak_or_foreign_public_keys_stop_the_start(key: Any) -> None:
    with pytest.raises(ValueError, match="JWT_PUBLIC_KEY"):
        token_rules(settings(jwt_public_key=pem(key)))


def test_without_a_source_of_keys_no_token_is_good() -> None:
    assert token_rules(settings()) is None
