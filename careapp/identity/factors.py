"""Second factors of users: which somebody has, who must have one, and taking them away.

A passkey, or the code of an authenticator app. Recovery codes stand in for either, and alone count for nothing.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    Row,
    delete,
    select,
)

from careapp.access import Actor, Permission
from careapp.commands import command, query, record
from careapp.db import db, guarded_update, table_of
from careapp.errors import Conflict, NotFound
from careapp.identity import recovery, sessions
from careapp.identity.actors import lock_user, own_id
from careapp.identity.factor_rules import required_of
from careapp.identity.models import USERS, Passkey, TotpFactor
from careapp.views import View

Factor = Literal["password", "totp", "passkey", "recovery"]  # as sessions and the audit keep them
TOTP, KEYS = table_of(TotpFactor).c, table_of(Passkey).c


class PasskeyView(View):
    """A passkey as its owner sees it in his list."""

    id: int
    name: str
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


class FactorsView(View):
    """The second factors of one user. `required`: his clinic lets him sign in with no less."""

    totp_since: datetime | None
    passkeys: tuple[PasskeyView, ...]
    recovery_codes: int
    required: bool

    @property
    def count(self) -> int:
        """How many there are, recovery codes aside."""
        return len(self.passkeys) + (self.totp_since is not None)


@query(Permission.OWN_ACCOUNT)
def own_factors(actor: Actor) -> FactorsView:
    """What the actor has."""
    return of_user(actor.tenant_id, own_id(actor))


@query(Permission.USER_MANAGE)
def factors_of(actor: Actor, user_id: int) -> FactorsView:
    """What a member of staff has. Raises NotFound."""
    return of_user(actor.tenant_id, user_id)


@command(Permission.OWN_ACCOUNT)
def remove_app(actor: Actor, *, session_id: int) -> None:
    """Take the actor's authenticator app out of use and end his other sessions.

    Raises NotFound where he has none, Conflict LAST_FACTOR for the last one where the clinic asks for one.
    """
    mine = (TOTP.tenant_id == actor.tenant_id, TOTP.user_id == own_id(actor), TOTP.secret.is_not(None))
    lock_user(actor.tenant_id, own_id(actor))
    none: dict[str, Any] = dict.fromkeys(("secret", "last_step", "confirmed_at", "pending", "pending_at"))
    if guarded_update(TotpFactor, *mine, **none) is None:
        raise NotFound()
    _removed(actor, session_id, factor="totp")


@command(Permission.OWN_ACCOUNT)
def remove_passkey(actor: Actor, passkey_id: int, *, session_id: int) -> None:
    """Take one of the actor's passkeys out of use and end his other sessions. Raises what `remove_app` raises."""
    mine = (KEYS.tenant_id == actor.tenant_id, KEYS.user_id == own_id(actor), KEYS.id == passkey_id)
    lock_user(actor.tenant_id, own_id(actor))
    if db.session.execute(delete(Passkey).where(*mine).returning(KEYS.id)).one_or_none() is None:
        raise NotFound()
    _removed(actor, session_id, factor="passkey")


@command(Permission.USER_MANAGE)
def remove_all(actor: Actor, user_id: int) -> int:
    """Take every second factor of a member of staff out of use, recovery codes as well, for the day his phone is lost.

    All his sessions end; returns how many. From then on his password alone signs him in, and where the clinic asks for
    more he is led to enrol. Raises NotFound, Conflict OWN_ACCOUNT for oneself: a stolen session must not do this.
    """
    if user_id == actor.user_id:
        raise Conflict("You cannot do this to yourself. Ask another administrator.", code="OWN_ACCOUNT")
    lock_user(actor.tenant_id, user_id)
    for model, of in ((TotpFactor, TOTP), (Passkey, KEYS)):
        db.session.execute(delete(model).where(of.tenant_id == actor.tenant_id, of.user_id == user_id))
    recovery.forget(actor.tenant_id, user_id)
    ended = sessions.end_all(actor.tenant_id, user_id, "second factors removed")
    record("user.remove_factors", f"user:{user_id}", sessions_ended=ended)
    return ended


def _removed(actor: Actor, session_id: int, *, factor: Factor) -> None:
    """What follows: the last one where one is required stays; without any, recovery codes are of no use."""
    left = of_user(actor.tenant_id, own_id(actor))
    if not left.count and left.required:
        raise Conflict(
            "Your clinic asks for a second factor. Add another one before you remove this.", code="LAST_FACTOR"
        )
    if not left.count:
        recovery.forget(actor.tenant_id, own_id(actor))
    ended = sessions.end_all(actor.tenant_id, own_id(actor), "second factor removed", but=session_id)
    record("factor.remove", actor.name, factor=factor, sessions_ended=ended)


def of_user(tenant_id: int, user_id: int) -> FactorsView:
    """What a user has, in the present transaction. Raises NotFound."""
    mine = (USERS.tenant_id == tenant_id, USERS.id == user_id)
    since = select(TOTP.confirmed_at).where(
        TOTP.tenant_id == USERS.tenant_id, TOTP.user_id == USERS.id, TOTP.secret.is_not(None)
    )
    required = required_of(USERS.tenant_id, USERS.roles).label("required")
    user = db.session.execute(select(since.scalar_subquery().label("since"), required).where(*mine)).one_or_none()
    if user is None:
        raise NotFound()
    keys: Iterable[Row[Any]] = db.session.execute(
        select(KEYS.id, KEYS.name, KEYS.backed_up, KEYS.created_at, KEYS.last_used_at)
        .where(KEYS.tenant_id == tenant_id, KEYS.user_id == user_id).order_by(KEYS.id)
    )  # fmt: skip
    return FactorsView(
        totp_since=user.since, passkeys=tuple(PasskeyView.of_each(keys)),
        recovery_codes=recovery.left(tenant_id, user_id), required=user.required,
    )  # fmt: skip
