"""A battery of forged and odd tokens against the whole application (RFC 8725), by header, claims, form and source."""

import base64
import hmac
import json
import time
import uuid
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import jwt
import pytest
from apiflask import APIFlask
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from careapp.access import Actor, Role
from careapp.config import Settings, new_signing_key
from careapp.identity import service_clients, users
from careapp.surface.signing_keys import signing_keys
from careapp.surface.tokens import LONGEST_TOKEN, OWN_KEYS, RULES, client_token, own_token
from tests.api.client import Api, is_problem
from tests.conftest import TestTenant
from tests.identity.people import a_user

Part = dict[str, Any] | str


def encoded(part: Part) -> str:
    raw = part if isinstance(part, str) else json.dumps(part)
    return base64.urlsafe_b64encode(raw.encode("utf-8", "surrogatepass")).rstrip(b"=").decode()


def mac(secret: bytes, body: str) -> str:
    return base64.urlsafe_b64encode(hmac.new(secret, body.encode(), sha256).digest()).rstrip(b"=").decode()


class Forge:
    """Makes tokens by hand, each signed rightly with the development's secret unless another one is given."""

    def __init__(self, app: APIFlask, tenant: TestTenant) -> None:
        self.app, self.settings = app, app.config["SETTINGS"]
        self.secret = self.settings.jwt_secret.get_secret_value().encode()
        now = int(time.time())
        self.claims: dict[str, Any] = {
            "iss": "careapp",
            "aud": "careapp",
            "iat": now,
            "exp": now + 600,
            "sub": "engine",
            "jti": str(uuid.uuid4()),
            "tenant": tenant.key,
            "roles": ["clinician"],
        }

    def raw(self, header: Part, claims: Part | None = None, *, secret: bytes | None = None) -> str:
        body = f"{encoded(header)}.{encoded(self.claims if claims is None else claims)}"
        return f"{body}.{mac(secret or self.secret, body)}"

    def headed(self, **more: Any) -> str:
        return self.raw({"alg": "HS256", "typ": "JWT"} | more)

    def saying(self, **changes: Any) -> str:
        return self.raw({"alg": "HS256", "typ": "JWT"}, {**self.claims, **changes})

    def status(self, raw: str) -> int:
        answer = Api(self.app, {"Authorization": f"Bearer {raw}"}).get("/clinics")
        if answer.status_code != 200:
            told = is_problem(answer, 401, "UNAUTHENTICATED")
            assert told["detail"] == "Sign in, or send a valid token."
            assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        return answer.status_code


@pytest.fixture
def forge(app: APIFlask, tenant: TestTenant) -> Forge:
    return Forge(app, tenant)


def test_the_forge_makes_good_tokens(forge: Forge) -> None:
    assert forge.status(forge.headed()) == 200
    assert forge.status(forge.saying(aud=["another", "careapp"])) == 200, "RFC 7519 §4.1.3: a list that names us"
    assert forge.status(forge.saying(iat=float(forge.claims["iat"]))) == 200


JWK = {"kty": "oct", "k": encoded("a secret of the attacker's own choosing, long enough")}


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", " ", None, 0, [], ["none"], "HS256 ", "hs256", "HS384"]
)
def test_algorithms_are_not_the_tokens_to_choose(forge: Forge, alg: Any) -> None:
    assert forge.status(forge.headed(alg=alg)) == 401
    unsigned = forge.headed(alg=alg).rsplit(".", 1)[0]
    for signature in ("", encoded("x"), "A" * 43):
        assert forge.status(f"{unsigned}.{signature}") == 401


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False},
        {"b64": True},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
        {"typ": "ID"},
        {"typ": "id_token"},
        {"typ": "logout+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": "application/at+jwt"},
        {"typ": 7},
        {"typ": ["JWT"]},
        {"typ": ""},
        {"cty": "JWT", "enc": "x"},
    ],
    ids=str,
)
def test_headers_that_change_what_a_token_is(forge: Forge, more: dict[str, Any]) -> None:
    assert forge.status(forge.headed(**more)) == 401


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "x5t", "kid"])
def test_keys_a_token_brings_along_count_for_nothing(forge: Forge, name: str) -> None:
    own = {"jwk": JWK, "x5c": [encoded("x")]}.get(name, "https://evil.example/keys")
    attackers = base64.urlsafe_b64decode(JWK["k"] + "==")
    header = {"alg": "HS256", "typ": "JWT", name: own}
    assert forge.status(forge.raw(header, secret=attackers)) == 401
    assert forge.status(forge.raw(header)) == 200, "it is ignored, not followed"


