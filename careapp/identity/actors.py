"""Actors of people: the one place that turns a user's row into who he is and what he may do."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Integer, Row, Select, Text, bindparam, column, func, select, table

from careapp import commands
from careapp.access import Actor, Permission, Purpose, Role, permissions_of
from careapp.db import db, table_of
from careapp.errors import NotFound, TenantSuspended, Unauthenticated
from careapp.identity import directory
from careapp.identity.models import User, UserClinic
from careapp.kept import built_once

# Tenants belong to operations, a sibling: identity knows of the table only these columns.
TENANTS = table(
    "tenants", column("id", Integer), column("key", Text), column("name", Text), column("suspended_at", DateTime),
    column("deleted_at", DateTime),
)  # fmt: skip
LARGEST_ID = 2**63 - 1
ROLES = {role.value: role for role in Role}


def known_roles(names: Iterable[str]) -> frozenset[Role]:
    """The roles among `names` that this application has; others, such as an identity provider's own, are dropped."""
    return frozenset(ROLES[name] for name in names if name in ROLES)


def purpose_of(roles: frozenset[Role]) -> Purpose:
    """Why somebody with these roles is here: who only administers or reviews does not treat."""
    return Purpose.HOPERAT if roles <= {Role.ADMIN, Role.AUDITOR} else Purpose.TREAT


def actor_for_user(row: Row[Any], *, roles: Iterable[str] | None = None) -> Actor:
    """The actor of a row of `users_joined`. `roles` (a token's) narrows what he may do, but never widens it.

    Raises TenantSuspended.
    """
    refuse_suspended(row)
    held = known_roles(row.roles)
    if roles is not None:
        held &= known_roles(roles)
    return Actor(
        tenant_id=row.tenant_id,
        tenant_key=row.tenant_key,
        name=f"user:{row.user_id}",
        permissions=permissions_of(held),
        roles=held,
        clinic_ids=frozenset(row.clinic_ids) if row.clinic_ids else None,
        provider_id=row.provider_id,
        user_id=row.user_id,
        purpose=purpose_of(held),
        label=row.name,
    )


def own_id(actor: Actor) -> int:
    """The id of the user an actor is. Raises NotFound for one who is none, such as another system."""
    if actor.user_id is None:
        raise NotFound()
    return actor.user_id


def lock_user(tenant_id: int, user_id: int) -> None:
    """Hold a user's row until the transaction ends, before what he signs in with is changed: signing in holds it, too.
    So a session is begun before, and ended by the change, or after it; and of two changes the second sees the first.
    Raises NotFound.
    """
    users = table_of(User).c
    his = select(users.id).where(users.tenant_id == tenant_id, users.id == user_id)
    if db.session.execute(his.with_for_update(key_share=True)).one_or_none() is None:
        raise NotFound()


def users_joined(*more: ColumnElement[Any]) -> Select[Any]:
    """A select of users with their tenant's key and clinic scope, and `more` columns of what the caller joins.

    Nobody of a tenant that is deleted is among them, from that moment on.
    """
    users, scope = table_of(User).c, table_of(UserClinic).c
    clinic_ids = (
        select(func.array_agg(scope.clinic_id))
        .where(scope.tenant_id == users.tenant_id, scope.user_id == users.id)
        .scalar_subquery()
    )
    return select(
        users.id.label("user_id"), users.name, users.roles, users.provider_id, users.disabled_at,
        TENANTS.c.id.label("tenant_id"), TENANTS.c.key.label("tenant_key"), TENANTS.c.suspended_at,
        clinic_ids.label("clinic_ids"), *more,
    ).where(TENANTS.c.deleted_at.is_(None))  # fmt: skip


