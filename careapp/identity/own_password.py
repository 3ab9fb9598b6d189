"""Changing one's own password: proved by the old one; every other session ends, and this one gets a new value."""

from sqlalchemy import select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.db import db, guarded_update
from careapp.errors import Conflict, Invalid, Sentence, Unauthenticated
from careapp.identity import attempts, confirmation, passwords, sessions
from careapp.identity.models import USERS, User


def change_own_password(actor: Actor, session_id: int, *, old: str, new: str, address: str) -> str:
    """Give the actor the password `new` and return the new value of his session (ASVS 5.0 6.2.3, 7.4.3).

    A wrong `old` counts like any failure to confirm who one is. Raises what `confirm_by_password` raises (naming
    `old_password`), Invalid naming `new_password` for one that others would guess or that is the old one.
    """
    confirmation.begin(actor)
    kept = confirmation.check_password(actor, session_id, old, field="old_password", address=address)
    try:
        passwords.check_new(new, email=_address_of(actor))
    except Invalid as refusal:
        raise Invalid({"new_password": refusal.errors["password"]}) from None
    if passwords.verify(kept, new):
        raise Invalid({"new_password": Sentence("This is the password you have. Choose another one.")})
    return _store(actor, session_id, kept=kept, newer=passwords.hashed(new))


@command(Permission.OWN_ACCOUNT)
def _store(actor: Actor, session_id: int, *, kept: str, newer: str) -> str:
    """Replace the hash that was checked; somebody else may have changed it while the new one was made."""
    user_id = confirmation.user_of(actor)
    mine = (USERS.tenant_id == actor.tenant_id, USERS.id == user_id, USERS.password_hash == kept)
    if guarded_update(User, *mine, password_hash=newer, needs_new_password=False) is None:
        raise Conflict("Your password was changed by somebody else just now.", code="STALE_VERSION")
    sid = sessions.renew(actor.tenant_id, session_id, confirmed_at=clock.now(), confirm_failures=0)
    if sid is None:
        raise Unauthenticated()
    ended = sessions.end_all(actor.tenant_id, user_id, "password changed", but=session_id)
    attempts.clear_confirmation(actor.tenant_id, user_id)
    commands.record("user.change_password", actor.name, sessions_ended=ended)
    return sid


def _address_of(actor: Actor) -> str:
    mine = (USERS.tenant_id == actor.tenant_id, USERS.id == confirmation.user_of(actor))
    with commands.system_transaction(actor.tenant_id):
        return str(db.session.execute(select(USERS.email).where(*mine)).scalar_one())
