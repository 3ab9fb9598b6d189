"""Maintenance: what is done for every tenant in turn, each in a transaction of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import delete, func, select, text

from careapp import commands, tenancy
from careapp.db import db, table_of
from careapp.idempotency import IdempotencyKey
from careapp.operations.models import Tenant

ANSWERS_KEPT_HOURS = 24

R = TypeVar("R")


@dataclass(frozen=True)
class TenantName:
    """A tenant, as commands and jobs that go over all of them need it."""

    id: int
    key: str
    suspended_at: datetime | None = None
    deleted_at: datetime | None = None


def tenants(*, deleted: bool = False) -> list[TenantName]:
    """The tenants in the order they were made; with `deleted` those as well of whom only the log is left."""
    table = table_of(Tenant).c
    statement = select(table.id, table.key, table.suspended_at, table.deleted_at).order_by(table.id)
    rows = db.session.execute(statement if deleted else statement.where(table.deleted_at.is_(None))).all()
    db.session.rollback()  # a read: the next transaction may belong to a tenant
    return [TenantName(*row) for row in rows]


def for_each_tenant(work: Callable[[TenantName], R]) -> list[R]:
    """Do `work` for each tenant in turn, bound to it; a transaction never reaches from one tenant into the next."""
    done: list[R] = []
    for tenant in tenants():
        with tenancy.bound(tenant.id):
            try:
                done.append(work(tenant))
            finally:
                db.session.rollback()  # ends a read; what was written has been committed
    return done


def delete_old_answers() -> int:
    """Delete answers kept under an idempotency key for more than 24 hours, and return how many; a maintenance loop."""
    return sum(for_each_tenant(_delete_old_answers))


def _delete_old_answers(tenant: TenantName) -> int:
    table = table_of(IdempotencyKey)
    age = text(f"interval '{ANSWERS_KEPT_HOURS} hours'")
    old = (table.c.tenant_id == tenant.id, table.c.created_at < func.now() - age)
    with commands.system_transaction(tenant.id):
        return len(db.session.execute(delete(table).where(*old).returning(table.c.tenant_id)).all())
