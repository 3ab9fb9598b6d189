"""Episodes that ended before they came here: stored closed, inside a command that records it, and told to nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam

from careapp.access import Actor
from careapp.crypto import OfRow
from careapp.db import db, insert, insert_many, table_of
from careapp.episodes.models import EPISODES, Episode
from careapp.episodes.states import CLOSED, EPISODE, OPEN
from careapp.lifecycle import StatusChange


@dataclass(frozen=True)
class EndedEpisode:
    """An episode that is over; `seen` is how many visits the patient came to."""

    patient_id: int
    care_type: str
    reason: str | None
    summary: str
    opened_at: datetime
    closed_at: datetime
    seen: int = 0


def enter_closed(
    actor: Actor, *, patient_id: int, care_type: str, reason: str | None, summary: str, opened_at: datetime,
    closed_at: datetime,
) -> Row[Any]:  # fmt: skip
    """Store a closed episode with the opening and the closing in its history; returns the row.

    Its version is 2, as after an opening and a closing here.
    """
    one = EndedEpisode(patient_id, care_type, reason, summary, opened_at, closed_at)
    row = insert(Episode, *EPISODES, **_row(actor, one))
    insert_many(StatusChange, _changes(actor, row.id, row.locator, one))
    _sum_up(actor, [row.id], [one])
    return row


def enter_all_closed(actor: Actor, episodes: Sequence[EndedEpisode]) -> list[int]:
    """Store many of them in a few statements; returns their ids in the same order."""
    if not episodes:
        return []
    statement = table_of(Episode).insert().returning(EPISODES.id, EPISODES.locator, sort_by_parameter_order=True)
    rows = db.session.execute(statement, [_row(actor, one) for one in episodes]).all()
    happened = zip(rows, episodes, strict=True)
    changes = [change for row, one in happened for change in _changes(actor, row.id, row.locator, one)]
    db.session.execute(table_of(StatusChange).insert(), changes)
    _sum_up(actor, [row.id for row in rows], episodes)
    return [row.id for row in rows]


_SUMMARY = (
    table_of(Episode)
    .update()
    .where(EPISODES.tenant_id == bindparam("tenant"), EPISODES.id == bindparam("the_id"))
    .values(summary=bindparam("the_summary"))
)


def _sum_up(actor: Actor, ids: Sequence[int], episodes: Sequence[EndedEpisode]) -> None:
    """Store the summaries: each is encrypted for its row, which is known only once the row is there."""
    told = [
        {"tenant": actor.tenant_id, "the_id": id, "the_summary": OfRow(one.summary, id)}
        for id, one in zip(ids, episodes, strict=True)
    ]
    db.session.execute(_SUMMARY, told)


def _row(actor: Actor, one: EndedEpisode) -> dict[str, Any]:
    return {
        "tenant_id": actor.tenant_id, "patient_id": one.patient_id, "care_type": one.care_type, "status": CLOSED,
        "reason": one.reason, "opened_at": one.opened_at, "closed_at": one.closed_at,
        "seen": one.seen, "version": 2,
    }  # fmt: skip


def _changes(actor: Actor, id: int, locator: str, one: EndedEpisode) -> list[dict[str, Any]]:
    """The opening and the closing."""
    happened = (("open", None, OPEN, one.opened_at), ("close", OPEN, CLOSED, one.closed_at))
    return [
        {
            "tenant_id": actor.tenant_id, "episode_id": id, "entity": EPISODE.entity, "entity_id": id,
            "locator": locator, "action": action, "from_status": before, "to_status": after, "actor": actor.name,
            "at": at,
        }
        for action, before, after, at in happened
    ]  # fmt: skip
