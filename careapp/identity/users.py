"""Users: adding a member of staff, changing what he is and may do, and shutting somebody out.

A tenant always keeps an enabled administrator, and nobody takes that role, or the way in, from himself.
"""

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Row, Text, any_, column, delete, literal, select, table

from careapp import clock, commands
from careapp.access import Actor, Permission, Role
from careapp.commands import command, refuse_on
from careapp.db import at_most, db, guarded_update, insert, insert_many, table_of
from careapp.errors import Conflict, Invalid, NotFound, Refusal, Sentence
from careapp.identity import directory, passwords, sessions
from careapp.identity.models import USERS, User, UserClinic
from careapp.identity.names import checked_name
from careapp.views import View

ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
LONGEST_ADDRESS = 254  # characters; RFC 5321 §4.5.3.1.3
SCOPE = table_of(UserClinic)


class UserView(View):
    """A member of staff as administrators see one."""

    id: int
    email: str
    name: str
    roles: tuple[Role, ...]
    provider_id: int | None
    disabled_at: datetime | None
    version: int


@command(Permission.USER_MANAGE)
def create_user(
    actor: Actor, *, email: str, name: str, password: str | None, roles: Iterable[Role],
    clinic_ids: Iterable[int] = (), provider_id: int | None = None, for_first_sign_in: bool = False,
) -> UserView:  # fmt: skip
    """Add a member of staff who signs in with `email`; one address is one user of one tenant.

    Without `clinic_ids` he sees every clinic; without a password he signs in through an identity provider alone.
    `for_first_sign_in`: whoever adds him knows the password, so he has to choose his own (ASVS 5.0 6.4.1).
    Raises Invalid for an address in use, no role, a weak password, an unknown clinic or provider.
    """
    email, name, kept_roles = _checked_address(email), checked_name(name), _checked_roles(roles)
    if password is not None:
        passwords.check_new(password, email=email)
    row = insert(
        User, *_viewed(), tenant_id=actor.tenant_id, email=email, name=name,
        password_hash=None if password is None else passwords.hashed(password), roles=kept_roles,
        provider_id=provider_id, needs_new_password=for_first_sign_in,
    )  # fmt: skip
    directory.enter(email, tenant_id=actor.tenant_id, user_id=row.id)
    scope = sorted(set(clinic_ids))
    _write_scope(actor, row.id, scope)
    commands.record("user.create", f"user:{row.id}", roles=kept_roles, clinics=len(scope))
    return UserView.of(row)


@command(Permission.USER_MANAGE)
def change_user(
    actor: Actor, user_id: int, *, version: int, name: str, roles: Iterable[Role], clinic_ids: Iterable[int] = (),
    provider_id: int | None = None,
) -> UserView:  # fmt: skip
    """Change name, roles, clinics and provider of a user. Where more than the name changes, his sessions end at once.

    The audit keeps what was before and after. Raises NotFound, Invalid naming the field, Conflict STALE_VERSION,
    OWN_ACCOUNT for one's own administrator role, LAST_ADMINISTRATOR.
    """
    name, kept_roles, scope = checked_name(name), _checked_roles(roles), sorted(set(clinic_ids))
    row = _locked(actor, user_id)
    if row.version != version:
        raise Conflict("Somebody else has changed this user since you opened the page.", code="STALE_VERSION")
    if Role.ADMIN in row.roles and Role.ADMIN not in kept_roles:
        _refuse_without(actor, row)
    before = _told(actor, row.name, row.roles, _scope_of(actor, user_id), row.provider_id)
    after = _told(actor, name, kept_roles, scope, provider_id)
    differing = [field for field in after if after[field] != before[field]]
    _write_scope(actor, user_id, scope)
    detail = {"before": {one: before[one] for one in differing}, "after": {one: after[one] for one in differing}}
    return _changed(
        actor, user_id, "user.change", "rights changed" if set(differing) - {"name"} else None, detail,
        name=name, roles=kept_roles, provider_id=provider_id,
    )  # fmt: skip


