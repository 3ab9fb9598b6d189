"""Audit chain: how a tenant's chain of seals stands, and its anchors, which leave the database once a day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Select, bindparam, func, select

from careapp.access import Actor, Permission, Purpose
from careapp.audit.models import AUDIT, AUDIT_SEAL
from careapp.commands import command, publish, query, record
from careapp.db import at_most, db
from careapp.kept import built_once
from careapp.operations.events import AuditAnchored
from careapp.operations.maintenance import TenantName
from careapp.views import View

COUNT_UP_TO = 10_000
LONGEST_TRANSACTION = timedelta(hours=1)  # a row that was written so long before it was committed is not counted
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

_log = structlog.get_logger()


class ChainState(View):
    """The last seal (None before the first), and how many rows wait for the next, counted up to COUNT_UP_TO."""

    n: int | None
    hash: str | None
    sealed_at: datetime | None
    waiting: int


@query(Permission.AUDIT_VIEW)
def chain_state(actor: Actor) -> ChainState:
    """How the chain of the actor's tenant stands."""
    last = _last_seal(actor)
    given = {"tenant": actor.tenant_id, "most": COUNT_UP_TO, "after": 0, "xid": "0", "since": BEGINNING}
    if last:
        given |= {"after": last.after_id, "xid": last.xid_to, "since": last.sealed_at - LONGEST_TRANSACTION}
    waiting = db.session.execute(_waiting(), given).scalar_one()
    if last is None:
        return ChainState(n=None, hash=None, sealed_at=None, waiting=waiting)
    return ChainState(n=last.n, hash=last.hash.hex(), sealed_at=last.sealed_at, waiting=waiting)


@command(Permission.AUDIT_KEEP)
def anchor(actor: Actor) -> None:
    """Send the newest seal of the actor's tenant out, as an event and as a line of the log; nothing before the first.

    ASVS 16.4.3: logs are kept where who breaks into the application cannot change them.
    """
    last = _last_seal(actor)
    if last is None:
        record("audit.anchor", n=0)
        return
    sum_ = last.hash.hex()
    publish(
        AuditAnchored(key=actor.tenant_key, subject=actor.tenant_key, n=last.n, hash=sum_, sealed_at=last.sealed_at)
    )
    record("audit.anchor", n=last.n)
    _log.info("audit anchored", tenant=actor.tenant_key, n=last.n, hash=sum_)


def keeper(tenant: TenantName, name: str = "jobs") -> Actor:
    """Who keeps a tenant's log: the jobs process, or the command line."""
    return Actor(
        tenant.id, tenant.key, name, frozenset({Permission.AUDIT_KEEP, Permission.AUDIT_VIEW}),
        purpose=Purpose.HSYSADMIN,
    )  # fmt: skip


def _last_seal(actor: Actor) -> Any:
    columns = (AUDIT_SEAL.n, AUDIT_SEAL.hash, AUDIT_SEAL.sealed_at, AUDIT_SEAL.after_id, AUDIT_SEAL.xid_to)
    newest = (
        select(*columns).where(AUDIT_SEAL.tenant_id == actor.tenant_id).order_by(AUDIT_SEAL.n.desc()).limit(at_most(1))
    )
    return db.session.execute(newest).one_or_none()


@built_once
def _waiting() -> Select[Any]:
    """Rows that no seal holds yet: along the times, for under row-level security no index serves a transaction."""
    unsealed = (
        AUDIT.tenant_id == bindparam("tenant"),
        AUDIT.id > bindparam("after"),
        AUDIT.xid >= bindparam("xid", type_=AUDIT.xid.type),
        AUDIT.at >= bindparam("since"),
    )
    return select(func.count()).select_from(
        select(AUDIT.id).where(*unsealed).order_by(AUDIT.at.desc()).limit(bindparam("most")).subquery()
    )
