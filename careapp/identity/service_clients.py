"""Service clients: programs of other systems that fetch tokens for themselves, with the rights an administrator gave.

Two secrets are good at a time while one is rotated; a disabled client is refused at once, its tokens included.
"""

import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, Select, bindparam, select

from careapp import clock, commands
from careapp.access import Actor, Permission, Purpose, Role, permissions_of
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.commands import command, query
from careapp.db import at_most, db, guarded_update, insert
from careapp.errors import Conflict, Invalid, Sentence, TenantSuspended, found
from careapp.identity.actors import TENANTS, known_roles, refuse_suspended
from careapp.identity.client_models import CLIENTS, ServiceClient
from careapp.identity.names import checked_name
from careapp.kept import built_once
from careapp.scopes import SCOPES, known_scopes, narrowed, reached_by
from careapp.views import View

GRACE = timedelta(days=1)  # that a former secret is good after a rotation
MOST_CLIENTS = 200  # of one tenant: a page of them, and no more than somebody can look after
COARSE = timedelta(hours=1)  # how exactly the last use is kept
PREFIX = "client:"
NO_TENANT = 0  # asked for like any other


class ServiceClientView(View):
    """A service client as administrators see one; nobody sees a secret twice."""

    id: int
    client_id: str
    name: str
    roles: tuple[Role, ...]
    scopes: tuple[str, ...]
    created_at: datetime
    secret_made_at: datetime
    former_until: datetime | None
    disabled_at: datetime | None
    last_used_at: datetime | None
    version: int

    @property
    def granted(self) -> tuple[str, ...]:
        """The scopes its tokens may name: not those that its roles never reach, which a client may have from before
        they were refused.
        """
        reached = reached_by(permissions_of(frozenset(self.roles)))
        return tuple(scope for scope in self.scopes if scope in reached)


@command(Permission.USER_MANAGE)
def create_client(
    actor: Actor, *, name: str, roles: Iterable[Role], scopes: Iterable[str]
) -> tuple[ServiceClientView, str]:
    """Add a client; returns it with its secret, which is kept nowhere. Raises Invalid naming the field, Conflict."""
    roles, kept_scopes = frozenset(roles), sorted(set(scopes))
    kept_roles = sorted(role.value for role in roles)
    name = checked_name(name)
    if not kept_roles:
        raise Invalid({"roles": Sentence("Choose at least one role.")})
    _check_scopes(kept_scopes, permissions_of(roles))
    if len(_all(actor)) >= MOST_CLIENTS:
        raise Conflict(f"There are {MOST_CLIENTS} service clients already.", code="TOO_MANY_CLIENTS")
    secret = secrets.token_urlsafe(32)
    row = insert(
        ServiceClient, *_viewed(), tenant_id=actor.tenant_id, client_id=f"{actor.tenant_key}.{secrets.token_hex(8)}",
        name=name, roles=kept_roles, scopes=kept_scopes, secret_hash=_hash(secret),
        secret_made_at=clock.now(),
    )  # fmt: skip
    commands.record("client.create", f"{PREFIX}{row.id}", roles=kept_roles, scopes=kept_scopes)
    return ServiceClientView.of(row), secret


@command(Permission.USER_MANAGE)
def rotate_secret(actor: Actor, number: int, *, at_once: bool = False) -> tuple[ServiceClientView, str]:
    """Give a client a new secret and return both; the one before is good for another day, or ends `at_once`.

    Of the one before that, nothing is left. Raises NotFound.
    """
    row = found(_locked(actor, number))
    secret, now = secrets.token_urlsafe(32), clock.now()
    former = {"former_hash": None, "former_until": None} if at_once else {
        "former_hash": row.secret_hash, "former_until": now + GRACE,
    }  # fmt: skip
    changed = _change(actor, number, "client.rotate", secret_hash=_hash(secret), secret_made_at=now, **former)
    return changed, secret


@command(Permission.USER_MANAGE)
def disable_client(actor: Actor, number: int) -> ServiceClientView:
    """Shut a client out: it gets no token, and those it has are refused from now on. Raises NotFound."""
    row = found(_locked(actor, number))
    return _change(actor, number, "client.disable", disabled_at=row.disabled_at or clock.now())


@command(Permission.USER_MANAGE)
def enable_client(actor: Actor, number: int) -> ServiceClientView:
    """Let a client in again, with the secret and the rights it had. Raises NotFound."""
    return _change(actor, number, "client.enable", disabled_at=None)


@query(Permission.USER_MANAGE)
def list_clients(actor: Actor) -> list[ServiceClientView]:
    """All service clients by name."""
    return ServiceClientView.of_each(_all(actor))


@query(Permission.USER_MANAGE)
def get_client(actor: Actor, number: int) -> ServiceClientView:
    """One service client. Raises NotFound."""
    mine = (CLIENTS.tenant_id == actor.tenant_id, CLIENTS.id == number)
    return ServiceClientView.of(found(db.session.execute(select(*_viewed()).where(*mine)).one_or_none()))


