"""Who a bearer token or a service credential stands for, over HTTP and the database."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from careapp.access import Actor, Permission, Role, permissions_of
from careapp.cli.token import token as token_command
from careapp.db import db
from careapp.identity import users
from tests.api.test_tokens import SECRET, claims, signed
from tests.conftest import TestTenant
from tests.database import TestDatabase
from tests.identity.people import PASSWORD, a_user
from tests.identity.surface_app import surface_app

PEERS = itertools.count(1)


@pytest.fixture(scope="module")
def surface(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with surface_app(database, tmp_path_factory.mktemp("var"), jwt_secret=SECRET) as app:
        yield app


@pytest.fixture
def client(surface: Flask) -> FlaskClient:
    return surface.test_client()


@pytest.fixture
def user(app: Flask, admin: Actor) -> users.UserView:
    return a_user(admin)


def ask(
    client: FlaskClient, tenant: TestTenant, *, path: str = "/api/who", method: str = "GET", **changes: Any
) -> TestResponse:
    header = {"Authorization": f"Bearer {signed(claims(tenant=tenant.key, **changes))}"}
    return client.open(path, method=method, headers=header)


def test_a_local_user(client: FlaskClient, tenant: TestTenant, user: users.UserView) -> None:
    answer = ask(client, tenant, sub=f"user:{user.id}")
    assert answer.json["name"] == f"user:{user.id}"
    assert (answer.json["tenant"], answer.json["roles"]) == (tenant.key, ["clinician"])
    by_address = ask(client, tenant, sub=user.email.upper())
    assert by_address.json == answer.json


def test_somebody_only_the_identity_provider_knows(client: FlaskClient, tenant: TestTenant) -> None:
    answer = ask(client, tenant, sub="integration-engine", roles=["front_desk", "superuser", "offline_access"])
    assert answer.json["name"] == "token:integration-engine"
    assert answer.json["roles"] == ["front_desk"]
    assert answer.json["permissions"] == sorted(permissions_of(frozenset({Role.FRONT_DESK})))
    assert ask(client, tenant, sub="integration-engine", roles=["superuser"]).json["permissions"] == []


def test_a_token_gives_a_user_no_role_he_does_not_hold(
    client: FlaskClient, tenant: TestTenant, user: users.UserView
) -> None:
    answer = ask(client, tenant, sub=f"user:{user.id}", roles=["admin", "clinician"])
    assert answer.json["roles"] == ["clinician"]
    assert ask(client, tenant, sub=f"user:{user.id}", roles=["admin"]).json["permissions"] == []


def test_a_disabled_user_is_refused_under_every_name(
    client: FlaskClient, tenant: TestTenant, admin: Actor, user: users.UserView
) -> None:
    users.disable(admin, user.id)
    for subject in (f"user:{user.id}", user.email):
        assert ask(client, tenant, sub=subject).status_code == 401


@pytest.mark.parametrize("subject", ["user:999999999", "user:", "user:-1", "user:x", "user:²", "user:" + "9" * 30])
def test_a_user_of_ours_must_exist(client: FlaskClient, tenant: TestTenant, subject: str) -> None:
    assert ask(client, tenant, sub=subject).status_code == 401


def test_a_user_of_another_tenant_is_nobody_here(
    client: FlaskClient, user: users.UserView, new_tenant: Callable[..., TestTenant]
) -> None:
    elsewhere = new_tenant()
    assert ask(client, elsewhere, sub=f"user:{user.id}").status_code == 401


def test_an_unknown_tenant_is_refused_until_it_exists(client: FlaskClient, tenant: TestTenant) -> None:
    assert ask(client, TestTenant(0, "no-such-tenant"), sub="anybody").status_code == 401
    assert ask(client, tenant, sub="anybody").status_code == 200


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer junk", "Basic dXNlcjpwYXNz", "bearer a.b.c", "Token x"]
)
def test_without_a_good_token_nobody(client: FlaskClient, header: str | None) -> None:
    answer = client.get("/api/who", headers={} if header is None else {"Authorization": header})
    assert (answer.status_code, answer.json) == (401, {"code": "UNAUTHENTICATED"})


def test_the_api_takes_no_cookie_and_asks_for_no_form_token(
    client: FlaskClient, tenant: TestTenant, user: users.UserView
) -> None:
    client.environ_base["REMOTE_ADDR"] = "198.51.100.77"  # nobody else's: tries from one address are counted together
    page = client.get("/sign-in")
    token = page.text.split('name="csrf-token" content="')[1].split('"')[0]
    signed_in = client.post("/sign-in", data={"csrf_token": token, "email": user.email, "password": PASSWORD})
    assert signed_in.status_code == 303
    assert client.get("/who").status_code == 200
    for path in ("/api/who", "/api/nested/who"):
        assert client.get(path).status_code == 401
        assert client.post(path).status_code == 401
        assert ask(client, tenant, path=path, method="POST", sub=f"user:{user.id}").status_code == 200


def test_a_request_with_a_token_asks_the_database_once(surface: Flask, client: FlaskClient, tenant: TestTenant) -> None:
    ask(client, tenant, sub="first")  # finds the tenant
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    with surface.app_context():
        event.listen(db.engine, "before_cursor_execute", note)
        ask(client, tenant, sub="second")
        event.remove(db.engine, "before_cursor_execute", note)
    own = [one for one in asked if "set_config" not in one and "rate_limits" not in one]
    assert [statement.split()[0:2] for statement in own] == [["SELECT", "users.id"]]


def run_token_command(app: Flask, email: str) -> Result:
    """Run `flask token` in this application, not in the one whose context surrounds the test."""
    with app.app_context():
        return app.test_cli_runner().invoke(token_command, ["--user", email])


def test_the_token_command_prints_a_token_that_works(surface: Flask, client: FlaskClient, user: users.UserView) -> None:
    run = run_token_command(surface, user.email)
    assert run.exit_code == 0
    answer = client.get("/api/who", headers={"Authorization": f"Bearer {run.output.strip()}"})
    assert answer.json["name"] == f"user:{user.id}"


def test_the_token_command_narrows_to_scopes(surface: Flask, client: FlaskClient, user: users.UserView) -> None:
    with surface.app_context():
        run = surface.test_cli_runner().invoke(token_command, ["--user", user.email, "--scope", "patient.read"])
    answer = client.get("/api/who", headers={"Authorization": f"Bearer {run.output.strip()}"})
    assert answer.json["permissions"] == ["patient.view"]
    for given in (["patient.read directory.read"], ["patient.read", "directory.read"]):
        options = [word for scope in given for word in ("--scope", scope)]
        with surface.app_context():
            run = surface.test_cli_runner().invoke(token_command, ["--user", user.email, *options])
        answer = client.get("/api/who", headers={"Authorization": f"Bearer {run.output.strip()}"})
        assert answer.json["permissions"] == ["directory.view", "patient.view"]
    with surface.app_context():
        run = surface.test_cli_runner().invoke(token_command, ["--user", user.email, "--scope", "patient.everything"])
    assert run.exit_code == 1
    assert "there is no scope patient.everything" in run.output


def test_the_token_command_refuses_strangers(surface: Flask) -> None:
    run = run_token_command(surface, "nobody@clinic.example")
    assert run.exit_code == 1
    assert "there is no enabled user" in run.output


def test_with_an_identity_provider_the_application_makes_no_tokens(
    database: TestDatabase, tmp_path_factory: pytest.TempPathFactory, user: users.UserView
) -> None:
    provider = "http://127.0.0.1:9/jwks"
    with surface_app(database, tmp_path_factory.mktemp("var"), jwt_jwks_url=provider) as app:
        run = run_token_command(app, user.email)
    assert run.exit_code == 1
    assert "identity provider" in run.output


def test_without_keys_of_the_provider_the_answer_is_503(
    database: TestDatabase, tmp_path_factory: pytest.TempPathFactory
) -> None:
    provider = {"jwt_jwks_url": "http://127.0.0.1:9/jwks"}
    with surface_app(database, tmp_path_factory.mktemp("var"), **provider) as app, capture_logs() as logs:
        forged = app.test_client().get("/api/who", headers={"Authorization": f"Bearer {signed(claims())}"})
        assert forged.status_code == 401, "an algorithm of ours alone is refused without a fetch"
        token = signed(claims(), header={"kid": "first"}, key=rsa.generate_private_key(65537, 2048), alg="RS256")
        assert app.test_client().get("/api/who", headers={"Authorization": f"Bearer {token}"}).status_code == 503
    assert [(line["event"], line["error"]) for line in logs] == [
        ("the identity provider's keys could not be fetched", "ConnectError")
    ]


@pytest.fixture
def portal(
    database: TestDatabase, tmp_path_factory: pytest.TempPathFactory, tenant: TestTenant
) -> Iterator[FlaskClient]:
    tokens = f"{tenant.key}:first-token, {tenant.key}:second:token,no-such-tenant:third-token"
    with surface_app(database, tmp_path_factory.mktemp("var"), internal_tokens=tokens) as app:
        client = app.test_client()
        client.environ_base["REMOTE_ADDR"] = f"192.0.2.{next(PEERS)}"  # one a test: failures count by address
        yield client


@pytest.mark.parametrize("token", ["first-token", "second:token"])
def test_the_portal_reads_in_the_tenant_of_its_token(portal: FlaskClient, tenant: TestTenant, token: str) -> None:
    answer = portal.get("/internal/who", headers={"X-Internal-Token": token})
    assert (answer.json["name"], answer.json["tenant"]) == ("portal", tenant.key)
    assert set(answer.json["permissions"]) == {
        Permission.PORTAL_READ, Permission.DIRECTORY_VIEW, Permission.PRESCRIPTION_READ, Permission.REFERRAL_READ,
    }  # fmt: skip


@pytest.mark.parametrize("token", [None, "", "first-toke", "first-token ,", "third-token", "\u00e9"])
def test_a_missing_or_wrong_credential_is_refused(portal: FlaskClient, token: str | None) -> None:
    headers = {} if token is None else {"X-Internal-Token": token}
    assert portal.get("/internal/who", headers=headers).status_code == 401


def test_a_bearer_token_opens_no_portal_route(portal: FlaskClient, tenant: TestTenant) -> None:
    assert ask(portal, tenant, path="/internal/who").status_code == 401


def test_without_credentials_the_portal_routes_are_not_there(client: FlaskClient) -> None:
    assert client.get("/internal/who", headers={"X-Internal-Token": "anything"}).status_code == 404
