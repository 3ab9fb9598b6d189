"""Pages of referrals: making one, and its moves."""

from flask import Blueprint, Response

from careapp.access import Permission
from careapp.errors import Conflict, Invalid
from careapp.lifecycle import Transition
from careapp.overviews.timeline import get_banner
from careapp.referrals import service
from careapp.referrals.queries import get_referral
from careapp.referrals.states import REFERRAL
from careapp.referrals.views import ReferralView
from careapp.surface.actors import current_actor, requires
from careapp.web import times
from careapp.web.episode_answers import form_refused, moved
from careapp.web.forms.care import ReferralForm
from careapp.web.forms.moves import BookReferralForm, CompleteReferralForm, move_form
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.moves import each_move
from careapp.web.submissions import create_once

bp = Blueprint("referrals", __name__)


@bp.get("/episodes/<locator>/referrals/new")
@requires(Permission.REFERRAL_WRITE)
def referral_form(locator: str) -> Response:
    """The form."""
    return _form_page(ReferralForm(formdata=None, priority="ROUTINE"), locator)


@bp.post("/episodes/<locator>/referrals/new")
@requires(Permission.REFERRAL_WRITE)
def refer(locator: str) -> Response:
    """Make the referral and go back to the episode."""
    actor, form = current_actor(), ReferralForm()
    try:
        sent = form.checked()

        def create() -> str:
            service.refer(
                actor, locator, type=sent.type, reason=sent.reason, priority=sent.priority, facility=sent.facility
            )
            return f"/episodes/{locator}"

        return see_other(create_once(actor, form, create), Notice("The referral is made."))
    except (Conflict, Invalid) as refusal:
        return _form_page(form, locator, refusal)


@each_move(bp, "/referrals", REFERRAL, Permission.REFERRAL_VIEW, without=("book", "complete"))
def referral_move(locator: str, transition: Transition) -> Response:
    """Make a move and show the episode as it is then."""

    def act() -> ReferralView:
        sent = move_form(transition).checked()
        return service.act(current_actor(), locator, action=transition.name, version=sent.version, reason=sent.reason)

    return moved(act, lambda: _episode_of(locator))


@bp.post("/referrals/<locator>/book")
@requires(Permission.REFERRAL_VIEW)
def referral_book(locator: str) -> Response:
    """Note when and where the referral will be seen to; the time is on the clock the episode page names."""

    def act() -> ReferralView:
        sent = BookReferralForm().checked()
        zone = get_banner(current_actor(), _episode_of(locator))[2]
        when = sent.scheduled_for and times.moment_at(sent.scheduled_for.date(), sent.scheduled_for.time(), zone)
        return service.act(
            current_actor(), locator, action="book", version=sent.version, scheduled_for=when, facility=sent.facility
        )

    return moved(act, lambda: _episode_of(locator))


@bp.post("/referrals/<locator>/complete")
@requires(Permission.REFERRAL_VIEW)
def referral_complete(locator: str) -> Response:
    """Note what came of the referral."""

    def act() -> ReferralView:
        sent = CompleteReferralForm().checked()
        return service.act(current_actor(), locator, action="complete", version=sent.version, outcome=sent.outcome)

    return moved(act, lambda: _episode_of(locator))


def _episode_of(locator: str) -> str:
    return get_referral(current_actor(), locator).episode_locator


def _form_page(form: ReferralForm, locator: str, refusal: Conflict | Invalid | None = None) -> Response:
    form_refused(form, refusal)
    episode, banner, _ = get_banner(current_actor(), locator)
    return page_or_fragment(
        "referrals/new.html", "referrals/_form.html", refusal.status if refusal else 200, title="Refer",
        form=form, episode=episode, banner=banner,
    )  # fmt: skip
