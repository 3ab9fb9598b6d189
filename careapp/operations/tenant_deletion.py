"""Deleting a tenant: all of its rows but the audit log, in batches, in the order the tables allow; a tombstone stays.

It may be run again wherever it stopped. Whoever deletes is the owner bound to this tenant, so that row-level security
hides every other tenant's rows from each statement.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Table

from careapp import clock, commands
from careapp.access import Actor
from careapp.errors import Busy
from careapp.localdb import libpq_url
from careapp.operations.events import TenantDeleted
from careapp.operations.tenant_export import Manifest
from careapp.operations.tenant_rows import LOG, connected, key_of, tables
from careapp.operations.tenants import DELETION_LOCK

BATCH = 1000  # rows of one transaction
IN_USE = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
PASSES = 5  # over all tables; the last finds nothing
EVENTS = ("outbox", "outbox_sent", "outbox_head")  # go last: what happened must be told before it is forgotten
TOLD = {"outbox": sql.SQL("AND published_at IS NOT NULL")}  # what else holds of a row that may go
NAME = "Deleted tenant"
SETTLED = timedelta(minutes=1)  # after a suspension: no request that was let in before is still under way

# On the tombstone: how many rows have gone, and that this is not told yet.
COUNT_GONE = """
UPDATE tenants SET deletion = deletion - 'finishedAt'
  || jsonb_build_object('rows', coalesce((deletion ->> 'rows')::bigint, 0) + %s) WHERE id = %s"""


class NotDeleted(Exception):
    """Nothing more was deleted; the text says why."""


@contextmanager
def alone(owner_url: str, tenant_id: int) -> Iterator[None]:
    """Be the only one who deletes this tenant, until the block ends or its process does.

    Raises NotDeleted after 5 s where another is at it, and where somebody holds the tombstone for as long.
    """
    with psycopg.connect(
        libpq_url(owner_url), autocommit=True, application_name="careapp tenant", options="-c lock_timeout=5s",
        keepalives_idle=60,  # it says nothing for as long as the others work
    ) as one:  # fmt: skip
        try:
            one.execute("SELECT pg_advisory_lock(%s, %s)", [DELETION_LOCK, tenant_id])
        except psycopg.errors.LockNotAvailable as error:
            raise NotDeleted("Somebody else is deleting this tenant.") from error
        try:
            yield
        except (psycopg.errors.LockNotAvailable, Busy) as error:
            raise NotDeleted("Somebody holds what is to go. Run the same command again.") from error


def refuse_held(owner_url: str, tenant_id: int) -> None:
    """Raise NotDeleted while a legal hold stands on any patient of the tenant."""
    with connected(owner_url, tenant_id, reading=True) as connection:
        _refuse_held(connection, tenant_id)


def refuse_stale(export: Manifest, suspended_at: datetime | None) -> None:
    """Raise NotDeleted unless the tenant is suspended and was so before the export: nobody has written after it."""
    if suspended_at is None:
        raise NotDeleted(f"Suspend {export.tenant} and export it then, so that nothing is written after the export.")
    if export.made_at < suspended_at + SETTLED:
        raise NotDeleted(
            f"The export was made before {export.tenant} was suspended, or so soon that a request under way may have"
            " written after it. Make a new one."
        )


def begin(owner_url: str, actor: Actor, *, by: str, reason: str, export: Manifest | None) -> None:
    """Say that the tenant is deleted, for good: from here on nobody of it is let in. Nothing happens the second time.

    The tombstone comes first, then audit row and event, once, also where a run was killed in between. Raises
    NotDeleted, also where the tenant was let in again since somebody looked at its export.
    """
    told: dict[str, Any] = {"by": by, "reason": reason}
    told |= {"export": export.sha256, "exportedRows": export.rows} if export else {"export": None}
    with connected(owner_url, actor.tenant_id) as connection:
        _refuse_held(connection, actor.tenant_id)
        state = "SELECT suspended_at, deleted_at FROM tenants WHERE id = %s FOR UPDATE"
        [(suspended_at, deleted_at)] = connection.execute(state, [actor.tenant_id]).fetchall()
        if deleted_at is None:
            if export:
                refuse_stale(export, suspended_at)
            mark = "UPDATE tenants SET deleted_at = %s, deletion = %s WHERE id = %s"
            connection.execute(mark, [clock.now(), Jsonb(told), actor.tenant_id])
    with connected(owner_url, actor.tenant_id, reading=True) as connection:
        [(at, kept, announced)] = connection.execute(
            "SELECT deleted_at, deletion, EXISTS (SELECT FROM audit_event WHERE tenant_id = %(tenant)s"
            " AND action = 'tenant.delete' AND outcome = 'done') FROM tenants WHERE id = %(tenant)s",
            {"tenant": actor.tenant_id},
        ).fetchall()
    if not announced:
        with commands.unit_of(actor, name="tenant.delete"):
            decided = {name: kept[name] for name in ("by", "reason")}
            commands.record("tenant.delete", actor.tenant_key, hash=kept["export"], **decided)
            commands.publish(TenantDeleted(key=actor.tenant_key, subject=actor.tenant_key, deleted_at=at))


def delete_rows(owner_url: str, tenant_id: int, *, tell: Callable[[str, int], None] = lambda table, rows: None) -> None:
    """Delete all rows but those of the log and of the outbox.

    What a request that was under way at the beginning has added since goes in another pass. Raises NotDeleted where a
    table stays locked, or fills again.
    """
    for _ in range(PASSES):
        went = False
        try:
            for table in reversed(tables()):
                if table.name not in LOG and table.name not in EVENTS and (rows := _empty(owner_url, tenant_id, table)):
                    went = True
                    tell(table.name, rows)
        except psycopg.errors.ForeignKeyViolation:
            continue  # a row was added that points at one to go
        if not went:
            return
    raise NotDeleted("Rows come back while others go. Run the same command again.")


def waiting_events(owner_url: str, tenant_id: int) -> tuple[int, int]:
    """How many events of the tenant have not been sent yet, and how many of them are parked and wait for somebody."""
    with connected(owner_url, tenant_id, reading=True) as connection:
        [(waiting, parked)] = connection.execute(
            "SELECT count(*), count(parked_at) FROM outbox WHERE tenant_id = %s AND published_at IS NULL", [tenant_id]
        ).fetchall()
    return waiting, parked


def finish(owner_url: str, actor: Actor) -> dict[str, int]:
    """Delete the events, which have all been sent, take the name away, and return what remains of the tenant by table.

    Nothing is said anew where no row has gone since it was. Raises NotDeleted while an event waits, or where something
    is left that should not be.
    """
    _refuse_waiting(owner_url, actor.tenant_id)
    for table in tables():
        if table.name in EVENTS:
            _empty(owner_url, actor.tenant_id, table)
    left = remaining(owner_url, actor.tenant_id)
    if stray := sorted(set(left) - LOG):
        raise NotDeleted(f"Rows were added to {', '.join(stray)} meanwhile. Run the same command again.")
    with connected(owner_url, actor.tenant_id, reading=True) as connection:
        [(kept,)] = connection.execute("SELECT deletion FROM tenants WHERE id = %s", [actor.tenant_id]).fetchall()
    if "finishedAt" in kept:
        return left
    with commands.unit_of(actor, name="tenant.delete"):
        commands.record("tenant.deleted", actor.tenant_key, rows=kept.get("rows", 0))
    with connected(owner_url, actor.tenant_id) as connection:
        told = Jsonb({"finishedAt": clock.now().isoformat(), **_last_seal(connection, actor.tenant_id)})
        connection.execute(
            "UPDATE tenants SET name = %s, deletion = deletion || %s WHERE id = %s", [NAME, told, actor.tenant_id]
        )
    return left


def remaining(owner_url: str, tenant_id: int) -> dict[str, int]:
    """How many rows each table has of a tenant, where it has any."""
    found: Counter[str] = Counter()
    with connected(owner_url, tenant_id, reading=True) as connection:
        for table in tables():
            count = sql.SQL("SELECT count(*) FROM {} WHERE tenant_id = %s").format(sql.Identifier(table.name))
            [(rows,)] = connection.execute(count, [tenant_id]).fetchall()
            found[table.name] += rows
    return +found


def _refuse_held(connection: psycopg.Connection[Any], tenant_id: int) -> None:
    statement = "SELECT count(*) FROM legal_holds WHERE tenant_id = %s AND lifted_at IS NULL"
    [(held,)] = connection.execute(statement, [tenant_id]).fetchall()
    if held:
        raise NotDeleted(f"{held} patients are under a legal hold. Lift them first: flask erasure lift.")


def _refuse_waiting(owner_url: str, tenant_id: int) -> None:
    waiting, parked = waiting_events(owner_url, tenant_id)
    if parked:
        raise NotDeleted(f"{parked} events are parked. Let them go first: flask outbox list, retry, withhold.")
    if waiting:
        raise NotDeleted(f"{waiting} events wait to be sent. Run the same command again when jobs have sent them.")


def _empty(owner_url: str, tenant_id: int, table: Table) -> int:
    """Delete a table's rows in transactions of a batch each; no lock reaches further than the rows of one."""
    gone, last = 0, list[Any]()
    try:
        while batch := _delete_batch(owner_url, tenant_id, table, last):
            rows, *last = batch
            gone += rows
    except IN_USE as error:
        raise NotDeleted(f"Somebody holds rows of {table.name}. Run the same command again.") from error
    return gone


