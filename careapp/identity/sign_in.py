"""Signing in: from an e-mail address and a password to a session, at the same cost for users and strangers.

It stands outside commands: there is no actor yet, and its count of failures must outlive the refusal. The slow part,
hashing, happens between two short transactions, so that no connection is held while it runs.
"""

from typing import Any, NamedTuple

from sqlalchemy import Row, select

from careapp import commands
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.db import db, guarded_update, table_of
from careapp.errors import Unauthenticated
from careapp.identity import attempts, directory, passwords, second_stage, sessions
from careapp.identity.actors import TENANTS
from careapp.identity.models import User
from careapp.identity.second_stage import HalfSignedIn
from careapp.identity.sessions import Origin
from careapp.telemetry.metrics import SIGN_IN_FAILURES

NO_TENANT = 0  # a stranger's: asked for like any other
# One text for a stranger, a wrong password and a disabled user.
REFUSED = "The e-mail address or the password is not right."


class SignedIn(NamedTuple):
    """What the browser has to keep: the tenant's id, and the session's random value."""

    tenant_id: int
    sid: str


def sign_in(email: str, password: str, *, address: str, device: str | None = None) -> SignedIn | HalfSignedIn:
    """Start a session for whoever knows this password, or half of one where he has a second factor to show as well.

    `address` is the network address, for limits and the audit, `device` the browser and system in words, for his list
    of sessions.

    Raises TooMany while the e-mail or network address has to wait, Unauthenticated with one text for every other no;
    TenantSuspended, where only whoever has shown all that was asked of him learns it.
    """
    email = directory.normalised(email)
    with commands.system_transaction(None):
        attempts.admit(email, address)
        tenant_id, user_id = directory.find(email)
    with commands.system_transaction(tenant_id):
        user = _user(tenant_id, user_id)
    right = passwords.verify(user.password_hash if user else None, password)
    if user is None or not right or user.disabled_at:
        _keep_failure(tenant_id, user_id, address)
        raise Unauthenticated(REFUSED)
    with sessions.suspension_audited(user.tenant_id, user.id, Origin(address)):
        return _start(user, email, password, Origin(address, device))


def _user(tenant_id: int | None, user_id: int) -> Row[*tuple[Any, ...]] | None:
    """The user's row; a stranger costs the same query and finds nothing."""
    users = table_of(User).c
    return db.session.execute(
        select(users.tenant_id, users.id, users.password_hash, users.disabled_at, users.needs_new_password)
        .join(TENANTS, TENANTS.c.id == users.tenant_id)
        .where(users.tenant_id == (tenant_id or NO_TENANT), users.id == user_id, TENANTS.c.deleted_at.is_(None))
    ).one_or_none()


def _start(user: Row[*tuple[Any, ...]], email: str, password: str, origin: Origin) -> SignedIn | HalfSignedIn:
    """Write the session, or half of one. The user's row is read again: it may have changed while hashing."""
    users, who = table_of(User).c, f"user:{user.id}"
    unchanged = (
        users.tenant_id == user.tenant_id, users.id == user.id,
        users.password_hash == user.password_hash, users.disabled_at.is_(None),
    )  # fmt: skip
    changes: dict[str, Any] = {}
    if passwords.needs_rehash(user.password_hash):
        changes["password_hash"] = passwords.hashed(password)
    if not user.needs_new_password and passwords.is_known_to_others(password):
        changes["needs_new_password"] = True
    with commands.system_transaction(user.tenant_id):
        still = select(users.id).where(*unchanged).with_for_update(key_share=True)
        if db.session.execute(still).one_or_none() is None:
            raise Unauthenticated(REFUSED)
        if changes:
            guarded_update(User, *unchanged, **changes)
        attempts.clear(email)
        if half := second_stage.begin(user.tenant_id, user.id, origin.address):
            return half
        sid = sessions.start(user.tenant_id, user.id, origin=origin, factors=["password"])
        detail = {"factor": "password", "address": origin.address}
        audit.write(user.tenant_id, who, [AuditRow("user.sign_in", "done", who, detail=detail)])
    return SignedIn(user.tenant_id, sid)


def _keep_failure(tenant_id: int | None, user_id: int, address: str) -> None:
    """Count the failure, and where the address is somebody's, leave an audit row: `nobody` tried to be this user."""
    SIGN_IN_FAILURES.labels("password").inc()
    with commands.system_transaction(tenant_id):
        attempts.count_address_failure(address)
        if tenant_id is not None:
            row = AuditRow("user.sign_in", "refused", f"user:{user_id}", detail={"address": address})
            audit.write(tenant_id, "nobody", [row])
        else:
            audit.write_nothing()
