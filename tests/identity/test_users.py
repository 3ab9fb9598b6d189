"""Adding users, giving passwords, shutting out; and that every step is audited."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from sqlalchemy import select

from careapp import tenancy
from careapp.access import Actor, Permission, Role
from careapp.audit.models import AuditEvent
from careapp.db import db
from careapp.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from careapp.identity import users
from careapp.identity.actors import actor_of_email
from careapp.identity.sign_in import sign_in
from tests import factories
from tests.conftest import TestTenant, everything
from tests.identity.people import PASSWORD, a_user, address


def audited(tenant: TestTenant) -> list[tuple[str, str, str, str | None]]:
    """(actor, action, outcome, subject) of the tenant's audit rows, oldest first."""
    columns = (AuditEvent.actor, AuditEvent.action, AuditEvent.outcome, AuditEvent.subject)
    with tenancy.bound(tenant.id):
        rows = db.session.execute(select(*columns).order_by(AuditEvent.id)).all()
        db.session.rollback()
    return [tuple(row) for row in rows]


def test_a_new_user_is_known_by_address_with_roles_and_clinics(app: APIFlask, admin: Actor, tenant: TestTenant) -> None:
    clinic = factories.a_clinic(everything(tenant))
    made = a_user(admin, Role.CLINICIAN, Role.FRONT_DESK, clinic_ids=[clinic_id(tenant, clinic.locator)] * 2)
    actor = actor_of_email(f"  {made.email.upper()} ")
    assert actor
    assert (actor.tenant_id, actor.name, actor.user_id) == (tenant.id, f"user:{made.id}", made.id)
    assert actor.label == made.name
    assert actor.roles == {Role.CLINICIAN, Role.FRONT_DESK}
    assert actor.may(Permission.EPISODE_CLOSE)
    assert actor.clinic_ids == {clinic_id(tenant, clinic.locator)}
    assert ("test:admin", "user.create", "done", f"user:{made.id}") in audited(tenant)


def clinic_id(tenant: TestTenant, locator: str) -> int:
    """The row id of a clinic."""
    clinics = db.metadata.tables["clinics"]
    with tenancy.bound(tenant.id):
        found = db.session.execute(select(clinics.c.id).where(clinics.c.locator == locator)).scalar_one()
        db.session.rollback()
    return int(found)


def test_a_user_without_clinics_sees_all(app: APIFlask, admin: Actor) -> None:
    actor = actor_of_email(a_user(admin).email)
    assert actor
    assert actor.clinic_ids is None


def test_an_address_is_one_user_of_one_tenant(
    app: APIFlask, admin: Actor, actor_of: Callable[..., Actor], new_tenant: Callable[..., TestTenant]
) -> None:
    taken = a_user(admin).email
    for elsewhere in (admin, actor_of(Role.ADMIN, tenant=new_tenant())):
        with pytest.raises(Invalid) as refusal:
            a_user(elsewhere, email=f" {taken.upper()}")
        assert set(refusal.value.errors) == {"email"}


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("email", "no address", "email"),
        ("email", "two@at@signs", "email"),
        ("email", "x" * 250 + "@clinic.example", "email"),
        ("name", "  ", "name"),
        ("name", "x" * 201, "name"),
        ("password", "too short", "password"),
        ("roles", [], "roles"),
        ("clinic_ids", [9_999_999], "clinicIds"),
        ("provider_id", 9_999_999, "providerId"),
    ],
)
def test_what_a_user_cannot_be(app: APIFlask, admin: Actor, field: str, value: object, named: str) -> None:
    given = {"email": address(), "name": "Ma Test", "password": PASSWORD, "roles": [Role.CLINICIAN]}
    with pytest.raises(Invalid) as refusal:
        users.create_user(admin, **(given | {field: value}))
    assert set(refusal.value.errors) == {named}
    assert actor_of_email(str(given["email"])) is None


def test_a_new_password_ends_sessions_and_replaces_the_old(app: APIFlask, admin: Actor, tenant: TestTenant) -> None:
    made = a_user(admin)
    sign_in(made.email, PASSWORD, address="192.0.2.1")
    changed = users.set_password(admin, made.id, password="quite another sentence")
    assert changed.version == made.version + 1
    with pytest.raises(Unauthenticated):
        sign_in(made.email, PASSWORD, address="192.0.2.2")
    sign_in(made.email, "quite another sentence", address="192.0.2.2")
    assert ("test:admin", "user.set_password", "done", f"user:{made.id}") in audited(tenant)


def test_a_weak_new_password_changes_nothing(app: APIFlask, admin: Actor) -> None:
    made = a_user(admin)
    for weak in ("short", made.email):
        with pytest.raises(Invalid):
            users.set_password(admin, made.id, password=weak)
    sign_in(made.email, PASSWORD, address="192.0.2.3")


def test_a_disabled_user_is_out(app: APIFlask, admin: Actor) -> None:
    made = a_user(admin)
    users.disable(admin, made.id)
    assert actor_of_email(made.email) is None
    with pytest.raises(Unauthenticated):
        sign_in(made.email, PASSWORD, address="192.0.2.4")


def test_nobody_disables_himself(app: APIFlask, admin: Actor) -> None:
    me = actor_of_email(a_user(admin, Role.ADMIN).email)
    assert me
    assert me.user_id
    with pytest.raises(Conflict, match="yourself"):
        users.disable(me, me.user_id)


def test_users_of_another_tenant_do_not_exist(
    app: APIFlask, admin: Actor, actor_of: Callable[..., Actor], new_tenant: Callable[..., TestTenant]
) -> None:
    foreign = a_user(actor_of(Role.ADMIN, tenant=new_tenant()))
    with pytest.raises(NotFound):
        users.set_password(admin, foreign.id, password="quite another sentence")
    with pytest.raises(NotFound):
        users.disable(admin, foreign.id)


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.CLINICIAN, Role.AUDITOR])
def test_only_administrators_manage_users(
    app: APIFlask, actor_of: Callable[..., Actor], tenant: TestTenant, role: Role
) -> None:
    with pytest.raises(Forbidden):
        a_user(actor_of(role))
    assert (f"test:{role}", "create_user", "refused", None) in audited(tenant)
