"""Pages of appointments: their moves, taking one back, and moving to another time."""

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Conflict, Invalid, Refusal, Upstream
from careapp.lifecycle import Transition
from careapp.overviews.booking import page_after
from careapp.overviews.next_free import Wanted, find_next_free
from careapp.overviews.slot_cells import get_slot_cell, get_slot_cells
from careapp.overviews.timeline import get_appointment_row, get_banner
from careapp.scheduling import changes
from careapp.scheduling.queries import get_appointment
from careapp.scheduling.states import APPOINTMENT
from careapp.surface.actors import current_actor, requires
from careapp.surface.provider_port import question_about
from careapp.web.appointment_acts import call_off, make_move, take_back
from careapp.web.episode_answers import moved
from careapp.web.forms.scheduling import RescheduleForm
from careapp.web.forms.typed import locator_in
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.moves import each_move
from careapp.web.refusals import said

bp = Blueprint("appointments", __name__)

TIMES_OFFERED = 12  # to move an appointment to, on one page


@each_move(bp, "/appointments", APPOINTMENT, Permission.APPOINTMENT_VIEW, without=("cancel",))
def appointment_move(locator: str, transition: Transition) -> Response:
    """Make a move and show the episode as it is then."""
    return moved(
        lambda: make_move(locator, transition), lambda: _episode_of(locator), undo=f"/appointments/{locator}/undo"
    )


@bp.post("/appointments/<locator>/cancel")
@requires(Permission.APPOINTMENT_VIEW)
def appointment_cancel(locator: str) -> Response:
    """Cancel, with the reason and who called it off."""
    return moved(lambda: call_off(locator), lambda: _episode_of(locator), undo=f"/appointments/{locator}/undo")


@bp.post("/appointments/<locator>/undo")
@requires(Permission.APPOINTMENT_VIEW)
def appointment_undo(locator: str) -> Response:
    """Take the last move back."""
    return moved(lambda: take_back(locator), lambda: _episode_of(locator))


@bp.get("/appointments/<locator>/reschedule")
@requires(Permission.APPOINTMENT_MOVE)
def reschedule_form(locator: str) -> Response:
    """The next free times of the same provider; `after` a slot, the ones after it."""
    return _reschedule_page(RescheduleForm(formdata=None, back=staying(request.args.get("back"))), locator)


@bp.post("/appointments/<locator>/reschedule")
@requires(Permission.APPOINTMENT_MOVE)
def reschedule(locator: str) -> Response:
    """Move the appointment; where the time was just taken, show what is free now. From calendar or list, back there."""
    form = RescheduleForm()
    try:
        sent = form.checked()
        if ask := question_about(current_actor(), sent.slot_locator):
            ask()
        made = changes.reschedule(
            current_actor(), locator, slot_locator=sent.slot_locator, version=sent.version, reason=sent.reason
        )
    except (Conflict, Invalid, Upstream) as refusal:
        if isinstance(refusal, Invalid):
            form.refuse(refusal)
        return _reschedule_page(form, locator, refusal)
    return see_other(
        staying(sent.back) or page_after(current_actor(), made.episode_locator),
        Notice(_("%(locator)s has moved to another time.", locator=locator)),
    )


def staying(back: str | None) -> str | None:
    """The calendar, the day's list or the list of whom to call to go back to, where the address is one of these."""
    return back if str(back or "").startswith(("/calendar?", "/today?", "/slots/to-call?")) else None


def _reschedule_page(form: RescheduleForm, locator: str, refusal: Refusal | None = None) -> Response:
    actor = current_actor()
    appointment = get_appointment_row(actor, locator)
    form.version.raw_data, form.version.data = None, appointment.version
    episode, banner, zone = get_banner(actor, appointment.episode_locator, whole=False)
    after = locator_in(request.args.get("after"), "SLT")
    since = get_slot_cell(actor, after).ends_at if after else None
    wanted = Wanted(provider=appointment.provider_locator)
    others = [one["locator"] for one in refusal.extra.get("alternatives", ())] if refusal else []
    return page_or_fragment(
        "scheduling/reschedule.html", "scheduling/_reschedule.html", refusal.status if refusal else 200,
        title=_("Move appointment"), form=form,
        alert=said(refusal) if refusal and not isinstance(refusal, Invalid) else None,
        back=staying(form.back.data), appointment=appointment, episode=episode, banner=banner, zone=zone,
        free=find_next_free(actor, wanted, since=since, moving=locator, limit=TIMES_OFFERED).items,
        alternatives=get_slot_cells(actor, others),
    )  # fmt: skip


def _episode_of(locator: str) -> str:
    return get_appointment(current_actor(), locator).episode_locator