def actor_of_subject(tenant_id: int, tenant_key: str, subject: str, roles: Iterable[str]) -> Actor | None:
    """The actor a token speaks for: a user (`user:7`, or an e-mail address), or somebody the identity provider knows.

    None when the tenant is gone, the user is disabled, or a `user:` of ours does not exist. A user's clinics and roles
    come from his row, so a token that is older than a change of rights cannot bring them back. Raises TenantSuspended.
    """
    if subject.startswith("client:"):
        return None  # only this application speaks for its service clients
    number = subject.removeprefix("user:")
    ours = number != subject
    if ours and not (number.isascii() and number.isdecimal() and int(number) <= LARGEST_ID):
        return None
    who = int(number) if ours else directory.normalised(subject)
    given = {"tenant": tenant_id, "tenant_key": tenant_key, "who": who}
    with commands.first_read(tenant_id):
        row = db.session.execute(_tenant_and_user(ours), given).one_or_none()
    if row is None or row.disabled_at or (ours and row.user_id is None):
        return None
    if row.user_id:
        return actor_for_user(row, roles=roles)
    refuse_suspended(row)
    held = known_roles(roles)
    return Actor(
        tenant_id, tenant_key, f"token:{subject}", permissions_of(held), held, purpose=purpose_of(held), label=subject
    )


@built_once
def _tenant_and_user(by_id: bool) -> Select[Any]:
    """The tenant with the user of that id, or of that address, if he exists; built once: each API request asks it."""
    users = table_of(User).c
    who = users.id == bindparam("who") if by_id else users.email == bindparam("who")
    people = TENANTS.outerjoin(table_of(User), (users.tenant_id == TENANTS.c.id) & who)
    mine = (TENANTS.c.id == bindparam("tenant"), TENANTS.c.key == bindparam("tenant_key"))
    return users_joined().select_from(people).where(*mine)


def actor_of_email(email: str) -> Actor | None:
    """The actor of the enabled user who signs in with this address, or None. Raises TenantSuspended."""
    with commands.system_transaction(None):
        tenant_id, user_id = directory.find(directory.normalised(email))
    users = table_of(User)
    mine = (users.c.tenant_id == tenant_id) & (users.c.id == user_id) & users.c.disabled_at.is_(None)
    rows = users_joined().join(TENANTS, TENANTS.c.id == users.c.tenant_id).where(mine)
    with commands.system_transaction(tenant_id):
        row = db.session.execute(rows).one_or_none()
    return actor_for_user(row) if row else None


def portal_actor(tenant_id: int, tenant_key: str) -> Actor | None:
    """The actor of the member portal: a service that reads what its members may see, in one tenant.

    None where the tenant is deleted; raises TenantSuspended.
    """
    with commands.first_read(tenant_id):
        row = db.session.execute(_tenant(), {"tenant": tenant_id}).one_or_none()
    if row is None:
        return None
    refuse_suspended(row)
    may = frozenset({
        Permission.PORTAL_READ, Permission.DIRECTORY_VIEW, Permission.PRESCRIPTION_READ, Permission.REFERRAL_READ
    })  # fmt: skip
    return Actor(tenant_id, tenant_key, "portal", may, purpose=Purpose.PATRQT)


def refuse_suspended(row: Row[Any]) -> None:
    """Raise TenantSuspended where a row with `suspended_at` of its tenant says so."""
    if row.suspended_at is not None:
        raise TenantSuspended()


def refuse_closed(tenant_id: int) -> None:
    """Ask, in the present transaction, whether somebody of a tenant may begin a session.

    Raises TenantSuspended, and Unauthenticated for one that is deleted.
    """
    row = db.session.execute(_tenant(), {"tenant": tenant_id}).one_or_none()
    if row is None:
        raise Unauthenticated()
    refuse_suspended(row)


@built_once
def _tenant() -> Select[Any]:
    """A tenant, where it is not deleted; built once: each request of the portal asks it."""
    return select(TENANTS.c.suspended_at).where(TENANTS.c.id == bindparam("tenant"), TENANTS.c.deleted_at.is_(None))


def public_actor(tenant_id: int, tenant_key: str) -> Actor:
    """The actor of somebody nobody knows, who may ask one thing: whether a paper he holds is genuine."""
    return Actor(tenant_id, tenant_key, "public", frozenset({Permission.PRESCRIPTION_VERIFY}))