KIDS = ["../../dev/null", "/proc/self/environ", "' OR '1'='1", "a" * 300, "", "\0", 7, None, ["x"], {"x": 1}, "\u202e"]


@pytest.mark.parametrize("kid", KIDS, ids=lambda kid: repr(kid)[:30])
def test_a_key_id_only_looks_up(forge: Forge, kid: Any) -> None:
    own = forge.claims | {"iss": forge.settings.own_issuer, "sub": "client:1"}
    [key, *_] = forge.app.extensions[OWN_KEYS]
    body = f"{encoded({'alg': 'ES256', 'typ': 'at+jwt', 'kid': kid})}.{encoded(own)}"
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(algorithm.sign(body.encode(), key.private)).rstrip(b"=").decode()
    assert forge.status(f"{body}.{signature}") == 401
    null = hmac.new(b"", body.encode(), sha256).digest()
    assert forge.status(f"{body}.{base64.urlsafe_b64encode(null).rstrip(b'=').decode()}") == 401


@pytest.mark.parametrize(
    "text", ['"alg":"HS256","alg":"none"', '"alg":"none","alg":"HS256"', '"typ":"JWT","typ":"JWT"']
)
def test_a_header_that_says_a_thing_twice(forge: Forge, text: str) -> None:
    rest = '"alg":"HS256",' if "alg" not in text else ""
    assert forge.status(forge.raw(f"{{{rest}{text}}}")) == 401


@pytest.mark.parametrize("name", ["sub", "tenant", "exp", "roles", "iss", "scope", "anything"])
def test_claims_that_say_a_thing_twice(forge: Forge, name: str) -> None:
    told = json.dumps(forge.claims | {"scope": "patient.read", "anything": 1})
    again = json.dumps({name: json.loads(told)[name]})[1:-1]
    assert forge.status(forge.raw({"alg": "HS256", "typ": "JWT"}, f"{told[:-1]}, {again}}}")) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": "tomorrow"},
        {"exp": None},
        {"exp": True},
        {"exp": [1]},
        {"exp": {"a": 1}},
        {"exp": 1e30},
        {"exp": 10**40},
        {"exp": -1},
        {"iat": None},
        {"iat": 0},
        {"iat": 10**40},
        {"iat": "now"},
        {"nbf": "x"},
        {"nbf": 10**12},
        {"aud": []},
        {"aud": ["another"]},
        {"aud": None},
        {"aud": "careapp2"},
        {"aud": "CAREAPP"},
        {"aud": {"careapp": 1}},
        {"iss": "CAREAPP"},
        {"iss": "careapp/"},
        {"iss": ["careapp"]},
        {"iss": None},
        {"iss": ""},
        {"tenant": "no-such-tenant"},
        {"tenant": ""},
        {"tenant": None},
        {"tenant": ["demo"]},
        {"tenant": "x" * 256},
        {"sub": None},
        {"sub": ["engine"]},
        {"sub": "a\u202eb"},
        {"sub": "a\u200bb"},
        {"sub": "a\nb"},
        {"sub": "\ufeffengine"},
        {"sub": "user:999999999"},
        {"sub": "user:\u0661"},
        {"sub": "user: 1"},
        {"sub": "client:1"},
        {"sub": "client:"},
        {"roles": None},
        {"roles": "clinician"},
        {"roles": [["clinician"]]},
        {"roles": [None]},
        {"roles": 1},
        {"scope": ["patient.read"]},
        {"scope": 7},
        {"scope": None},
        {"scope": "a  b"},
        {"scope": " a"},
        {"scope": 'a"b'},
        {"scope": "a\\b"},
        {"scope": "\u00fc"},
    ],
    ids=str,
)
def test_claims_that_are_wrong(forge: Forge, changes: dict[str, Any]) -> None:
    assert forge.status(forge.saying(**changes)) == 401


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", '"1"', "0x7f", "01"])
@pytest.mark.parametrize("name", ["exp", "iat"])
def test_numbers_that_are_none(forge: Forge, name: str, text: str) -> None:
    told = json.dumps({**forge.claims, name: "HERE"}).replace('"HERE"', text)
    assert forge.status(forge.raw({"alg": "HS256", "typ": "JWT"}, told)) == 401


