"""Tokens for service clients: who gets one, what it says and allows, and how everything else is refused."""

import base64
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import jwt
import psycopg
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy import delete, make_url
from werkzeug.test import TestResponse

from careapp import clock, localdb
from careapp.access import Actor, Role, permissions_of
from careapp.api.oauth import STATUS
from careapp.commands import system_transaction
from careapp.config import Settings, load, new_encryption_key, new_signing_key
from careapp.db import db
from careapp.errors import Conflict, Forbidden, Invalid, NotFound
from careapp.identity import service_clients as clients
from careapp.identity.models import SignInAttempts
from careapp.identity.service_clients import GRACE, ServiceClientView
from careapp.scopes import SCOPES, reached_by
from careapp.surface.signing_keys import published, signing_keys
from careapp.surface.tokens import OWN_KEYS, RULES, own_rules
from tests import factories as make
from tests.api.client import Api, is_problem
from tests.conftest import ROOT, TestTenant, everything
from tests.looking import audits, execute, newest

Ask = Callable[..., TestResponse]
FORM = {"grant_type": "client_credentials"}


@pytest.fixture(autouse=True)
def no_failures_yet(app: APIFlask) -> None:
    """Forget the wrong credentials of other tests: all of them come from one network address."""
    with system_transaction(None):
        db.session.execute(delete(SignInAttempts))


@pytest.fixture
def made(admin: Actor) -> tuple[ServiceClientView, str]:
    """A client that may read patients and episodes, and write episodes; and its secret."""
    return a_client(admin)


def a_client(admin: Actor, *scopes: str, roles: tuple[Role, ...] = (Role.CLINICIAN,)) -> tuple[ServiceClientView, str]:
    wanted = scopes or ("patient.read", "episode.read", "episode.write")
    return clients.create_client(admin, name="Laboratory", roles=roles, scopes=wanted)


def basic(client_id: str, secret: str) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


@pytest.fixture
def ask(app: APIFlask, made: tuple[ServiceClientView, str]) -> Ask:
    """ask(form, authorization=…) asks for a token, by default rightly."""

    def go(form: Any = None, authorization: str | None = None, **options: Any) -> TestResponse:
        http: FlaskClient = app.test_client(use_cookies=False)
        shown = basic(made[0].client_id, made[1]) if authorization is None else authorization
        headers = {"Authorization": shown} if shown else {}
        address = options.pop("address", "/oauth/token")
        return http.post(address, data=FORM if form is None else form, headers=headers, **options)

    return go


def using(app: APIFlask, answer: TestResponse) -> Api:
    """A client of the API with the token of an answer."""
    assert answer.status_code == 200, answer.text
    return Api(app, {"Authorization": f"Bearer {answer.json['access_token']}"})


def refused(answer: TestResponse, error: str, status: int = 400) -> dict[str, Any]:
    """The error of RFC 6749 §5.2, after a look at its form."""
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.text
    assert set(answer.json) == {"error", "error_description"}
    assert answer.json["error"] == error
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    return answer.json


