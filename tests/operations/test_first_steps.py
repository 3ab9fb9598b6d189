"""`flask tenant` and `flask user`: how an installation without any rows gets its first people."""

import uuid
from collections.abc import Callable

import pytest
from apiflask import APIFlask
from click.testing import Result
from sqlalchemy import select

from careapp import tenancy
from careapp.access import Permission, Role
from careapp.audit.models import AuditEvent
from careapp.db import db
from careapp.identity.actors import actor_of_email
from careapp.identity.sign_in import sign_in
from careapp.operations.models import Tenant, TenantSettings
from tests.conftest import TestTenant
from tests.identity.people import PASSWORD, address

Flask = Callable[..., Result]


@pytest.fixture
def flask(app: APIFlask) -> Flask:
    """flask("tenant", "list", input="…") runs a command of the application."""
    return lambda *words, input=None: app.test_cli_runner().invoke(args=list(words), input=input)


@pytest.fixture
def key() -> str:
    """A tenant's key that nobody uses yet."""
    return f"east-{uuid.uuid4().hex[:8]}"


def add_tenant(flask: Flask, key: str, *more: str) -> Result:
    return flask("tenant", "add", key, "--name", "East Clinics", "--time-zone", "Asia/Yangon", *more)


def add_user(flask: Flask, key: str, email: str, *more: str, typed: str = PASSWORD) -> Result:
    words = ("--tenant", key, "--email", email, "--name", "Daw Aye", "--password-stdin", *more)
    return flask("user", "add", *words, input=f"{typed}\nanother line\n")


def test_from_nothing_to_somebody_signed_in(flask: Flask, key: str) -> None:
    made = add_tenant(flask, key, "--buffer-minutes", "10")
    assert made.exit_code == 0, made.output
    assert key in flask("tenant", "list").output.splitlines()
    email = address()
    added = add_user(flask, key, email, "--role", "admin", "--role", "front_desk")
    assert added.exit_code == 0, added.output
    tenant_id, _ = sign_in(email, PASSWORD, address="192.0.2.50")
    actor = actor_of_email(email)
    assert actor
    assert (actor.tenant_key, actor.roles) == (key, {Role.ADMIN, Role.FRONT_DESK})
    assert actor.may(Permission.USER_MANAGE)
    with tenancy.bound(tenant_id):
        kept = db.session.execute(select(Tenant.name, Tenant.time_zone).where(Tenant.id == tenant_id)).one()
        buffer = db.session.execute(select(TenantSettings.buffer_minutes)).scalar_one()
        audited = db.session.execute(select(AuditEvent.actor).where(AuditEvent.action == "user.create")).scalars().all()
        db.session.rollback()
    assert (*kept, buffer) == ("East Clinics", "Asia/Yangon", 10)
    assert audited == ["cli"]


def test_a_taken_key_stays_what_it_is(flask: Flask, tenant: TestTenant) -> None:
    refused = add_tenant(flask, tenant.key)
    assert refused.exit_code == 1
    assert refused.output == f"Error: There is a tenant {tenant.key} already. Nothing was changed.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["Ost:1", "--name", "East", "--time-zone", "Asia/Yangon"], "small letters"),
        (["east", "--name", "East", "--time-zone", "Asia/Nowhere"], "no time zone"),
        (["east", "--name", " ", "--time-zone", "Asia/Yangon"], "enter a name"),
        (["east", "--name", "East", "--time-zone", "UTC", "--buffer-minutes", "241"], "0<=x<=240"),
    ],
)
def test_what_a_tenant_cannot_be(flask: Flask, words: list[str], said: str) -> None:
    refused = flask("tenant", "add", *words)
    assert refused.exit_code == 2
    assert said in refused.output
    assert "east" not in flask("tenant", "list").output.splitlines()


def test_only_the_owner_of_the_database_makes_tenants(
    app: APIFlask, flask: Flask, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "DATABASE_OWNER_URL", None)
    refused = add_tenant(flask, key)
    assert refused.exit_code == 1
    assert "Set DATABASE_OWNER_URL" in refused.output


def test_refusals_are_sentences(flask: Flask, tenant: TestTenant) -> None:
    email = address()
    short = add_user(flask, tenant.key, email, "--role", "admin", typed="short")
    assert (short.exit_code, short.output) == (1, "Error: Use at least 15 characters; several words are fine.\n")
    assert add_user(flask, tenant.key, email, "--role", "admin").exit_code == 0
    taken = add_user(flask, tenant.key, email, "--role", "admin")
    assert (taken.exit_code, taken.output) == (1, "Error: Somebody signs in with this address already.\n")
    nowhere = add_user(flask, "no-such-tenant", address(), "--role", "admin")
    assert (nowhere.exit_code, nowhere.output) == (1, "Error: There is no tenant no-such-tenant.\n")
    assert add_user(flask, tenant.key, address(), "--role", "god").exit_code == 2
    assert add_user(flask, tenant.key, address()).exit_code == 2


def test_the_password_is_asked_for_twice_and_not_shown(flask: Flask, tenant: TestTenant) -> None:
    email = address()
    words = ("user", "add", "--tenant", tenant.key, "--email", email, "--name", "U Ba", "--role", "clinician")
    asked = flask(*words, input=f"{PASSWORD}\nsomething else entirely\n{PASSWORD}\n{PASSWORD}\n")
    assert asked.exit_code == 0, asked.output
    assert "do not match" in asked.output
    assert PASSWORD not in asked.output
    sign_in(email, PASSWORD, address="192.0.2.51")
