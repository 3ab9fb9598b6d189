"""Pages of referrals: making one, and its moves."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Conflict, Invalid
from careapp.lifecycle import Transition
from careapp.overviews.patient_orders import EarlierReferral, list_earlier_referrals
from careapp.overviews.referrals import get_booking
from careapp.overviews.timeline import get_banner
from careapp.referrals import service
from careapp.referrals.queries import get_referral
from careapp.referrals.states import BOOKED, REFERRAL
from careapp.referrals.views import ReferralView
from careapp.surface.actors import current_actor, requires
from careapp.web import times
from careapp.web.drafts import kept
from careapp.web.episode_answers import form_refused, moved
from careapp.web.forms.moves import BookReferralForm, CompleteReferralForm, move_form
from careapp.web.forms.referrals import ReferralForm
from careapp.web.forms.typed import locator_in
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.moves import each_move
from careapp.web.referral_board import board_moved
from careapp.web.submissions import create_once

bp = Blueprint("referrals", __name__)

COPIED = ("type", "priority", "reason", "facility")


@bp.get("/episodes/<locator>/referrals/new")
@requires(Permission.REFERRAL_WRITE)
def referral_form(locator: str) -> Response:
    """The form: with the draft of it that was kept, or filled from an earlier referral of the patient (`copy`)."""
    copied = locator_in(request.args.get("copy"), "REF")
    draft = None if copied else kept(_address(locator))
    if draft:
        return _form_page(ReferralForm(formdata=draft.fields), locator, draft=draft)
    earlier = list_earlier_referrals(current_actor(), locator)
    form = ReferralForm(formdata=None, priority="ROUTINE")
    for one in (one for one in earlier if one.locator == copied):
        form = ReferralForm(formdata=None, **{name: getattr(one, name) for name in COPIED})
    return _form_page(form, locator, earlier=earlier)


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

        return see_other(create_once(actor, form, create), Notice(_("The referral is made.")))
    except (Conflict, Invalid) as refusal:
        return _form_page(form, locator, refusal)


@each_move(bp, "/referrals", REFERRAL, Permission.REFERRAL_VIEW, without=("book", "complete"))
def referral_move(locator: str, transition: Transition) -> Response:
    """Make a move and show the episode as it is then."""

    def act() -> ReferralView:
        sent = move_form(transition).checked()
        return service.act(current_actor(), locator, action=transition.name, version=sent.version, reason=sent.reason)

    return _answer(act, locator)


@bp.post("/referrals/<locator>/book")
@requires(Permission.REFERRAL_VIEW)
def referral_book(locator: str) -> Response:
    """Note when and where the referral will be seen to; the time is on the clock the form names."""

    def act() -> ReferralView:
        sent = BookReferralForm().checked()
        zone = get_banner(current_actor(), _episode_of(locator))[2]
        when = sent.scheduled_for and times.moment_at(sent.scheduled_for.date(), sent.scheduled_for.time(), zone)
        given = {"version": sent.version, "scheduled_for": when, "facility": sent.facility}
        try:
            return service.act(current_actor(), locator, action="book", **given)
        except Conflict as refusal:
            raise _booked_before(refusal, locator) from None

    return _answer(act, locator)


@bp.post("/referrals/<locator>/complete")
@requires(Permission.REFERRAL_VIEW)
def referral_complete(locator: str) -> Response:
    """Note what came of the referral."""

    def act() -> ReferralView:
        sent = CompleteReferralForm().checked()
        return service.act(current_actor(), locator, action="complete", version=sent.version, outcome=sent.outcome)

    return _answer(act, locator)


def _answer(act: Callable[[], ReferralView], locator: str) -> Response:
    """Make a move and show where it was made: the board as it is then, or the episode."""
    board = request.form.get("board")
    return board_moved(act, board) if board is not None else moved(act, lambda: _episode_of(locator))


def _booked_before(refusal: Conflict, locator: str) -> Conflict:
    """The refusal of a second booking, with who made the first one, when, and for when and where."""
    if refusal.extra.get("current") != BOOKED:
        return refusal
    first = get_booking(current_actor(), locator)
    at = times.local_datetime(first.at, first.zone)
    told = [_("Not booked a second time: %(who)s booked it on %(at)s.", who=first.who, at=at)]
    if first.scheduled_for:
        told.append(_("Date: %(when)s.", when=times.local_datetime(first.scheduled_for, first.zone)))
    if first.facility:
        told.append(_("Place: %(where)s.", where=first.facility))
    return Conflict(" ".join(told), code="BOOKED_BEFORE")


def _episode_of(locator: str) -> str:
    return get_referral(current_actor(), locator).episode_locator


def _address(locator: str) -> str:
    return f"/episodes/{locator}/referrals/new"


def _form_page(
    form: ReferralForm, locator: str, refusal: Conflict | Invalid | None = None,
    *, earlier: list[EarlierReferral] | None = None, **more: Any,
) -> Response:  # fmt: skip
    form_refused(form, refusal)
    actor = current_actor()
    episode, banner, zone = get_banner(actor, locator)
    return page_or_fragment(
        "referrals/new.html", "referrals/_form.html", refusal.status if refusal else 200, title=_("Refer"),
        form=form, episode=episode, banner=banner, zone=zone, address=_address(locator),
        earlier=earlier if earlier is not None else list_earlier_referrals(actor, locator), **{"draft": None, **more},
    )  # fmt: skip