@pytest.mark.parametrize("part", ["", "[]", "null", "7", '"text"', "{", "{}", "\ud800", "[" * 5000])
def test_parts_that_are_no_objects(forge: Forge, part: str) -> None:
    assert forge.status(forge.raw(part)) == 401
    assert forge.status(forge.raw({"alg": "HS256", "typ": "JWT"}, part)) == 401


def test_a_good_token_in_any_other_form_is_none(forge: Forge) -> None:
    good = forge.headed()
    head, claims, signature = good.split(".")
    last = signature[-1]
    stray = signature[:-1] + chr(ord(last) + 1 if last not in "Zz9_-" else ord(last) - 1)
    others = [
        f"{good}.",
        f"{good}.{signature}",
        f".{good}",
        f"{good}=",
        f"{head}=.{claims}.{signature}",
        f"{good}==",
        f"{head}.{claims}.{signature}\u00e9",
        f"{head}.{claims}",
        f"{head}..{signature}",
        f"{head}.{claims}.",
        f"{head}\u2024{claims}\u2024{signature}",
        f"{head}.{claims}. {signature}",
        f"{head}%2E{claims}%2E{signature}",
        f"{head}.{claims}.{stray}",
        f'"{good}"',
        f"{head}.{claims}.{signature[:-4]}",
        f"{good},{good}",
        f"{good} {good}",
        json.dumps({"protected": head, "payload": claims, "signature": signature}),
        good[:-1],
        good.swapcase(),
        forge.raw({"alg": "HS256", "typ": "JWT", "cty": "JWT"}, good),
        f"{head}.{head}.{claims}.{claims}.{signature}",
    ]
    wrong = [raw for raw in others if raw != good and raw.isascii() and forge.status(raw) != 401]
    assert wrong == []
    assert forge.status(good) == 200


