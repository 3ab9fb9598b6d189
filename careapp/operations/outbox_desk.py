"""Outbox desk: people look at events that have not left, and decide about those that cannot.

An event that Kafka will never take is parked: its key waits behind it and all others go on. `retry` lets it try again
once the cause is mended. `withhold` sends its envelope without data: deleting it would break the gap-free sequence that
consumers count on.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, or_, select
from sqlalchemy.sql import ColumnElement

from careapp import clock
from careapp.access import Actor, Permission
from careapp.collected import PATIENT
from careapp.commands import command, query, record, record_read
from careapp.db import at_most, db, guarded_update, table_of
from careapp.errors import Conflict, Invalid, NotFound, Sentence
from careapp.operations.models import TENANTS
from careapp.outbox.models import OutboxEvent, SentEvent
from careapp.paging import DEFAULT_LIMIT, read_page
from careapp.views import Page, View

COUNT_UP_TO = 1000

_outbox, _sent = table_of(OutboxEvent).c, table_of(SentEvent).c
_UNPARKED = case((_outbox.parked_at.is_(None), 1), else_=0).label("unparked")
_FEWEST_TRIES = (-_outbox.attempts).label("fewest_tries")  # all keys of a page go one way: most tries first


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


class UnsentEventWhole(UnsentEvent):
    """The same with the envelope as consumers would get it; it holds locators, codes and times only."""

    envelope: dict[str, Any]


class OutboxFigures(View):
    """How a tenant's outbox stands. Counts stop at COUNT_UP_TO, so that the page costs the same in a jam.

    `oldest_at` is when the oldest event came that waits and is not parked; `withheld` events wait to be sent without
    data. `sent_last_hour` looks at the newest events only. `zone` is the tenant's, for telling times.
    """

    waiting: int
    oldest_at: datetime | None
    parked: int
    withheld: int
    sent_last_hour: int
    zone: str


@query(Permission.OUTBOX_MANAGE)
def list_unsent(
    actor: Actor, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None, late_after: timedelta | None = None
) -> Page[UnsentEvent]:
    """Events of this tenant that have not left: parked ones first, then those tried most often, then the oldest.

    With `late_after` only those that are parked, were tried in vain, or have waited for so long. An event that is tried
    while one turns the pages moves forward. Raises Invalid for a cursor that is not one of ours.
    """
    unsent = [_outbox.tenant_id == actor.tenant_id, _outbox.published_at.is_(None)]
    if late_after is not None:
        late = _outbox.created_at < clock.now() - late_after
        unsent.append(or_(_outbox.parked_at.is_not(None), _outbox.attempts > 0, late))
    keys = (_UNPARKED, _FEWEST_TRIES, _outbox.id)
    statement = select(*keys, *(_outbox[name] for name in UnsentEvent.model_fields)).where(*unsent)
    page = read_page(statement, keys, UnsentEvent.of_each, of=("unsent", late_after), limit=limit, cursor=cursor)
    if patients := tuple(sorted({event.key for event in page.items if PATIENT.fullmatch(event.key)})):
        record_read("outbox.list", patients=patients, count=len(page.items))
    return page


@query(Permission.OUTBOX_MANAGE)
def get_event(actor: Actor, event_id: UUID) -> UnsentEventWhole:
    """One event that has not left, with its envelope. Raises NotFound, also when it has left."""
    row = db.session.execute(
        select(*(_outbox[name] for name in UnsentEventWhole.model_fields)).where(*_unsent(actor, event_id))
    ).one_or_none()
    if row is None:
        raise NotFound("That event has left, or there is none with that id here.")
    event = UnsentEventWhole.of(row)
    patients = sorted({event.key, *_texts(event.envelope)})
    record_read("outbox.event", event.key, patients=tuple(one for one in patients if PATIENT.fullmatch(one)))
    return event


@query(Permission.OUTBOX_MANAGE)
def get_figures(actor: Actor) -> OutboxFigures:
    """How the actor's outbox stands now."""
    mine = _outbox.tenant_id == actor.tenant_id
    unsent = (
        select(_outbox.created_at, _outbox.parked_at, _outbox.withheld_at)
        .where(mine, _outbox.published_at.is_(None))
        .limit(at_most(COUNT_UP_TO))
        .subquery()
        .c
    )
    an_hour_ago = clock.now() - timedelta(hours=1)
    sent = []
    for columns in (_sent, _outbox):  # the second: what a version before marked in place
        newest = select(columns.published_at).where(columns.tenant_id == actor.tenant_id).order_by(columns.id.desc())
        at = newest.limit(at_most(COUNT_UP_TO)).subquery().c.published_at
        sent.append(select(func.count()).where(at > an_hour_ago).scalar_subquery())
    row = db.session.execute(
        select(
            func.count().label("waiting"),
            func.min(unsent.created_at).filter(unsent.parked_at.is_(None)).label("oldest_at"),
            func.count(unsent.parked_at).label("parked"),
            func.count(unsent.withheld_at).label("withheld"),
            (sent[0] + sent[1]).label("sent_last_hour"),
            select(TENANTS.time_zone).where(TENANTS.id == actor.tenant_id).scalar_subquery().label("zone"),
        )
    ).one()
    return OutboxFigures.of(row)


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
        raise Invalid({"reason": Sentence("Say why consumers shall not have this event's data.")})
    row = guarded_update(
        OutboxEvent, *_unsent(actor, event_id), _outbox.parked_at.is_not(None), returning=(_outbox.topic, _outbox.key),
        withheld_at=func.now(), parked_at=None, next_at=func.now(),
    )  # fmt: skip
    if row is None:
        raise _why_not(actor, event_id)
    record("outbox.withhold", row.key, event_id=str(event_id), topic=row.topic, reason=reason.strip())


def _texts(value: Any) -> Iterator[str]:
    """Every text in an envelope."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _unsent(actor: Actor, event_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (*_this(actor, event_id), _outbox.published_at.is_(None))


def _this(actor: Actor, event_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (_outbox.tenant_id == actor.tenant_id, _outbox.event_id == event_id)


def _why_not(actor: Actor, event_id: UUID) -> NotFound | Conflict:
    """Why an event could not be changed."""
    row = db.session.execute(select(_outbox.published_at).where(*_this(actor, event_id))).one_or_none()
    # By no index but the tenant's, over his seven days: asked only where a page is older than what it is about.
    gone = select(_sent.id).where(_sent.tenant_id == actor.tenant_id, _sent.event_id == event_id)
    if row is None and db.session.execute(gone).one_or_none() is None:
        return NotFound("There is no event with that id here.")
    if row is None or row.published_at:
        return Conflict("That event has left already.", code="EVENT_PUBLISHED")
    return Conflict("That event is not parked: it may be on its way.", code="EVENT_NOT_PARKED")
