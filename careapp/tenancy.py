"""Tenancy: which tenant the present transaction belongs to, and the row-level security every table carries."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from careapp.transactions import Transaction, at_begin

_tenant: ContextVar[int | None] = ContextVar("careapp_tenant", default=None)
_last_writes: list[object] = [None] * 1024  # by a tenant's number; two that share a place are told of each other's

OPENING = "careapp_opening"  # an engine's execution option: what every transaction of it begins with
TENANT_OF_TRANSACTION = "nullif(current_setting('app.tenant_id', true), '')::int"

# Tables that hold no tenant's data, or are asked before a tenant is known. Nothing else is excused.
TABLES_WITHOUT_TENANT = frozenset({
    "tenants", "alembic_version", "outbox_shard", "sign_in_directory", "sign_in_attempts", "rate_limits",
    "webauthn_challenges", "code_lists", "medicines", "medicine_words",
})  # fmt: skip


def current() -> int | None:
    """The tenant that transactions of this context are bound to; None reads no rows at all."""
    return _tenant.get()


@contextmanager
def bound(tenant_id: int | None) -> Iterator[None]:
    """Bind every transaction begun inside to `tenant_id`."""
    token = _tenant.set(tenant_id)
    try:
        yield
    finally:
        _tenant.reset(token)


@at_begin
def bind_tenant(transaction: Transaction, connection: Any, nested: bool) -> None:
    """Set `app.tenant_id` for the transaction that begins; a savepoint must keep the tenant it stands in."""
    tenant = "" if _tenant.get() is None else str(_tenant.get())
    if nested:
        if transaction.info.get("tenant") != tenant:
            raise RuntimeError("the tenant changed inside a transaction")
        return
    transaction.info.update(tenant=tenant, handed_on=False)
    more = connection.engine.get_execution_options().get(OPENING, ())
    transaction.opens_with(*opening(_tenant.get(), more))


def hand_on(transaction: Transaction) -> None:
    """Leave a transaction open for what comes next, if that is for the same tenant."""
    transaction.info["handed_on"] = transaction.in_transaction()


def begun_for(transaction: Transaction, tenant_id: int) -> bool:
    """Whether a transaction of this tenant was handed on to what comes now; only the first to ask gets it."""
    return bool(transaction.info.pop("handed_on", False)) and transaction.info["tenant"] == str(tenant_id)


def opening(tenant_id: int | None, more: Sequence[bytes] = ()) -> tuple[bytes, ...]:
    """The statements that open a transaction and bind its tenant.

    `more` are further ones: an engine's, for settings that hold for the transaction because a session is not its own.
    """
    tenant = "" if tenant_id is None else str(int(tenant_id))
    return b"BEGIN", f"SET LOCAL app.tenant_id = '{tenant}'".encode(), *more


def last_write(tenant_id: int) -> object:
    """Something that is another thing after each write of this process in a tenant; compare it by `is`."""
    return _last_writes[tenant_id % len(_last_writes)]


def note_write(tenant_id: int | None) -> None:
    """Let whoever remembers something of a tenant know that this process has written in it, or may have."""
    if tenant_id is not None:
        _last_writes[tenant_id % len(_last_writes)] = object()


def protect(table: str) -> list[str]:
    """The statements that put `table` under forced row-level security; migrations run them for each new table."""
    rule = f"tenant_id = {TENANT_OF_TRANSACTION}"
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} USING ({rule}) WITH CHECK ({rule})",
    ]
