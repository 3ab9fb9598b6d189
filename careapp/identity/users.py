"""Users: adding a member of staff, giving a new password, and shutting somebody out."""

import re
from collections.abc import Iterable

from sqlalchemy import select

from careapp import clock, commands
from careapp.access import Actor, Permission, Role
from careapp.commands import command, refuse_on
from careapp.db import db, guarded_update, insert, insert_many, table_of
from careapp.errors import Conflict, Invalid, NotFound, Refusal
from careapp.identity import directory, passwords, sessions
from careapp.identity.models import User, UserClinic
from careapp.views import View

ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
LONGEST_ADDRESS, LONGEST_NAME = 254, 200  # characters; RFC 5321 §4.5.3.1.3 for the address
VIEWED = ("id", "email", "name", "roles", "provider_id", "version")


class UserView(View):
    """A member of staff as administrators see one."""

    id: int
    email: str
    name: str
    roles: tuple[Role, ...]
    provider_id: int | None
    version: int


@command(Permission.USER_MANAGE)
def create_user(
    actor: Actor, *, email: str, name: str, password: str, roles: Iterable[Role],
    clinic_ids: Iterable[int] = (), provider_id: int | None = None,
) -> UserView:  # fmt: skip
    """Add a member of staff who signs in with `email`; one address is one user of one tenant.

    Without `clinic_ids` he sees every clinic. Raises Invalid for an address in use, no role, a weak password, an
    unknown clinic or provider.
    """
    email, roles = _checked_address(email), sorted(set(roles))
    if not name.strip() or len(name) > LONGEST_NAME:
        raise Invalid({"name": f"Enter a name of at most {LONGEST_NAME} characters."})
    if not roles:
        raise Invalid({"roles": "Choose at least one role."})
    passwords.check_new(password, email=email)
    row = insert(
        User, *_viewed(), tenant_id=actor.tenant_id, email=email, name=name.strip(),
        password_hash=passwords.hashed(password), roles=[role.value for role in roles], provider_id=provider_id,
    )  # fmt: skip
    directory.enter(email, tenant_id=actor.tenant_id, user_id=row.id)
    scope = sorted(set(clinic_ids))
    insert_many(UserClinic, [{"tenant_id": actor.tenant_id, "user_id": row.id, "clinic_id": one} for one in scope])
    commands.record("user.create", f"user:{row.id}", roles=[role.value for role in roles], clinics=len(scope))
    return UserView.of(row)


@command(Permission.USER_MANAGE)
def set_password(actor: Actor, user_id: int, *, password: str) -> UserView:
    """Give a user a new password and end all his sessions. Raises NotFound, or Invalid for a weak password."""
    users = table_of(User).c
    mine = select(users.email).where(users.tenant_id == actor.tenant_id, users.id == user_id)
    email = db.session.execute(mine).scalar_one_or_none()
    if email is None:
        raise NotFound()
    passwords.check_new(password, email=email)
    kept = passwords.hashed(password)
    return _changed(actor, user_id, "user.set_password", "password changed", {"password_hash": kept})


@command(Permission.USER_MANAGE)
def disable(actor: Actor, user_id: int) -> UserView:
    """Shut a user out and end all his sessions. Raises NotFound; Conflict for oneself, so that somebody remains."""
    if user_id == actor.user_id:
        raise Conflict("You cannot disable yourself. Ask another administrator.", code="OWN_ACCOUNT")
    return _changed(actor, user_id, "user.disable", "user disabled", {"disabled_at": clock.now()})


def _changed(actor: Actor, user_id: int, action: str, reason: str, values: dict[str, object]) -> UserView:
    """Change a user's row, end his sessions and audit both."""
    users = table_of(User).c
    mine = (users.tenant_id == actor.tenant_id, users.id == user_id)
    row = guarded_update(User, *mine, returning=_viewed(), **values)
    if row is None:
        raise NotFound()
    ended = sessions.end_all(actor.tenant_id, user_id, reason)
    commands.record(action, f"user:{user_id}", sessions_ended=ended)
    return UserView.of(row)


def _viewed() -> tuple[object, ...]:
    return tuple(table_of(User).c[name] for name in VIEWED)


def _checked_address(email: str) -> str:
    email = directory.normalised(email)
    if len(email) > LONGEST_ADDRESS or not email.isprintable() or not ADDRESS.fullmatch(email):
        raise Invalid({"email": "Enter an e-mail address such as name@clinic.example."})
    return email


def _address_in_use() -> Refusal:
    return Invalid({"email": "Somebody signs in with this address already."})


refuse_on("sign_in_directory_pk", _address_in_use)
refuse_on("users_tenant_id_email_key", _address_in_use)
refuse_on("users_tenant_id_provider_id_fk", lambda: Invalid({"providerId": "There is no such provider."}))
refuse_on("user_clinics_tenant_id_clinic_id_fk", lambda: Invalid({"clinicIds": "There is no such clinic."}))
