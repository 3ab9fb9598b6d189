"""The member portal's routes: GET only, with a service credential, in the tenant the credential is bound to."""

from typing import Annotated

from apiflask import APIBlueprint
from flask import Response

from careapp.access import Permission
from careapp.episodes.states import EPISODE
from careapp.episodes.views import EpisodePage
from careapp.overviews import portal
from careapp.overviews.portal import PortalEpisodeView
from careapp.providers import queries as directory
from careapp.providers.views import ProviderView
from careapp.surface.actors import current_actor, requires
from careapp.surface.answers import tagged
from careapp.surface.fields import Among, Paged
from careapp.surface.json_blueprint import protect

internal = APIBlueprint("internal", __name__, url_prefix="/internal")
protect(internal)


class MemberQuery(Paged):
    """What a member's episodes can be narrowed by."""

    status: Annotated[str, Among(EPISODE.states)] | None = None


@internal.get("/episodes/<locator>")
@requires(Permission.PORTAL_READ)
@internal.output(PortalEpisodeView)
@internal.doc(tags=["Internal"], security="internalToken")
def get_episode(locator: str) -> Response:
    """Get an episode with its appointments, prescriptions and referrals."""
    return tagged(portal.portal_episode(current_actor(), locator))


@internal.get("/members/<party>/episodes")
@requires(Permission.PORTAL_READ)
@internal.input(MemberQuery, location="query")
@internal.output(EpisodePage)
@internal.doc(tags=["Internal"], security="internalToken")
def list_member_episodes(party: str, query_data: MemberQuery) -> Response:
    """List a member's episodes, newest first."""
    return tagged(portal.member_episodes(current_actor(), party, **query_data.model_dump()))


@internal.get("/providers/<locator>")
@requires(Permission.DIRECTORY_VIEW)
@internal.output(ProviderView)
@internal.doc(tags=["Internal"], security="internalToken")
def get_provider(locator: str) -> Response:
    """Get a provider, as another instance asks for it before it books."""
    return tagged(directory.get_provider(current_actor(), locator))
