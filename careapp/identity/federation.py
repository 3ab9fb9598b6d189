"""Federation: who an identity provider's subject is here, and his session.

Like signing in by password it stands outside commands: there is no actor yet. What changes a user on the way (made,
linked, other roles) is a command's work, done by the provider as an actor, and audited as such.

Roles are the provider's to give and to take: whoever has one taken there has lost it here at his next sign-in, the last
administrator too. That locks no tenant out, since who may give roles at the provider can give that one again. Only the
step by which a local account comes under the provider is refused where it would leave a tenant without administrator.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from careapp import commands
from careapp.access import Actor, Permission, Purpose, Role
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.db import db, insert, table_of
from careapp.errors import Forbidden, Refusal
from careapp.identity import directory, nonces, sessions, users
from careapp.identity.actors import known_roles, refuse_closed
from careapp.identity.models import USERS, FederatedIdentity
from careapp.identity.sessions import Origin
from careapp.identity.sign_in import SignedIn

FACTOR = "oidc"
PROVIDER = "identity-provider"  # the actor's name in the audit
NOWHERE = ".invalid"  # RFC 2606 §2: no address ends so

IDENTITIES = table_of(FederatedIdentity).c
Known = Row[*tuple[Any, ...]]

NO_ROLE = "You are known there, but you have no role here. Ask whoever gives out roles to give you one."
DISABLED = "Your account here is disabled. Ask an administrator."
ELSEWHERE = "You are known here as a member of another clinic. Ask an administrator to change that."
TAKEN = "Somebody signs in here with your e-mail address and a password. Ask an administrator which account is yours."
USED = "This sign-in was used already. Start again."
SOMEBODY_ELSE = "You signed in as somebody else. Sign out first, or confirm as the person you are here."


@dataclass(frozen=True)
class Subject:
    """A person as the provider's checked token speaks of him. `email` is one the provider has verified, or None."""

    issuer: str
    subject: str
    tenant_id: int
    tenant_key: str
    roles: tuple[str, ...]
    email: str | None
    name: str
    session: str | None
    methods: tuple[str, ...] = ()


def sign_in(
    who: Subject, *, address: str, once: str, link_by_email: bool = False, as_user: int | None = None,
    device: str | None = None,
) -> SignedIn:  # fmt: skip
    """Start a session for a provider's subject; a new one becomes a user, one with other roles than before gets them.

    `once` is what this one sign-in is known by and is taken once. `as_user`: he must be this user (a confirmation).
    Raises Forbidden, or Conflict for the last administrator, with what to do, for everybody who does not get in.
    """
    try:
        with commands.system_transaction(who.tenant_id):
            refuse_closed(who.tenant_id)  # before anything is made for him
        roles = known_roles(who.roles)
        if not roles:
            raise Forbidden(NO_ROLE, code="NO_ROLE")
        known = _user_of(who, roles, link_by_email)
        if as_user is not None and known.user_id != as_user:
            raise Forbidden(SOMEBODY_ELSE, code="SOMEBODY_ELSE")
        return SignedIn(who.tenant_id, _start(who, known, Origin(address, device), once))
    except Refusal as refusal:
        detail = {"factor": FACTOR, "code": refusal.code, "address": address}
        with commands.system_transaction(who.tenant_id):
            audit.write(who.tenant_id, "nobody", [AuditRow("user.sign_in", "refused", detail=detail)])
        raise


def _user_of(who: Subject, roles: frozenset[Role], link_by_email: bool) -> Known:
    """His identity here and the user behind it, made or brought up to date where needed."""
    with commands.system_transaction(None):
        tenant_id, _ = directory.find_subject(who.issuer, who.subject)
    if tenant_id not in (None, who.tenant_id):
        raise Forbidden(ELSEWHERE, code="OTHER_TENANT")
    known = _known(who)
    if known is None or (not known.disabled_at and known_roles(known.roles) != roles):
        try:
            _bring_up_to_date(who, known, roles, link_by_email)
        except Refusal:
            if _known(who) is None or known is not None:  # else another tab of his was quicker to make him
                raise
        known = _known(who)
    assert known is not None
    if known.disabled_at:
        raise Forbidden(DISABLED, code="DISABLED")
    return known


