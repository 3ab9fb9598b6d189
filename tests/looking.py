"""Looking: what stands in the database after a test's act, read past the application's own queries."""

from typing import Any

from sqlalchemy import Row, Select, select, text

from careapp import tenancy
from careapp.access import Actor
from careapp.db import db
from careapp.lifecycle import HISTORY

WRITTEN = "id, topic, key, sequence, envelope"
TOLD = f"(SELECT {WRITTEN} FROM outbox UNION ALL SELECT {WRITTEN} FROM outbox_sent)"  # what waits and what was sent


def rows(actor: Actor, statement: str, **values: Any) -> list[Row[Any]]:
    """The rows of a statement in the actor's tenant; the transaction is rolled back."""
    db.session.rollback()
    with tenancy.bound(actor.tenant_id):
        found = list(db.session.execute(text(statement), values).all())
        db.session.rollback()
    return found


def one(actor: Actor, statement: str, **values: Any) -> Any:
    """The only value of the only row of a statement."""
    [[value]] = rows(actor, statement, **values)
    return value


def execute(actor: Actor, statement: str, **values: Any) -> None:
    """Change something behind the application's back, as the app role, in the actor's tenant."""
    db.session.rollback()
    with tenancy.bound(actor.tenant_id):
        db.session.execute(text(statement), values)
        db.session.commit()


def id_of(actor: Actor, table: str, locator: str) -> int:
    """The id behind a locator."""
    return int(one(actor, f"SELECT id FROM {table} WHERE locator = :locator", locator=locator))


def events(actor: Actor, *, after: int = 0) -> list[Row[Any]]:
    """The tenant's events in the order they were written, whether or not they were sent: id, topic, key, sequence,
    envelope."""
    statement = f"SELECT {WRITTEN} FROM {TOLD} AS told WHERE id > :after ORDER BY id"
    return rows(actor, statement, after=after)


def topics(actor: Actor, *, after: int = 0) -> list[str]:
    """The topics of the tenant's events in order."""
    return [event.topic for event in events(actor, after=after)]


def history(actor: Actor, *, after: int = 0) -> list[Row[Any]]:
    """The tenant's status changes in order, their reasons as the application reads them."""
    return read(actor, select(*HISTORY).where(HISTORY.id > after).order_by(HISTORY.id))


def read(actor: Actor, statement: Select[Any]) -> list[Row[Any]]:
    """The rows of a statement over the application's own columns, so that encrypted ones are read as text."""
    db.session.rollback()
    with tenancy.bound(actor.tenant_id):
        found = list(db.session.execute(statement).all())
        db.session.rollback()
    return found


def audits(actor: Actor, *, after: int = 0) -> list[Row[Any]]:
    """The tenant's audit rows in order."""
    return rows(actor, "SELECT * FROM audit_event WHERE id > :after ORDER BY id", after=after)


def newest(actor: Actor) -> dict[str, int]:
    """The highest ids of history, audit and outbox: what comes after is what the next act wrote."""
    [row] = rows(
        actor,
        f"SELECT (SELECT coalesce(max(id), 0) FROM {TOLD} AS told) AS events,"
        " (SELECT coalesce(max(id), 0) FROM status_changes)"
        " AS history, (SELECT coalesce(max(id), 0) FROM audit_event) AS audits",
    )
    return dict(row._mapping)
