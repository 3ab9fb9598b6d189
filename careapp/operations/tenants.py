"""Tenants: making one, knowing it by its key, and letting nobody of it in for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import select, text

from careapp import clock, commands
from careapp.access import Actor
from careapp.db import db
from careapp.errors import Conflict
from careapp.localdb import libpq_url
from careapp.operations.models import TENANTS

DELETION_LOCK = 7302267  # an advisory lock, with the tenant: held by who deletes it, shared by who forbids that


def create_tenant(owner_url: str, *, key: str, name: str, time_zone: str, buffer_minutes: int = 0) -> int:
    """Make a tenant with its settings, as the database's owner (the app role may not), and return its id.

    A tenant whose key is taken stays as it is; its id is returned. Raises Conflict for the key of a deleted one.
    """
    with psycopg.connect(libpq_url(owner_url)) as connection:
        connection.execute(
            "INSERT INTO tenants (key, name, time_zone) VALUES (%s, %s, %s) ON CONFLICT (key) DO NOTHING",
            [key, name, time_zone],
        )
        # a column by its name, which is not there yet before migration 0019: both versions work on both schemas
        row = connection.execute(
            "SELECT id, to_jsonb(t) ->> 'deleted_at' FROM tenants t WHERE key = %s", [key]
        ).fetchone()
        assert row is not None
        if row[1] is not None:
            raise Conflict(f"{key} was a tenant that is deleted; its key is never another's.", code="ALREADY_SO")
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(row[0])])
        connection.execute(
            "INSERT INTO tenant_settings (tenant_id, buffer_minutes) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [row[0], buffer_minutes],
        )
    return int(row[0])


def tenant_id_of(key: str) -> int | None:
    """The id of the tenant with this key, None where there is none, or not any more; asked before one is bound."""
    statement = select(TENANTS.id).where(TENANTS.key == key, TENANTS.deleted_at.is_(None))
    found: int | None = db.session.execute(statement).scalar_one_or_none()
    db.session.rollback()
    return found


def key_is_taken(key: str) -> bool:
    """Whether a tenant has this key, or had it: the key of a deleted one is never another's."""
    found = db.session.execute(select(TENANTS.id).where(TENANTS.key == key)).one_or_none()
    db.session.rollback()
    return found is not None


def forbid_deletion(actor: Actor) -> None:
    """Let a deletion of the actor's tenant that begins now wait until this transaction has ended, and find what it did;
    wait for one that is under way already.
    """
    shared = text("SELECT pg_advisory_xact_lock_shared(CAST(:lock AS integer), CAST(:tenant AS integer))")
    db.session.execute(shared, {"lock": DELETION_LOCK, "tenant": actor.tenant_id})


def suspend(owner_url: str, actor: Actor, *, by: str, reason: str) -> None:
    """Let nobody of the actor's tenant in until it is resumed; `by` decided it. Jobs go on with their work.

    Each request asks, so open sessions and tokens are refused with their next one, and go on afterwards if they have
    not run out. Raises Conflict where that is so already. The log has it before it happens.
    """
    with _marking(owner_url, actor, suspended=True):
        commands.record("tenant.suspend", actor.tenant_key, by=by, reason=reason)


def resume(owner_url: str, actor: Actor, *, by: str) -> None:
    """Let people and programs of the actor's tenant in again, as `by` decided. Raises Conflict where they are."""
    with _marking(owner_url, actor, suspended=False):
        commands.record("tenant.resume", actor.tenant_key, by=by)


@contextmanager
def _marking(owner_url: str, actor: Actor, *, suspended: bool) -> Iterator[None]:
    """Mark the tenant, as the owner, after what the block records is in the log."""
    with psycopg.connect(libpq_url(owner_url)) as connection:
        row = connection.execute(
            "SELECT suspended_at FROM tenants WHERE id = %s AND deleted_at IS NULL FOR UPDATE", [actor.tenant_id]
        ).fetchone()
        if row is None or (row[0] is not None) == suspended:
            so = "suspended already" if suspended else "not suspended"
            raise Conflict(f"{actor.tenant_key} is {so}.", code="ALREADY_SO")
        with commands.unit_of(actor, name="tenant.suspend" if suspended else "tenant.resume"):
            yield
        connection.execute(
            "UPDATE tenants SET suspended_at = %s WHERE id = %s", [clock.now() if suspended else None, actor.tenant_id]
        )