def test_a_token_says_what_rfc_9068_asks_for(
    app: APIFlask, ask: Ask, made: tuple[ServiceClientView, str], tenant: TestTenant
) -> None:
    answer = ask()
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert {name: answer.json[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer", "expires_in": 900, "scope": "episode.read episode.write patient.read",
    }  # fmt: skip
    raw = answer.json["access_token"]
    head, told = jwt.get_unverified_header(raw), jwt.decode(raw, options={"verify_signature": False})
    jwks = app.test_client().get("/.well-known/jwks.json").json
    assert (head["typ"], head["alg"]) == ("at+jwt", "ES256")
    assert head["kid"] in {key["kid"] for key in jwks["keys"]}
    assert set(told) == {"iss", "aud", "exp", "iat", "sub", "client_id", "jti", "tenant", "roles", "scope"}
    assert (told["sub"], told["client_id"], told["tenant"]) == (f"client:{made[0].id}", made[0].client_id, tenant.key)
    assert told["exp"] - told["iat"] == 900
    key = jwt.PyJWK.from_dict(jwks["keys"][0])
    assert jwt.decode(raw, key, algorithms=["ES256"], audience="careapp") == told, "by the published key alone"


def test_it_opens_what_roles_and_scopes_both_allow(app: APIFlask, ask: Ask, god: Actor) -> None:
    episode = make.an_episode(god)
    client, before = using(app, ask()), newest(god)["audits"]
    assert client.get(f"/episodes/{episode.locator}").status_code == 200
    assert client.patch(f"/episodes/{episode.locator}/close", {"summary": "Well"}).status_code == 200
    is_problem(client.get("/clinics"), 403, "INSUFFICIENT_SCOPE")
    is_problem(client.get(f"/episodes/{episode.locator}/prescriptions"), 403, "INSUFFICIENT_SCOPE")
    assert {row.actor.partition(":")[0] for row in audits(god, after=before)} == {"client"}


def test_a_scope_of_before_that_no_role_reaches_is_not_granted(
    app: APIFlask, admin: Actor, god: Actor, ask: Ask
) -> None:
    client, secret = a_client(admin, "directory.read", roles=(Role.FRONT_DESK,))
    here = basic(client.client_id, secret)

    def stored(*scopes: str) -> None:
        execute(god, f"UPDATE service_clients SET scopes = '{{{','.join(scopes)}}}' WHERE id = {client.id}")

    stored(*SCOPES)
    given = ask(authorization=here)
    assert set(given.json["scope"].split()) == reached_by(permissions_of(frozenset({Role.FRONT_DESK}))) < SCOPES
    assert using(app, given).get("/clinics").status_code == 200
    is_problem(using(app, given).post("/clinics", {"name": "Hill", "timeZone": "Asia/Yangon"}), 403)
    refused(ask({**FORM, "scope": "directory.read directory.write"}, authorization=here), "invalid_scope")
    stored("directory.write", "portal.read")
    assert "none of those" in refused(ask(authorization=here), "invalid_scope")["error_description"]


def test_a_client_may_ask_for_less_and_not_for_more(app: APIFlask, ask: Ask) -> None:
    less = ask({**FORM, "scope": "patient.read"})
    assert less.json["scope"] == "patient.read"
    assert using(app, less).get("/patients").status_code == 200
    is_problem(using(app, less).get("/episodes"), 403, "INSUFFICIENT_SCOPE")
    for wanted in ("clinic.write", "patient.read appointment.read", "openid", "patient.read  episode.read", 'a"b'):
        refused(ask({**FORM, "scope": wanted}), "invalid_scope")
    assert ask({**FORM, "scope": ""}).json["scope"] == "episode.read episode.write patient.read"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, "invalid_request"),
        ({**FORM, "client_secret": "x"}, "invalid_request"),
        ({**FORM, "client_assertion": "x"}, "invalid_request"),
        ({**FORM, "scope": "x" * 5000}, "invalid_request"),
        ("{}", "invalid_request"),
    ],
)
def test_requests_that_are_none(ask: Ask, form: Any, error: str) -> None:
    refused(ask(form), error)


def test_nothing_stands_in_the_address_and_the_body_is_a_form(ask: Ask) -> None:
    refused(ask(address="/oauth/token?grant_type=client_credentials"), "invalid_request")
    refused(ask(FORM, content_type="multipart/form-data"), "invalid_request")
    refused(ask('{"grant_type": "client_credentials"}', content_type="application/json"), "invalid_request")


def test_a_wrong_credential_gets_one_answer_whatever_is_wrong(
    ask: Ask, made: tuple[ServiceClientView, str], admin: Actor, new_tenant: Callable[..., TestTenant]
) -> None:
    client, secret = made
    other, other_secret = a_client(everything(new_tenant()))
    theirs = ".".join((other.client_id.split(".")[0], client.client_id.split(".")[1]))
    shown = [
        "", "Basic", "Basic !", "Basic " + base64.b64encode(b"\xff:\xff").decode(), f"Bearer {secret}",
        basic(client.client_id, ""), basic("", secret), basic(client.client_id, secret[:-1]),
        basic(client.client_id, other_secret), basic(client.client_id, secret + "\0"),
        basic(client.client_id.upper(), secret), basic(theirs, secret),
        basic("no-such-tenant.0011223344556677", secret),
        basic("' OR 1=1 --", secret), basic(client.client_id, "x" * 300),
    ]  # fmt: skip
    answers = [refused(ask(authorization=one), "invalid_client", 401) for one in shown]
    answers.append(refused(ask({**FORM, "client_id": other.client_id}), "invalid_client", 401))
    assert len({str(answer) for answer in answers}) == 1
    assert ask({**FORM, "client_id": client.client_id}).status_code == 200


