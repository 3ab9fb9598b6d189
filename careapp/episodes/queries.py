"""Reads of episodes."""

from typing import Any

from sqlalchemy import Select, bindparam

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.disclosure import reading
from careapp.disclosure.condition import is_open
from careapp.disclosure.rules import Kind
from careapp.episodes.models import EPISODES
from careapp.episodes.service import EPISODE_ROWS, episode_rows
from careapp.episodes.views import EpisodeView
from careapp.errors import found
from careapp.kept import built_once
from careapp.paging import DEFAULT_LIMIT, patients_in, read_page
from careapp.patients.models import PATIENTS
from careapp.views import Page


@query(Permission.EPISODE_VIEW)
def get_episode(actor: Actor, locator: str) -> EpisodeView:
    """One episode; raises NotFound and Restricted."""
    row = found(db.session.execute(episode_rows(actor).where(EPISODES.locator == locator)).one_or_none())
    reading.require(actor, row)
    record_read("episode.read", locator, patients=(row.party_locator,))
    return EpisodeView.of(row)


@query(Permission.EPISODE_VIEW)
def list_episodes(
    actor: Actor, *, party: str | None = None, status: str | None = None, care_type: str | None = None,
    stage: str | None = None, limit: int = DEFAULT_LIMIT, cursor: str | None = None,
) -> Page[EpisodeView]:  # fmt: skip
    """Episodes newest first, of a party, in a state, of a care type or on a stage of the board.

    Narrowed to a care type, only those whose care type the actor may know.
    """
    asked = {"status": status, "care_type": care_type, "stage": stage, "party": party}
    filters = {name: value for name, value in asked.items() if value is not None}
    values = {"tenant": actor.tenant_id, **filters, **(reading.values(actor) if care_type is not None else {})}
    page = read_page(
        _listed(tuple(filters), reading.kind(actor)), (EPISODES.opened_at, EPISODES.id),
        reading.each(EpisodeView.seen_by, actor), of=("episodes", filters), limit=limit, cursor=cursor,
        newest_first=True, values=values,
    )  # fmt: skip
    record_read("episode.list", party, patients=patients_in(page.items))
    return page


@built_once
def _listed(filters: tuple[str, ...], kind: Kind) -> Select[Any]:
    """The episodes of a list that is narrowed by these, for a kind of reader; built once for each shape."""
    columns = {
        "status": EPISODES.status, "care_type": EPISODES.care_type, "stage": EPISODES.stage, "party": PATIENTS.locator,
    }  # fmt: skip
    statement = EPISODE_ROWS.where(*(columns[name] == bindparam(name) for name in filters))
    if "care_type" not in filters:
        return statement
    return statement.where(is_open(kind, EPISODES.tenant_id, EPISODES.patient_id))