def _known(who: Subject) -> Known | None:
    with commands.system_transaction(who.tenant_id):
        return db.session.execute(
            select(IDENTITIES.id, IDENTITIES.user_id, USERS.roles, USERS.disabled_at)
            .where(
                IDENTITIES.tenant_id == who.tenant_id, IDENTITIES.issuer == who.issuer,
                IDENTITIES.subject == who.subject, USERS.tenant_id == who.tenant_id, USERS.id == IDENTITIES.user_id,
            )
        ).one_or_none()  # fmt: skip


def _bring_up_to_date(who: Subject, known: Known | None, roles: frozenset[Role], link_by_email: bool) -> None:
    """Make the user, link him to the one with his address, or give him the roles he has now: one transaction."""
    provider = Actor(
        who.tenant_id, who.tenant_key, PROVIDER, frozenset({Permission.USER_MANAGE}), purpose=Purpose.HOPERAT
    )
    with commands.unit_of(provider, name="user.federate"):
        if known is not None:
            users.take_roles(provider, known.user_id, roles=roles)
            return
        local = _local_user(who)
        if local is not None and not link_by_email:
            raise Forbidden(TAKEN, code="ADDRESS_TAKEN")
        if local is None:
            local = _made(provider, who, roles)
        else:
            _refuse_disabled(who, local)
            users.take_roles(provider, local, roles=roles, keeping_an_administrator=True)
        directory.enter_subject(who.issuer, who.subject, tenant_id=who.tenant_id, user_id=local)
        insert(
            FederatedIdentity, FederatedIdentity.id,
            tenant_id=who.tenant_id, issuer=who.issuer, subject=who.subject, user_id=local,
        )  # fmt: skip
        commands.record("user.federate", f"user:{local}", factor=FACTOR)


def _local_user(who: Subject) -> int | None:
    """The user of this tenant who signs in with his verified address. Raises Forbidden for one of another tenant."""
    tenant_id, user_id = directory.find(who.email) if who.email else (None, 0)
    if tenant_id not in (None, who.tenant_id):
        raise Forbidden(TAKEN, code="ADDRESS_TAKEN")
    return user_id if tenant_id else None


def _refuse_disabled(who: Subject, user_id: int) -> None:
    mine = (USERS.tenant_id == who.tenant_id, USERS.id == user_id, USERS.disabled_at.is_not(None))
    if db.session.execute(select(USERS.id).where(*mine)).one_or_none():
        raise Forbidden(DISABLED, code="DISABLED")


def _made(provider: Actor, who: Subject, roles: frozenset[Role]) -> int:
    """A new user without a password. An address the provider has not verified is nobody's yet: he gets one that is
    none, so that he cannot take the place of its owner.
    """
    digest = hashlib.sha256(f"{who.issuer}\0{who.subject}".encode()).hexdigest()
    verified = who.email if who.email and not who.email.endswith(NOWHERE) else None
    made = users.create_user(
        provider, email=verified or f"{digest[:24]}@federated{NOWHERE}", name=who.name, password=None, roles=roles
    )
    return made.id


def _start(who: Subject, known: Known, origin: Origin, once: str) -> str:
    """Write the session; the user's row is read again, as it may have changed since."""
    enabled = (USERS.tenant_id == who.tenant_id, USERS.id == known.user_id, USERS.disabled_at.is_(None))
    me = f"user:{known.user_id}"
    with commands.system_transaction(who.tenant_id):
        if db.session.execute(select(USERS.id).where(*enabled).with_for_update(key_share=True)).one_or_none() is None:
            raise Forbidden(DISABLED, code="DISABLED")
        if not nonces.take(who.tenant_id, f"sign-in:{once}"):
            raise Forbidden(USED, code="USED")
        sid = sessions.start(who.tenant_id, known.user_id, origin=origin, federated_id=known.id, idp_sid=who.session)
        row = AuditRow("user.sign_in", "done", me, detail={"address": origin.address, "factor": FACTOR})
        audit.write(who.tenant_id, me, [row])
    return sid