def test_8192_characters_are_enough(forge: Forge) -> None:
    def of_length(length: int) -> str:
        text = ""
        while len(forge.saying(pad=text)) < length:
            text += "x" * max(1, (length - len(forge.saying(pad=text))) * 3 // 4)
        return forge.saying(pad=text)

    longest = next(
        raw for size in range(LONGEST_TOKEN - 4, LONGEST_TOKEN) if len(raw := of_length(size)) <= LONGEST_TOKEN
    )
    assert forge.status(longest) == 200
    assert forge.status(of_length(LONGEST_TOKEN + 1)) == 401


def test_roles_nobody_has_are_dropped(forge: Forge) -> None:
    raw = forge.saying(roles=["superuser", "CLINICIAN", "clinician ", "admin\0"])
    is_problem(Api(forge.app, {"Authorization": f"Bearer {raw}"}).get("/clinics"), 403)


def test_a_user_of_another_tenant(forge: Forge, new_tenant: Callable[..., TestTenant], admin: Actor) -> None:
    user = a_user(admin)
    assert forge.status(forge.saying(sub=f"user:{user.id}")) == 200
    assert forge.status(forge.saying(sub=f"user:{user.id}", tenant=new_tenant().key)) == 401


def test_each_source_has_its_own_keys_and_algorithms(forge: Forge, admin: Actor, tenant: TestTenant) -> None:
    [key, *_] = forge.app.extensions[OWN_KEYS]
    client, _ = service_clients.create_client(admin, name="Lab", roles=[Role.CLINICIAN], scopes=["directory.read"])
    scopes = frozenset({"directory.read"})
    good = client_token(client, tenant.key, scopes, forge.settings, key)
    assert forge.status(good) == 200
    ours = jwt.decode(good, options={"verify_signature": False})
    public = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    [stranger] = signing_keys(new_signing_key())
    head = {"typ": "at+jwt", "kid": key.kid}
    forged = [
        client_token(client, tenant.key, scopes, forge.settings, stranger),
        jwt.encode(ours, stranger.private, algorithm="ES256", headers=head),
        jwt.encode(ours, rsa.generate_private_key(65537, 2048), algorithm="RS256", headers=head),
        jwt.encode(ours, ec.generate_private_key(ec.SECP384R1()), algorithm="ES384", headers=head),
        forge.raw({"alg": "HS256", **head}, ours),  # our issuer by the development's secret
        forge.raw({"alg": "HS256", **head}, ours, secret=public),  # HMAC with the public key
        jwt.encode(ours | {"iss": "careapp"}, key.private, algorithm="ES256", headers=head),  # our key, other issuer
        jwt.encode(ours, key.private, algorithm="ES256", headers={**head, "typ": "JWT"}),
        jwt.encode(ours, key.private, algorithm="ES256", headers={"typ": "at+jwt"}),
        jwt.encode(ours | {"sub": "user:1"}, key.private, algorithm="ES256", headers=head),
        jwt.encode(ours | {"sub": "client:999999"}, key.private, algorithm="ES256", headers=head),
        jwt.encode(ours | {"sub": "client:\u0661"}, key.private, algorithm="ES256", headers=head),
    ]
    assert [number for number, raw in enumerate(forged) if forge.status(raw) != 401] == []


def test_a_remembered_token_does_not_outlive_who_it_speaks_for(forge: Forge, admin: Actor) -> None:
    user = a_user(admin)
    raw = forge.saying(sub=f"user:{user.id}")
    assert forge.status(raw) == 200
    assert raw in forge.app.extensions[RULES]["careapp"].good
    users.disable(admin, user.id)
    assert forge.status(raw) == 401
    users.enable(admin, user.id)
    assert forge.status(raw) == 200
    users.change_user(admin, user.id, version=users.enable(admin, user.id).version, name="A", roles=[Role.AUDITOR])
    is_problem(Api(forge.app, {"Authorization": f"Bearer {raw}"}).get("/clinics"), 403)


def test_a_remembered_token_ends_with_its_time(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = forge.saying(exp=int(time.time()) + 5)
    assert forge.status(raw) == 200
    later = time.time() + 40
    monkeypatch.setattr(time, "time", lambda: later)
    remembered = forge.app.extensions[RULES]["careapp"].good[raw]
    assert remembered.good_until < later, "so it is checked again"


@pytest.mark.parametrize("shown", ["bearer", "BEARER", "Bearer"])
def test_the_scheme_is_read_whatever_its_case(forge: Forge, shown: str) -> None:
    raw = own_token(
        Actor(0, forge.claims["tenant"], "engine", frozenset(), frozenset({Role.CLINICIAN})), forge.settings
    )
    assert Api(forge.app, {"Authorization": f"{shown} {raw}"}).get("/clinics").status_code == 200


def test_production_takes_no_shared_secret() -> None:
    with pytest.raises(ValueError, match="JWT_SECRET is for development"):
        Settings(
            _env_file=None,
            CAREAPP_ENV="production",
            secret_key="s" * 32,
            database_url="postgresql:///x",
            trusted_hosts="clinic.example",
            jwt_secret="j" * 32,
            encryption_keys="k:" + base64.b64encode(b"k" * 32).decode(),
        )