def test_after_twenty_wrong_ones_in_a_minute_the_next_wait_and_the_right_one_does_not(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = clock.now()
    monkeypatch.setattr(clock, "now", lambda: noon)
    for _ in range(20):
        refused(ask(authorization="Basic eDp5"), "invalid_client", 401)
    late = ask(authorization="Basic eDp5")
    refused(late, "temporarily_unavailable", 429)
    assert late.headers["Retry-After"] == "60"
    assert ask().status_code == 200


def test_what_is_no_code_of_the_token_endpoint_is_written_down() -> None:
    written = (ROOT / "docs" / "security" / "api-tokens.md").read_text()
    assert {"temporarily_unavailable", "server_error"} < set(STATUS)
    for code in STATUS:
        assert f"`{code}`" in written
    assert "§4.1.2.1" in written


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_only_a_post_gets_a_token(app: APIFlask, method: str) -> None:
    is_problem(app.test_client().open("/oauth/token", method=method), 405)


def test_two_secrets_are_good_for_a_day_of_rotation(
    app: APIFlask, ask: Ask, admin: Actor, made: tuple[ServiceClientView, str]
) -> None:
    client, first = made
    changed, second = clients.rotate_secret(admin, client.id)
    assert changed.former_until is not None
    assert ask(authorization=basic(client.client_id, first)).status_code == 200
    assert ask(authorization=basic(client.client_id, second)).status_code == 200
    with clock.at(clock.now() + GRACE):
        refused(ask(authorization=basic(client.client_id, first)), "invalid_client", 401)
        assert ask(authorization=basic(client.client_id, second)).status_code == 200
    _, third = clients.rotate_secret(admin, client.id)
    refused(ask(authorization=basic(client.client_id, first)), "invalid_client", 401)
    _, fourth = clients.rotate_secret(admin, client.id, at_once=True)
    for gone in (second, third):
        refused(ask(authorization=basic(client.client_id, gone)), "invalid_client", 401)
    assert ask(authorization=basic(client.client_id, fourth)).status_code == 200


def test_a_disabled_client_and_its_tokens_end_at_once(
    app: APIFlask, ask: Ask, admin: Actor, made: tuple[ServiceClientView, str]
) -> None:
    speaking = using(app, ask())
    assert speaking.get("/patients").status_code == 200
    clients.disable_client(admin, made[0].id)
    is_problem(speaking.get("/patients"), 401, "UNAUTHENTICATED")
    refused(ask(), "invalid_client", 401)
    clients.enable_client(admin, made[0].id)
    assert speaking.get("/patients").status_code == 200
    assert ask().status_code == 200


def test_the_last_use_is_kept_to_the_hour(ask: Ask, admin: Actor, made: tuple[ServiceClientView, str]) -> None:
    ask()
    first = clients.get_client(admin, made[0].id)
    ask()
    assert clients.get_client(admin, made[0].id) == first
    assert first.last_used_at is not None
    assert first.version == 1
    with clock.at(first.last_used_at + timedelta(minutes=61)):
        ask()
    assert clients.get_client(admin, made[0].id).last_used_at > first.last_used_at


def test_fetching_a_token_is_audited(ask: Ask, god: Actor, made: tuple[ServiceClientView, str]) -> None:
    before, me = newest(god)["audits"], f"client:{made[0].id}"
    ask()
    ask(authorization=basic(made[0].client_id, "wrong"))
    told = [(row.actor, row.action, row.outcome, row.subject) for row in audits(god, after=before)]
    assert told == [(me, "client.token", "done", me), ("nobody", "client.token", "refused", me)]


def test_secrets_are_nowhere_in_the_database(database: Any, made: tuple[ServiceClientView, str]) -> None:
    address = make_url(database.superuser).set(database=database.name).render_as_string(hide_password=False)
    with psycopg.connect(localdb.libpq_url(address)) as connection:
        assert connection.execute("SELECT count(*) FROM care.service_clients").fetchone() != (0,)
        for table in ("service_clients", "audit_event", "outbox"):
            rows = connection.execute(f"SELECT t::text FROM care.{table} t").fetchall()  # type: ignore[arg-type]
            assert not [row for (row,) in rows if made[1] in row], table


def test_who_manages_users_manages_clients_and_nobody_else(god: Actor, actor_of: Callable[..., Actor]) -> None:
    client, _ = a_client(god)
    for role in set(Role) - {Role.ADMIN}:
        somebody = actor_of(role)
        for act in (
            lambda who: a_client(who), lambda who: clients.rotate_secret(who, client.id),
            lambda who: clients.disable_client(who, client.id), lambda who: clients.enable_client(who, client.id),
            lambda who: clients.get_client(who, client.id), clients.list_clients,
        ):  # fmt: skip
            with pytest.raises(Forbidden):
                act(somebody)


def test_another_tenants_client_is_not_there(admin: Actor, new_tenant: Callable[..., TestTenant]) -> None:
    foreign, _ = a_client(everything(new_tenant()))
    assert clients.list_clients(admin) == []
    for act in (clients.rotate_secret, clients.disable_client, clients.enable_client, clients.get_client):
        with pytest.raises(NotFound):
            act(admin, foreign.id)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"name": " "}, "name"), ({"name": "x" * 201}, "name"), ({"roles": ()}, "roles"), ({"scopes": ()}, "scopes"),
     ({"scopes": ("everything",)}, "scopes"), ({"scopes": ("patient.read", "portal.read")}, "scopes"),
     ({"roles": (Role.FRONT_DESK,), "scopes": ("prescription.write",)}, "scopes")],
)  # fmt: skip
def test_a_client_needs_name_roles_and_scopes(admin: Actor, change: dict[str, Any], field: str) -> None:
    given: dict[str, Any] = {"name": "Laboratory", "roles": (Role.CLINICIAN,), "scopes": ("patient.read",), **change}
    with pytest.raises(Invalid) as refusal:
        clients.create_client(admin, **given)
    assert list(refusal.value.errors) == [field]


