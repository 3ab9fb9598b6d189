"""Pages of episodes: opening one, its page, closing and cancelling it."""

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.episodes import service
from careapp.episodes.queries import list_episodes
from careapp.episodes.states import OPEN
from careapp.episodes.views import EpisodeView
from careapp.errors import Conflict, Invalid
from careapp.overviews.booking import page_after
from careapp.overviews.timeline import get_banner, get_episode_mark
from careapp.overviews.zones import get_tenant_zone
from careapp.patients.queries import get_patient
from careapp.surface.actors import current_actor, requires
from careapp.web.episode_answers import episode_page, form_refused, moved
from careapp.web.forms.care import OpenEpisodeForm
from careapp.web.forms.moves import CloseForm, ReasonedMoveForm
from careapp.web.forms.typed import locator_in
from careapp.web.htmx import Notice, nothing_new, page_or_fragment, see_other, unchanged
from careapp.web.submissions import create_once

bp = Blueprint("episodes", __name__)

MOST_OPEN = 10  # open episodes of one patient that the form for one more names


@bp.get("/episodes/new")
@requires(Permission.EPISODE_OPEN)
def open_form() -> Response:
    """The form that opens an episode for the patient in the address; without one, find him first."""
    party = locator_in(request.args.get("party"), "PTY")
    if party is None:
        return see_other("/patients")
    return _open_page(OpenEpisodeForm(formdata=None), party)


@bp.post("/episodes/new")
@requires(Permission.EPISODE_OPEN)
def open_episode() -> Response:
    """Open the episode and show it."""
    actor, form = current_actor(), OpenEpisodeForm()
    party = locator_in(request.args.get("party"), "PTY") or ""
    try:
        sent = form.checked()

        def create() -> str:
            made = service.open_episode(actor, party_locator=party, care_type=sent.care_type, reason=sent.reason)
            return page_after(actor, made.locator)

        return see_other(create_once(actor, form, create), Notice(_("The episode is open.")))
    except Invalid as refusal:
        form.refuse(refusal)
        return _open_page(form, party, 422)


@bp.get("/episodes/<locator>")
@requires(Permission.EPISODE_VIEW)
def episode(locator: str) -> Response:
    """The episode page: entries of one `kind` or all, from `cursor` on. A poll that has seen it is answered 204."""
    return unchanged() if nothing_new(get_episode_mark, locator) else episode_page(locator)


@bp.post("/episodes/<locator>/close")
@requires(Permission.EPISODE_VIEW)
def episode_close(locator: str) -> Response:
    """Close the episode; a refusal names what stands open and keeps the summary."""
    form = CloseForm()
    try:
        sent = form.checked()
        service.close(current_actor(), locator, summary=sent.summary, version=sent.version)
    except (Conflict, Invalid) as refusal:
        return episode_page(locator, refusal.status, close_form=_refused(form, locator, refusal))
    return see_other(f"/episodes/{locator}", Notice(_("The episode is closed.")))


@bp.post("/episodes/<locator>/cancel")
@requires(Permission.EPISODE_VIEW)
def episode_cancel(locator: str) -> Response:
    """Cancel the episode with all that is open in it."""

    def act() -> EpisodeView:
        sent = ReasonedMoveForm().checked()
        return service.cancel(current_actor(), locator, reason=sent.reason, version=sent.version)

    return moved(act, lambda: locator)


def _refused(form: CloseForm, locator: str, refusal: Conflict | Invalid) -> CloseForm:
    """The close form with what refused it, on the version its page now shows: who has read that may press again."""
    form_refused(form, refusal)
    form.held_open = refusal.code == "EPISODE_HAS_OPEN_WORK"
    if isinstance(refusal, Conflict):
        form.version.raw_data, form.version.data = None, get_banner(current_actor(), locator)[0].version
    return form


def _open_page(form: OpenEpisodeForm, party: str, status: int = 200) -> Response:
    """The form, with what is open for this patient already: often that is where the care belongs."""
    actor = current_actor()
    patient = get_patient(actor, party)
    return page_or_fragment(
        "episodes/open.html", "episodes/_open_form.html", status, title=_("Open episode"), form=form, patient=patient,
        open_episodes=list_episodes(actor, party=party, status=OPEN, limit=MOST_OPEN).items,
        zone=get_tenant_zone(actor),
    )  # fmt: skip