def _delete_batch(owner_url: str, tenant_id: int, table: Table, last: list[Any]) -> tuple[Any, ...] | None:
    """Delete the first rows whose key comes after `last`: how many went and the last one's key; None behind the end.

    Looking from the beginning each time would walk over all that has gone before, until a vacuum has taken it away. The
    tombstone counts them in the same transaction, so that a run that is killed counts as well.
    """
    key = sql.SQL(", ").join(map(sql.Identifier, key_of(table)))
    after = sql.SQL("AND ({}) > ({})").format(key, sql.SQL(", ").join(map(sql.Literal, last))) if last else sql.SQL("")
    statement = sql.SQL(
        "WITH these AS MATERIALIZED"
        " (SELECT {key} FROM {table} WHERE tenant_id = {tenant} {told} {after} ORDER BY {key} LIMIT {batch}),"
        " gone AS (DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM these) RETURNING 1)"
        " SELECT (SELECT count(*) FROM gone), {key} FROM these ORDER BY {descending} LIMIT 1"
    ).format(
        key=key, table=sql.Identifier(table.name), tenant=sql.Literal(tenant_id), after=after, batch=sql.Literal(BATCH),
        told=TOLD.get(table.name, sql.SQL("")),
        descending=sql.SQL(", ").join(sql.SQL("{} DESC").format(sql.Identifier(name)) for name in key_of(table)),
    )  # fmt: skip
    with connected(owner_url, tenant_id) as connection:
        batch = connection.execute(statement).fetchone()
        if batch and batch[0]:
            connection.execute(COUNT_GONE, [batch[0], tenant_id])
        return batch


def _last_seal(connection: psycopg.Connection[Any], tenant_id: int) -> dict[str, Any]:
    """The newest link of the chain of the log, which stays."""
    row = connection.execute(
        "SELECT n, encode(hash, 'hex') FROM audit_seal WHERE tenant_id = %s ORDER BY n DESC LIMIT 1", [tenant_id]
    ).fetchone()
    return {"seal": row[0], "sealHash": row[1]} if row else {}