def test_a_scope_that_the_roles_never_reach_is_named(admin: Actor) -> None:
    wanted = ("patient.read", "prescription.write", "portal.read")
    for second, beyond in ((Role.AUDITOR, "portal.read, prescription.write"), (Role.CLINICIAN, "portal.read")):
        with pytest.raises(Invalid) as refusal:
            a_client(admin, *wanted, roles=(Role.FRONT_DESK, second))
        assert refusal.value.errors["scopes"].startswith(f"The roles do not reach {beyond}:")
    assert a_client(admin, *wanted[:2], roles=(Role.FRONT_DESK, Role.CLINICIAN))[0].granted == wanted[:2]


def test_there_is_an_end_to_clients(admin: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MOST_CLIENTS", 1)
    a_client(admin)
    with pytest.raises(Conflict):
        a_client(admin)


def test_the_metadata_names_what_there_is(app: APIFlask) -> None:
    told = app.test_client().get("/.well-known/oauth-authorization-server").json
    assert told["issuer"] == app.config["SETTINGS"].own_issuer
    assert told["token_endpoint"] == f"{told['issuer']}/oauth/token"
    assert told["jwks_uri"] == f"{told['issuer']}/.well-known/jwks.json"
    asked = {getattr(view, "scope", None) for name, view in app.view_functions.items() if name.startswith("api.")}
    assert set(told["scopes_supported"]) == asked
    assert not asked & {"portal.read", "account.write", "preferences.write", "drafts.write"}


def test_published_keys_hold_no_private_half(app: APIFlask) -> None:
    keys = app.test_client().get("/.well-known/jwks.json").json["keys"]
    assert keys, "none is published, so none was looked at"
    for key in keys:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


@pytest.fixture
def rotating(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """rotating(PEM, …) starts the application again with these keys, as far as tokens go."""

    def restart(*pems: str) -> None:
        keys, settings = signing_keys("\n".join(pems)), app.config["SETTINGS"]
        rules = own_rules(settings, keys)
        assert rules is not None
        monkeypatch.setitem(app.extensions, OWN_KEYS, keys)
        monkeypatch.setitem(app.extensions, RULES, app.extensions[RULES] | {rules.issuer: rules})

    return restart


def test_keys_rotate_without_a_stop(app: APIFlask, ask: Ask, rotating: Callable[..., None]) -> None:
    old, new = new_signing_key(), new_signing_key()
    kids = [key.kid for key in signing_keys(f"{old}{new}")]

    def kid(answer: TestResponse) -> str:
        return str(jwt.get_unverified_header(answer.json["access_token"])["kid"])

    rotating(old)
    first = ask()
    assert kid(first) == kids[0]
    rotating(old, new)
    assert [key["kid"] for key in app.test_client().get("/.well-known/jwks.json").json["keys"]] == kids
    assert kid(ask()) == kids[0], "published before it is used"
    rotating(new, old)
    second = ask()
    assert kid(second) == kids[1]
    assert [using(app, answer).get("/patients").status_code for answer in (first, second)] == [200, 200]
    rotating(new)
    is_problem(using(app, first).get("/patients"), 401)
    assert using(app, second).get("/patients").status_code == 200


def test_without_a_key_there_is_no_token_endpoint(app: APIFlask, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, OWN_KEYS, [])
    for address in ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server"):
        is_problem(app.test_client().get(address), 404)
    is_problem(ask(), 404)


@pytest.mark.parametrize("pem", ["junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_keys_that_are_none_are_not_quoted(pem: str) -> None:
    with pytest.raises(ValueError, match="JWT_SIGNING_KEY") as error:
        signing_keys(pem)
    assert pem not in str(error.value)


def test_one_key_twice_is_refused_and_one_line_is_enough() -> None:
    key = new_signing_key()
    with pytest.raises(ValueError, match="twice"):
        signing_keys(key + key)
    assert published(signing_keys(key.replace("\n", "\\n"))) == published(signing_keys(key))


def test_settings_of_the_issuer(tmp_path: Any) -> None:
    fine: dict[str, Any] = {"_env_file": None, "CAREAPP_ENV": "development"}
    with pytest.raises(ValueError, match="are the same"):
        Settings(**fine, oauth_issuer="https://idp.example", jwt_issuer="https://idp.example")
    with pytest.raises(ValueError, match="is an address"):
        Settings(**fine, oauth_issuer="clinic.example")
    production = {
        **fine, "CAREAPP_ENV": "production", "secret_key": "s" * 32, "database_url": "postgresql:///x",
        "trusted_hosts": "clinic.example", "jwt_signing_key": new_signing_key(),
        "encryption_keys": new_encryption_key(),
    }  # fmt: skip
    with pytest.raises(ValueError, match="needs OAUTH_ISSUER"):
        Settings(**production, oauth_issuer="http://clinic.example")
    made = load(**fine, CAREAPP_VAR=tmp_path).jwt_signing_key
    again = load(**fine, CAREAPP_VAR=tmp_path).jwt_signing_key
    assert made
    assert made == again, "development makes one and keeps it"
    assert signing_keys(made.get_secret_value())
    assert (tmp_path / "jwt_signing_key.secret").stat().st_mode & 0o077 == 0


def test_tokens_of_ours_are_short_lived(ask: Ask, app: APIFlask) -> None:
    settings, [key, *_] = app.config["SETTINGS"], app.extensions[OWN_KEYS]
    told = jwt.decode(ask().json["access_token"], options={"verify_signature": False})
    for change in ({"exp": int(time.time()) + 3600}, {"exp": int(time.time()) - 60, "iat": int(time.time()) - 600}):
        raw = jwt.encode(told | change, key.private, algorithm="ES256", headers={"typ": "at+jwt", "kid": key.kid})
        is_problem(Api(app, {"Authorization": f"Bearer {raw}"}).get("/patients"), 401)
    assert settings.own_issuer == told["iss"]