@command(Permission.USER_MANAGE)
def take_roles(
    actor: Actor, user_id: int, *, roles: Iterable[Role], keeping_an_administrator: bool = False
) -> UserView:
    """Give a user the roles an identity provider says he has; his sessions end. Raises NotFound, and with
    `keeping_an_administrator` Conflict LAST_ADMINISTRATOR where none would remain.
    """
    row, kept = _locked(actor, user_id), sorted({role.value for role in roles})
    if keeping_an_administrator and Role.ADMIN in row.roles and Role.ADMIN not in kept:
        _refuse_without(actor, row)
    detail = {"before": {"roles": row.roles}, "after": {"roles": kept}}
    return _changed(actor, user_id, "user.change", "rights changed", detail, roles=kept)


@command(Permission.USER_MANAGE)
def set_password(actor: Actor, user_id: int, *, password: str) -> UserView:
    """Give a user a password and end all his sessions; he has to choose his own with it (ASVS 5.0 6.4.1).

    Raises NotFound, or Invalid for a weak password.
    """
    mine = select(USERS.email).where(USERS.tenant_id == actor.tenant_id, USERS.id == user_id)
    email = db.session.execute(mine).scalar_one_or_none()
    if email is None:
        raise NotFound()
    passwords.check_new(password, email=email)
    kept = passwords.hashed(password)
    return _changed(
        actor, user_id, "user.set_password", "password changed", password_hash=kept, needs_new_password=True
    )


@command(Permission.USER_MANAGE)
def disable(actor: Actor, user_id: int) -> UserView:
    """Shut a user out and end all his sessions.

    Raises NotFound, Conflict OWN_ACCOUNT for oneself and LAST_ADMINISTRATOR, so that somebody remains.
    """
    row = _locked(actor, user_id)
    _refuse_without(actor, row)
    return _changed(
        actor, user_id, "user.disable", "user disabled", disabled_at=row.disabled_at or clock.now()
    )  # fmt: skip


@command(Permission.USER_MANAGE)
def enable(actor: Actor, user_id: int) -> UserView:
    """Let a user in again, with the roles and the password he had. Raises NotFound."""
    return _changed(actor, user_id, "user.enable", None, disabled_at=None)


@command(Permission.USER_MANAGE)
def end_sessions(actor: Actor, user_id: int) -> int:
    """Sign a user out everywhere and return how many sessions that ended. Raises NotFound."""
    _locked(actor, user_id)
    ended = sessions.end_all(actor.tenant_id, user_id, "ended by an administrator")
    commands.record("user.end_sessions", f"user:{user_id}", sessions_ended=ended)
    return ended


def _locked(actor: Actor, user_id: int) -> Row[Any]:
    """The user's row, locked together with every enabled administrator's, always in the order of their ids.

    So of two administrators who remove each other at the same moment, the second one finds himself the last.
    Raises NotFound.
    """
    rows = db.session.execute(
        select(*USERS)
        .where(USERS.tenant_id == actor.tenant_id, _can_administer() | (USERS.id == user_id))
        .order_by(USERS.id)
        .with_for_update(key_share=True)
    ).all()
    row = next((one for one in rows if one.id == user_id), None)
    if row is None:
        raise NotFound()
    return row


def _refuse_without(actor: Actor, row: Row[Any]) -> None:
    """Refuse to do without this user as an administrator where that is the actor himself, or nobody else is one."""
    if row.id == actor.user_id:
        raise Conflict(
            "You cannot disable yourself or take your own administrator role. Ask another administrator.",
            code="OWN_ACCOUNT",
        )
    if row.disabled_at or Role.ADMIN not in row.roles:
        return
    others = select(USERS.id).where(USERS.tenant_id == actor.tenant_id, USERS.id != row.id, _can_administer())
    if db.session.execute(others.limit(at_most(1))).one_or_none() is None:
        raise Conflict(
            "This is the last administrator who can sign in. Make somebody else an administrator first.",
            code="LAST_ADMINISTRATOR",
        )


