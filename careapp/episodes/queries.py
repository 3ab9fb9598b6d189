"""Reads of episodes."""

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.episodes.service import E, T, episode_rows
from careapp.episodes.views import EpisodeView
from careapp.errors import found
from careapp.paging import DEFAULT_LIMIT, patients_in, read_page
from careapp.views import Page


@query(Permission.EPISODE_VIEW)
def get_episode(actor: Actor, locator: str) -> EpisodeView:
    """One episode; raises NotFound."""
    row = found(db.session.execute(episode_rows(actor).where(E.locator == locator)).one_or_none())
    record_read("episode.read", locator, patients=(row.party_locator,))
    return EpisodeView.of(row)


@query(Permission.EPISODE_VIEW)
def list_episodes(
    actor: Actor, *, party: str | None = None, status: str | None = None, care_type: str | None = None,
    stage: str | None = None, limit: int = DEFAULT_LIMIT, cursor: str | None = None,
) -> Page[EpisodeView]:  # fmt: skip
    """Episodes newest first, of a party, in a state, of a care type or on a stage of the board."""
    filters = {E.status: status, E.care_type: care_type, E.stage: stage, T.locator: party}
    statement = episode_rows(actor).where(*(column == value for column, value in filters.items() if value is not None))
    page = read_page(statement, (E.opened_at, E.id), EpisodeView.of, limit=limit, cursor=cursor, newest_first=True)
    record_read("episode.list", party, patients=patients_in(page.items))
    return page
