"""Pages of a slot: booking it for a patient, what is done about who is booked, blocking and unblocking it."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, Response
from flask_babel import gettext as _

from careapp import clock
from careapp.access import Permission
from careapp.episodes import service as episodes
from careapp.errors import Conflict, Invalid, NotFound, Refusal, Upstream
from careapp.lifecycle import Transition
from careapp.overviews.booking import (
    Candidate,
    SameDay,
    find_candidates,
    get_candidate,
    list_bookings,
    list_same_day,
    page_after,
)
from careapp.overviews.next_free import Wanted, find_next_free
from careapp.overviews.slot_cells import SlotCell, get_slot_cell, get_slot_cells
from careapp.scheduling import appointments, slots
from careapp.scheduling.queries import get_appointment
from careapp.scheduling.states import APPOINTMENT, CANCEL_CATEGORIES, SLOT
from careapp.scheduling.views import AppointmentView
from careapp.surface.actors import current_actor, requires
from careapp.surface.provider_port import question_about
from careapp.web.appointment_acts import call_off, make_move, take_back
from careapp.web.calendar_address import Address
from careapp.web.drafts import kept_on_the_way
from careapp.web.episode_answers import form_refused
from careapp.web.forms.fields import CareForm
from careapp.web.forms.finding import QuickFindForm, meant, meant_by_now
from careapp.web.forms.moves import move_form
from careapp.web.forms.scheduling import BookForm
from careapp.web.htmx import Notice, is_htmx, page_or_fragment, see_other
from careapp.web.moves import each_move
from careapp.web.refusals import said
from careapp.web.submissions import create_once
from careapp.web.words import now

bp = Blueprint("slots", __name__)

FOUND = "scheduling/_found.html"
HOW_MANY_OTHERS = 3  # times offered beside a slot that takes no booking


@bp.get("/slots/<locator>/book")
@requires(Permission.APPOINTMENT_BOOK)
def book_form(locator: str) -> Response:
    """The slot, and whom it can be booked for: with `episode` or `party` in the address, that patient; with what was
    typed before he was registered.
    """
    here, draft = Address.asked(), kept_on_the_way()
    form = BookForm(formdata=draft.fields) if draft else BookForm(formdata=None, type=here.type)
    known = here.episode or here.party
    candidates = [get_candidate(current_actor(), episode=here.episode, party=here.party)] if known else None
    form.choice.data = here.episode or (candidates and likeliest(candidates))
    return _slot_page(locator, form, candidates, draft=draft)


@bp.post("/slots/<locator>/patients")
@requires(Permission.PATIENT_VIEW)
def find_patient(locator: str) -> Response:
    """The patients that match what is typed, each with his open episodes as choices; htmx gets them alone."""
    form, find = BookForm(formdata=None), QuickFindForm()
    try:
        terms = meant_by_now(find.checked().q) if is_htmx() else meant(find.checked().q)
        if not terms and not is_htmx():
            raise Invalid({"q": _("Give a name, a birth date or a patient number to search by.")})
        candidates = find_candidates(current_actor(), **terms) if terms else None
    except Invalid as refusal:
        find.refuse(refusal)
        return _slot_page(locator, form, None, 422, find=find)
    form.choice.data = likeliest(candidates or ())
    if not is_htmx():
        return _slot_page(locator, form, candidates, find=find)
    slot = get_slot_cell(current_actor(), locator)
    context: dict[str, Any] = {
        "slot": slot,
        "form": form,
        "candidates": candidates,
        "typed": find.q.data,
        "alternatives": (),
        "already": _already(slot, candidates),
    }
    return page_or_fragment(FOUND, FOUND, **context)


@bp.post("/slots/<locator>/book")
@requires(Permission.APPOINTMENT_BOOK)
def book(locator: str) -> Response:
    """Book at the front desk, opening an episode where none was chosen; who comes too late sees the next free slots."""
    actor, form = current_actor(), BookForm()
    try:
        sent = form.checked()

        def create() -> str:
            episode, reason = sent.choice, sent.reason
            if episode.startswith("PTY"):
                opened = episodes.open_episode(actor, party_locator=episode, care_type=sent.care_type, reason=reason)
                episode = opened.locator
            appointments.book(actor, episode, slot_locator=locator, type=sent.type, reason=reason, accepted=True)
            return page_after(actor, episode)

        address = create_once(actor, form, create, first=question_about(actor, locator))
        return see_other(address, Notice(_("The appointment is booked.")))
    except (Conflict, Invalid, NotFound, Upstream) as refusal:
        return _refused(locator, form, refusal)


@each_move(bp, "/slots", SLOT, Permission.SLOT_VIEW)
def slot_move(locator: str, transition: Transition) -> Response:
    """Block or unblock the slot and show it as it is then."""
    try:
        sent = move_form(transition).checked()
        slot = slots.act(current_actor(), locator, action=transition.name, version=sent.version, reason=sent.reason)
    except (Conflict, Invalid) as refusal:
        return _slot_page(locator, BookForm(formdata=None), None, refusal.status, alert=said(refusal))
    return see_other(f"/slots/{locator}/book", Notice(now(locator, slot.status)))


@each_move(bp, "/slots/booked", APPOINTMENT, Permission.APPOINTMENT_VIEW, without=("cancel",))
def booked_move(locator: str, transition: Transition) -> Response:
    """Make a move of an appointment and show its slot as it is then."""
    return _moved(lambda: make_move(locator, transition), locator)


@bp.post("/slots/booked/<locator>/cancel")
@requires(Permission.APPOINTMENT_VIEW)
def appointment_cancel(locator: str) -> Response:
    """Cancel, with the reason and who called it off."""
    return _moved(lambda: call_off(locator), locator)


@bp.post("/slots/booked/<locator>/undo")
@requires(Permission.APPOINTMENT_VIEW)
def appointment_undo(locator: str) -> Response:
    """Take the last move back."""
    return _moved(lambda: take_back(locator), locator)


def _moved(act: Callable[[], AppointmentView], locator: str) -> Response:
    """Make a move and show the slot: done with a notice, or refused with the present state (409, 422)."""
    try:
        made = act()
    except (Conflict, Invalid) as refusal:
        slot = get_appointment(current_actor(), locator).slot_locator
        return _slot_page(slot, BookForm(formdata=None), None, refusal.status, alert=said(refusal))
    return see_other(f"/slots/{made.slot_locator}/book", Notice(now(locator, made.status)))


def likeliest(candidates: Sequence[Candidate]) -> str | None:
    """What is chosen before anybody chooses: the newest open episode, or a new one, of the only patient found."""
    if len(candidates) != 1:
        return None
    only = candidates[0]
    return only.episodes[0].locator if only.episodes else only.patient.locator


def _refused(locator: str, form: BookForm, refusal: Refusal) -> Response:
    """The form again: all that was typed, the patient still chosen, other times where the time was the reason."""
    if isinstance(refusal, NotFound) or "partyLocator" in getattr(refusal, "errors", {}):
        gone = _("This patient or episode is not there any more. Find the patient again.")
        refusal = Invalid({"choice": gone})
    form_refused(form, refusal)
    chosen = str(form.choice.data or "")
    kind = "party" if chosen.startswith("PTY") else "episode"
    candidates = None if form.choice.errors else [get_candidate(current_actor(), **{kind: chosen})]
    others = [one["locator"] for one in refusal.extra.get("alternatives", ())]
    return _slot_page(locator, form, candidates, refusal.status, alternatives=get_slot_cells(current_actor(), others))


def _slot_page(
    locator: str, form: CareForm, candidates: Sequence[Candidate] | None, status: int = 200, **more: Any
) -> Response:
    slot = get_slot_cell(current_actor(), locator)
    defaults = {"find": QuickFindForm(formdata=None), "alternatives": (), "alert": None, "bookings": (), "draft": None}
    context = defaults | more
    if not is_htmx():
        context["bookings"] = list_bookings(current_actor(), locator)
    context["already"] = _already(slot, candidates)
    context["others"] = _others(slot) if slot.why and not context["alternatives"] else ()
    return page_or_fragment(
        "scheduling/slot.html", "scheduling/_book.html", status, title=_("Book a slot"), slot=slot, form=form,
        candidates=candidates, here=Address.asked(), on=clock.local(slot.starts_at, slot.zone).date(),
        typed=context["find"].q.data or "",
        cancel_categories=CANCEL_CATEGORIES, **context,
    )  # fmt: skip


def _already(slot: SlotCell, candidates: Sequence[Candidate] | None) -> Sequence[SameDay]:
    """What the patients to choose from have with the slot's provider that day, for who may know of it."""
    if not candidates or slot.why or not current_actor().may(Permission.APPOINTMENT_VIEW):
        return ()
    return list_same_day(current_actor(), slot, [one.patient.locator for one in candidates])


def _others(slot: SlotCell) -> Sequence[SlotCell]:
    """The next free times of the same provider, from the slot's time on."""
    wanted = Wanted(provider=slot.provider_locator)
    return find_next_free(current_actor(), wanted, since=slot.starts_at, limit=HOW_MANY_OTHERS).items