def _can_administer() -> ColumnElement[bool]:
    """Whether a user is an enabled administrator."""
    return USERS.disabled_at.is_(None) & (literal(Role.ADMIN.value) == any_(USERS.roles))


def _scope_of(actor: Actor, user_id: int) -> list[int]:
    mine = (SCOPE.c.tenant_id == actor.tenant_id, SCOPE.c.user_id == user_id)
    return list(db.session.execute(select(SCOPE.c.clinic_id).where(*mine)).scalars())


def _told(
    actor: Actor, name: str, roles: Collection[str], clinic_ids: Collection[int], provider_id: int | None
) -> dict[str, Any]:
    """What the audit keeps of a user: names of roles, and clinics and provider by locator, as people know them."""
    provider = _locators(actor, "providers", [provider_id]) if provider_id else []
    return {
        "name": name, "roles": list(roles), "clinics": _locators(actor, "clinics", clinic_ids),
        "provider": provider[0] if provider else None,
    }  # fmt: skip


def _locators(actor: Actor, of: str, ids: Collection[int]) -> list[str]:
    """The locators behind ids of clinics or providers, which identity knows by these columns only."""
    rows = table(of, column("tenant_id", Integer), column("id", BigInteger), column("locator", Text)).c
    mine = (rows.tenant_id == actor.tenant_id, rows.id.in_(ids))
    return list(db.session.execute(select(rows.locator).where(*mine).order_by(rows.id)).scalars()) if ids else []


def _write_scope(actor: Actor, user_id: int, clinic_ids: Collection[int]) -> None:
    """Replace the clinics a user works in; an unknown one is refused by its foreign key."""
    mine = (SCOPE.c.tenant_id == actor.tenant_id, SCOPE.c.user_id == user_id)
    db.session.execute(delete(SCOPE).where(*mine))
    rows = [{"tenant_id": actor.tenant_id, "user_id": user_id, "clinic_id": one} for one in clinic_ids]
    insert_many(UserClinic, rows)


def _changed(
    actor: Actor, user_id: int, action: str, end_reason: str | None, detail: dict[str, Any] | None = None, **values: Any
) -> UserView:
    """Change a user's row, end his sessions where a reason for that is given, and audit both."""
    mine = (USERS.tenant_id == actor.tenant_id, USERS.id == user_id)
    row = guarded_update(User, *mine, returning=_viewed(), **values)
    if row is None:
        raise NotFound()
    ended = sessions.end_all(actor.tenant_id, user_id, end_reason) if end_reason else 0
    commands.record(action, f"user:{user_id}", sessions_ended=ended, **(detail or {}))
    return UserView.of(row)


def _viewed() -> tuple[Any, ...]:
    return tuple(USERS[name] for name in UserView.model_fields)


def _checked_roles(roles: Iterable[Role]) -> list[str]:
    """The roles to store. Raises Invalid for none."""
    kept = sorted({role.value for role in roles})
    if not kept:
        raise Invalid({"roles": Sentence("Choose at least one role.")})
    return kept


def _checked_address(email: str) -> str:
    email = directory.normalised(email)
    if len(email) > LONGEST_ADDRESS or not email.isprintable() or not ADDRESS.fullmatch(email):
        raise Invalid({"email": Sentence("Enter an e-mail address such as name@clinic.example.")})
    return email


def _address_in_use() -> Refusal:
    return Invalid({"email": Sentence("Somebody signs in with this address already.")})


refuse_on("sign_in_directory_pk", _address_in_use)
refuse_on("users_tenant_id_email_key", _address_in_use)
refuse_on("users_tenant_id_provider_id_fk", lambda: Invalid({"providerId": Sentence("There is no such provider.")}))
refuse_on("user_clinics_tenant_id_clinic_id_fk", lambda: Invalid({"clinicIds": Sentence("There is no such clinic.")}))
