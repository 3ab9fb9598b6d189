"""Who has a second factor and who must have one, as conditions that statements about users and sessions are made of."""

from typing import Any

from sqlalchemy import ColumnElement, Integer, Text, and_, any_, case, column, exists, false, literal, or_
from sqlalchemy import table as lightweight

from careapp.access import Role
from careapp.db import table_of
from careapp.identity.models import USERS, Passkey, TotpFactor, UserSession

TOTP, KEYS, HELD_BY = table_of(TotpFactor).c, table_of(Passkey).c, table_of(UserSession).c

# Settings of tenants belong to operations, a sibling: identity knows of the table only these columns.
POLICY = lightweight("tenant_settings", column("tenant_id", Integer), column("second_factor", Text)).c


def has_any(tenant_id: ColumnElement[int] | int, user_id: ColumnElement[int] | int) -> ColumnElement[bool]:
    """The condition that a user has a second factor."""
    app = exists().where(TOTP.tenant_id == tenant_id, TOTP.user_id == user_id, TOTP.secret.is_not(None))
    return or_(app, exists().where(KEYS.tenant_id == tenant_id, KEYS.user_id == user_id))


def required_of(tenant_id: ColumnElement[int] | int, roles: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that a user with these roles must have one, by the settings of his tenant."""
    admin = literal(Role.ADMIN.value) == any_(roles)
    asked = or_(POLICY.second_factor == "everybody", and_(POLICY.second_factor == "administrators", admin))
    return exists().where(POLICY.tenant_id == tenant_id, asked)


def missing() -> ColumnElement[bool]:
    """The condition that a session, joined to its user, was begun with a password alone though more is asked of him,
    and he has nothing more: it is good for enrolling only. Short for everybody of whom nothing is asked.
    """
    by_password = HELD_BY.factors == ["password"]
    asked = and_(by_password, required_of(USERS.tenant_id, USERS.roles))
    return case((asked, ~has_any(USERS.tenant_id, USERS.id)), else_=false())
