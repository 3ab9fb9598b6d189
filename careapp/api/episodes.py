"""Episodes over JSON."""

from typing import Annotated

from flask import Response

from careapp.access import Permission
from careapp.api.blueprint import PREFIX, api
from careapp.api.moves import add_move
from careapp.episodes import queries, service
from careapp.episodes.states import CARE_TYPES, EPISODE, STAGES
from careapp.episodes.views import EpisodePage, EpisodeView
from careapp.surface.actors import current_actor, requires
from careapp.surface.answers import created, tagged
from careapp.surface.fields import ActionIn, Among, Locator, MoveIn, Paged, Sent, Words

CareType = Annotated[str, Among(CARE_TYPES)]


class EpisodeIn(Sent):
    """What opens an episode."""

    party_locator: Locator
    care_type: CareType
    triage_session_locator: Locator | None = None
    reason: Words | None = None


class EpisodeQuery(Paged):
    """What a list of episodes can be narrowed by."""

    party: Locator | None = None
    status: Annotated[str, Among(EPISODE.states)] | None = None
    care_type: CareType | None = None
    stage: Annotated[str, Among(STAGES)] | None = None


class CloseIn(MoveIn):
    """What closes an episode."""

    summary: Words


@api.post("/episodes")
@requires(Permission.EPISODE_OPEN)
@api.input(EpisodeIn)
@api.output(EpisodeView, 201)
@api.doc(tags=["Episodes"])
def open_episode(json_data: EpisodeIn) -> Response:
    """Open an episode."""
    actor = current_actor()
    return created(actor, lambda: service.open_episode(actor, **json_data.model_dump()), f"{PREFIX}/episodes")


@api.get("/episodes")
@requires(Permission.EPISODE_VIEW)
@api.input(EpisodeQuery, location="query")
@api.output(EpisodePage)
@api.doc(tags=["Episodes"])
def list_episodes(query_data: EpisodeQuery) -> Response:
    """List episodes, newest first."""
    return tagged(queries.list_episodes(current_actor(), **query_data.model_dump()))


@api.get("/episodes/<locator>")
@requires(Permission.EPISODE_VIEW)
@api.output(EpisodeView)
@api.doc(tags=["Episodes"])
def get_episode(locator: str) -> Response:
    """Get an episode."""
    return tagged(queries.get_episode(current_actor(), locator))


add_move(EPISODE, "/episodes", "close", "Close", EpisodeView, CloseIn, Permission.EPISODE_VIEW, service.close)
add_move(EPISODE, "/episodes", "cancel", "Cancel", EpisodeView, ActionIn, Permission.EPISODE_VIEW, service.cancel)
