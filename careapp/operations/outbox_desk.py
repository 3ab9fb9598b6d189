"""Outbox desk: people look at events that have not left, and decide about those that cannot.

An event that Kafka will never take is parked: its key waits behind it and all others go on. `retry` lets it try again
once the cause is mended. `withhold` sends its envelope without data: deleting it would break the gap-free sequence that
consumers count on.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.sql import ColumnElement

from careapp.access import Actor, Permission
from careapp.commands import command, query, record
from careapp.db import db, guarded_update, table_of
from careapp.errors import Conflict, Invalid, NotFound
from careapp.outbox.models import OutboxEvent
from careapp.views import View

_outbox = table_of(OutboxEvent).c


class UnsentEvent(View):
    """An event that has not left. `attempts` counts failed tries, `last_error` names the last one's error."""

    event_id: UUID
    topic: str
    key: str
    sequence: int
    created_at: datetime
    next_at: datetime
    parked_at: datetime | None
    withheld_at: datetime | None
    attempts: int
    last_error: str | None

    @property
    def state(self) -> str:
        """PARKED until somebody decides, RETRYING after a failed try, WAITING for its turn."""
        if self.parked_at:
            return "PARKED"
        return "RETRYING" if self.attempts else "WAITING"


@query(Permission.OUTBOX_MANAGE)
def list_unsent(actor: Actor, *, limit: int = 100) -> Sequence[UnsentEvent]:
    """Events of this tenant that have not left: parked ones first, then those tried most often, then the oldest."""
    rows = db.session.execute(
        select(*(_outbox[name] for name in UnsentEvent.model_fields))
        .where(_outbox.tenant_id == actor.tenant_id, _outbox.published_at.is_(None))
        .order_by(_outbox.parked_at.is_(None), _outbox.attempts.desc(), _outbox.id)
        .limit(limit)
    )
    return [UnsentEvent.of(row) for row in rows]


@command(Permission.OUTBOX_MANAGE)
def retry(actor: Actor, event_id: UUID) -> None:
    """Let an event try again at once; raises NotFound, and Conflict EVENT_PUBLISHED when it has left already."""
    row = guarded_update(
        OutboxEvent, *_unsent(actor, event_id), returning=(_outbox.topic, _outbox.key),
        parked_at=None, next_at=func.now(),
    )  # fmt: skip
    if row is None:
        raise _why_not(actor, event_id)
    record("outbox.retry", row.key, event_id=str(event_id), topic=row.topic)


@command(Permission.OUTBOX_MANAGE)
def withhold(actor: Actor, event_id: UUID, *, reason: str) -> None:
    """Send a parked event with empty `data`; the reason goes into the audit.

    Only a parked one: any other may be on its way this very moment. Raises NotFound, Invalid without a reason, Conflict
    EVENT_PUBLISHED or EVENT_NOT_PARKED.
    """
    if not reason.strip():
        raise Invalid({"reason": "Say why consumers shall not have this event's data."})
    row = guarded_update(
        OutboxEvent, *_unsent(actor, event_id), _outbox.parked_at.is_not(None), returning=(_outbox.topic, _outbox.key),
        withheld_at=func.now(), parked_at=None, next_at=func.now(),
    )  # fmt: skip
    if row is None:
        raise _why_not(actor, event_id)
    record("outbox.withhold", row.key, event_id=str(event_id), topic=row.topic, reason=reason.strip())


def _unsent(actor: Actor, event_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (*_this(actor, event_id), _outbox.published_at.is_(None))


def _this(actor: Actor, event_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (_outbox.tenant_id == actor.tenant_id, _outbox.event_id == event_id)


def _why_not(actor: Actor, event_id: UUID) -> NotFound | Conflict:
    """Why an event could not be changed."""
    row = db.session.execute(select(_outbox.published_at).where(*_this(actor, event_id))).one_or_none()
    if row is None:
        return NotFound("There is no event with that id here.")
    if row.published_at:
        return Conflict("That event has left already.", code="EVENT_PUBLISHED")
    return Conflict("That event is not parked: it may be on its way.", code="EVENT_NOT_PARKED")
