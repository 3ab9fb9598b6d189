"""Episodes that ended before they came here: stored closed, inside a command that records it, and told to nobody."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from careapp.access import Actor
from careapp.db import insert, insert_many
from careapp.episodes.models import EPISODES, Episode
from careapp.episodes.states import CLOSED, EPISODE, OPEN
from careapp.lifecycle import StatusChange


def enter_closed(
    actor: Actor, *, patient_id: int, care_type: str, reason: str | None, summary: str, opened_at: datetime,
    closed_at: datetime,
) -> Row[Any]:  # fmt: skip
    """Store a closed episode with the opening and the closing in its history; returns the row.

    Its version is 2, as after an opening and a closing here.
    """
    row = insert(
        Episode, *EPISODES, tenant_id=actor.tenant_id, patient_id=patient_id, care_type=care_type, status=CLOSED,
        reason=reason, summary=summary, opened_at=opened_at, closed_at=closed_at, version=2,
    )  # fmt: skip
    happened = (("open", None, OPEN, opened_at), ("close", OPEN, CLOSED, closed_at))
    insert_many(
        StatusChange,
        [
            {
                "tenant_id": actor.tenant_id, "episode_id": row.id, "entity": EPISODE.entity, "entity_id": row.id,
                "locator": row.locator, "action": action, "from_status": before, "to_status": after,
                "actor": actor.name, "at": at,
            }
            for action, before, after, at in happened
        ],
    )  # fmt: skip
    return row