def authenticate(tenant_id: int | None, client_id: str, secret: str, *, address: str) -> ServiceClientView | None:
    """The enabled client with this id and one of its secrets, or None; either way the audit has a row of it.

    An id nobody has, and a tenant there is not (None), cost the same statements and leave no row. A client that is
    known gets TenantSuspended raised.
    """
    mine = (CLIENTS.tenant_id == (tenant_id or NO_TENANT), CLIENTS.client_id == client_id)
    suspended = select(TENANTS.c.suspended_at).where(TENANTS.c.id == CLIENTS.tenant_id).scalar_subquery()
    wanted = select(*_viewed(), CLIENTS.secret_hash, CLIENTS.former_hash, suspended.label("suspended_at"))
    with commands.system_transaction(tenant_id):
        row: Any = db.session.execute(wanted.where(*mine)).one_or_none()
        given, now = _hash(secret), clock.now()
        if row is None or tenant_id is None:
            audit.write_nothing()
            return None
        current, former = (hmac.compare_digest(one or b"", given) for one in (row.secret_hash, row.former_hash))
        good = (current or (former and row.former_until > now)) and row.disabled_at is None
        if good and (row.last_used_at is None or now - row.last_used_at > COARSE):
            guarded_update(ServiceClient, *mine, last_used_at=now, version=CLIENTS.version)
        closed = {"code": TenantSuspended.code} if good and row.suspended_at else {}
        outcome = "done" if good and not closed else "refused"
        told = AuditRow("client.token", outcome, f"{PREFIX}{row.id}", detail={"address": address, **closed})
        audit.write(tenant_id, f"{PREFIX}{row.id}" if good else "nobody", [told])
    if good:
        refuse_suspended(row)
    return ServiceClientView.of(row) if good else None


def actor_of_client(tenant_id: int, tenant_key: str, subject: str, scopes: frozenset[str]) -> Actor | None:
    """The actor behind a token of ours: `client:7`, while it is enabled, with what its row and its token both allow.

    None for anybody else. The row is asked at each request, so that what is disabled or taken away ends at once.
    Raises TenantSuspended.
    """
    number = subject.removeprefix(PREFIX)
    if number == subject or not (number.isascii() and number.isdecimal() and len(number) < 19):
        return None
    with commands.first_read(tenant_id):
        given = {"the_tenant": tenant_id, "the_key": tenant_key, "number": int(number)}
        row = db.session.execute(_client_of_token(), given).one_or_none()
    if row is None or row.disabled_at:
        return None
    refuse_suspended(row)
    held = known_roles(row.roles)
    whole = Actor(
        tenant_id, tenant_key, subject, permissions_of(held), held, purpose=Purpose.TREAT, label=row.name
    )  # fmt: skip
    return narrowed(whole, scopes & known_scopes(row.scopes))


@built_once
def _client_of_token() -> Select[Any]:
    """A client with its tenant; built once: each request of a client asks it."""
    mine = (CLIENTS.tenant_id == bindparam("the_tenant"), CLIENTS.id == bindparam("number"))
    theirs = (TENANTS.c.id == CLIENTS.tenant_id) & (TENANTS.c.key == bindparam("the_key"))
    wanted = select(CLIENTS.name, CLIENTS.roles, CLIENTS.scopes, CLIENTS.disabled_at, TENANTS.c.suspended_at)
    return wanted.select_from(ServiceClient.__table__.join(TENANTS, theirs)).where(
        *mine, TENANTS.c.deleted_at.is_(None)
    )


def _check_scopes(scopes: list[str], permissions: frozenset[Permission]) -> None:
    """Raises Invalid unless each of the scopes is there and somebody with these permissions can do something of it."""
    reached = reached_by(permissions)
    if not scopes:
        raise Invalid({"scopes": Sentence("Choose at least one scope.")})
    if unknown := ", ".join(sorted(set(scopes) - SCOPES)):
        there_are = ", ".join(sorted(reached))
        told = Sentence("There is no scope %(unknown)s; these roles reach %(known)s.", unknown=unknown, known=there_are)
        raise Invalid({"scopes": told})
    if beyond := ", ".join(sorted(set(scopes) - reached)):
        told = Sentence("The roles do not reach %(beyond)s: leave that out, or choose another role.", beyond=beyond)
        raise Invalid({"scopes": told})


def _change(actor: Actor, number: int, action: str, **values: Any) -> ServiceClientView:
    mine = (CLIENTS.tenant_id == actor.tenant_id, CLIENTS.id == number)
    row = found(guarded_update(ServiceClient, *mine, returning=_viewed(), **values))
    commands.record(action, f"{PREFIX}{number}")
    return ServiceClientView.of(row)


def _locked(actor: Actor, number: int) -> Row[Any] | None:
    mine = (CLIENTS.tenant_id == actor.tenant_id, CLIENTS.id == number)
    return db.session.execute(select(*CLIENTS).where(*mine).with_for_update()).one_or_none()


def _all(actor: Actor) -> list[Row[Any]]:
    wanted = select(*_viewed()).where(CLIENTS.tenant_id == actor.tenant_id).order_by(CLIENTS.name, CLIENTS.id)
    return list(db.session.execute(wanted.limit(at_most(MOST_CLIENTS))).all())


def _viewed() -> tuple[Any, ...]:
    return tuple(CLIENTS[name] for name in ServiceClientView.model_fields)


def _hash(secret: str) -> bytes:
    """SHA-256: enough for a random secret of 256 bits, which no list of passwords holds."""
    return sha256(secret.encode()).digest()
