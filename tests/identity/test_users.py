"""Adding users, giving passwords, shutting out; and that every step is audited."""

from collections.abc import Callable
from math import log2

import pytest
from apiflask import APIFlask
from sqlalchemy import select

from careapp import tenancy
from careapp.access import Actor, Permission, Role
from careapp.audit.models import AuditEvent
from careapp.db import db, table_of
from careapp.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from careapp.identity import passwords, users
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


def changed(admin: Actor, user: users.UserView, **changes: object) -> users.UserView:
    """The user after a change by what the form sends."""
    fields: dict[str, object] = {"version": user.version, "name": user.name, "roles": user.roles, **changes}
    return users.change_user(admin, user.id, **fields)  # type: ignore[arg-type]


def open_sessions(tenant: TestTenant, user_id: int) -> int:
    """How many sessions of a user have not been ended."""
    sessions = db.metadata.tables["user_session"]
    with tenancy.bound(tenant.id):
        mine = select(sessions.c.id).where(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None))
        found = len(db.session.execute(mine).all())
        db.session.rollback()
    return found


def test_what_ends_sessions_and_what_does_not(app: APIFlask, admin: Actor, tenant: TestTenant) -> None:
    god = everything(tenant)
    clinic = clinic_id(tenant, factories.a_clinic(god).locator)
    provider = factories.a_provider(god)
    with tenancy.bound(tenant.id):
        provider_id = db.session.execute(select(db.metadata.tables["providers"].c.id)).scalar_one()
        db.session.rollback()
    user = a_user(admin, Role.FRONT_DESK)
    for number, (change, left) in enumerate(
        (
            ({"name": "Another Name"}, 1),
            ({"roles": [Role.FRONT_DESK, Role.CLINICIAN]}, 0),
            ({"clinic_ids": [clinic]}, 0),
            ({"clinic_ids": [clinic], "provider_id": provider_id}, 0),
            ({"clinic_ids": [clinic], "provider_id": provider_id}, 1),
        )
    ):
        sign_in(user.email, PASSWORD, address=f"192.0.2.{number}")
        user = changed(admin, user, **change)
        assert min(open_sessions(tenant, user.id), 1) == left, change
        users.end_sessions(admin, user.id)
    with tenancy.bound(tenant.id):
        details = [
            row.detail
            for row in db.session.execute(select(table_of(AuditEvent)).order_by(AuditEvent.id))
            if row.action == "user.change"
        ]
        db.session.rollback()
    assert details[0]["after"] == {"name": "Another Name"}
    assert details[2]["before"] == {"clinics": []}
    assert details[2]["after"]["clinics"][0].startswith("CLN-")
    assert details[3]["after"] == {"provider": provider.locator}


def test_the_last_administrator_stays(app: APIFlask, admin: Actor) -> None:
    last = a_user(admin, Role.ADMIN)
    for act in (
        lambda: users.disable(admin, last.id),
        lambda: changed(admin, last, roles=[Role.CLINICIAN]),
    ):
        with pytest.raises(Conflict) as refusal:
            act()
        assert refusal.value.code == "LAST_ADMINISTRATOR"
    other = a_user(admin, Role.ADMIN)
    users.disable(admin, other.id)
    with pytest.raises(Conflict):
        users.disable(admin, last.id)  # a disabled one does not count
    users.enable(admin, other.id)
    users.disable(admin, last.id)
    with pytest.raises(Conflict):
        users.disable(admin, other.id)


def test_nobody_takes_his_own_role(app: APIFlask, admin: Actor) -> None:
    a_user(admin, Role.ADMIN)
    user = a_user(admin, Role.ADMIN)
    me = actor_of_email(user.email)
    assert me
    with pytest.raises(Conflict) as refusal:
        changed(me, user, roles=[Role.AUDITOR])
    assert refusal.value.code == "OWN_ACCOUNT"
    assert changed(me, user, name="My New Name").name == "My New Name"


def test_what_a_user_cannot_become(app: APIFlask, admin: Actor) -> None:
    user = a_user(admin, Role.FRONT_DESK)
    for change, field in (
        ({"roles": []}, "roles"), ({"name": " "}, "name"), ({"clinic_ids": [9_999_999]}, "clinicIds"),
        ({"provider_id": 9_999_999}, "providerId"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refusal:
            changed(admin, user, **change)
        assert set(refusal.value.errors) == {field}
    with pytest.raises(Conflict) as stale:
        changed(admin, user, version=user.version + 1)
    assert stale.value.code == "STALE_VERSION"


def test_a_disabled_user_comes_back_with_what_he_had(app: APIFlask, admin: Actor) -> None:
    made = a_user(admin, Role.FRONT_DESK)
    users.disable(admin, made.id)
    again = users.enable(admin, made.id)
    assert (again.disabled_at, again.roles) == (None, (Role.FRONT_DESK,))
    assert sign_in(made.email, PASSWORD, address="192.0.2.8")


def test_a_made_password_passes_its_own_rules() -> None:
    made = {passwords.made() for _ in range(200)}
    assert len(made) == 200
    signs = len(min(made).replace("-", ""))
    assert signs * log2(len(passwords.READABLE)) >= 128, "ASVS 5.0 11.5.1"
    for one in made:
        passwords.check_new(one, email="name@clinic.example")
