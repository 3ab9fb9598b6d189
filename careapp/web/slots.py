"""Pages of a slot: booking it for a patient, blocking and unblocking it."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request

from careapp.access import Permission
from careapp.episodes import service as episodes
from careapp.errors import Conflict, Invalid, NotFound
from careapp.lifecycle import Transition
from careapp.overviews.booking import Candidate, find_candidates, get_candidate, list_bookings
from careapp.overviews.calendar import get_slot_cell, get_slot_cells
from careapp.scheduling import appointments, slots
from careapp.scheduling.states import SLOT
from careapp.surface.actors import current_actor, requires
from careapp.web.episode_answers import form_refused
from careapp.web.forms.fields import CareForm
from careapp.web.forms.moves import move_form
from careapp.web.forms.patients import FindPatientForm
from careapp.web.forms.scheduling import BookForm
from careapp.web.forms.typed import locator_in
from careapp.web.htmx import Notice, is_htmx, page_or_fragment, see_other
from careapp.web.moves import each_move
from careapp.web.refusals import said
from careapp.web.submissions import create_once
from careapp.web.words import now

bp = Blueprint("slots", __name__)


@bp.get("/slots/<locator>/book")
@requires(Permission.APPOINTMENT_BOOK)
def book_form(locator: str) -> Response:
    """The slot, and whom it can be booked for: with `episode` or `party` in the address, that patient."""
    form = BookForm(formdata=None)
    episode, party = (locator_in(request.args.get(name), kind) for name, kind in (("episode", "EPI"), ("party", "PTY")))
    candidates = [get_candidate(current_actor(), episode=episode, party=party)] if episode or party else None
    form.choice.data = episode or (candidates and likeliest(candidates))
    return _slot_page(locator, form, candidates)


@bp.post("/slots/<locator>/patients")
@requires(Permission.PATIENT_VIEW)
def find_patient(locator: str) -> Response:
    """The patients that match, each with his open episodes as choices."""
    form, find = BookForm(formdata=None), FindPatientForm()
    try:
        sent = find.checked()
        candidates = find_candidates(current_actor(), name=sent.name, birth_date=sent.birth_date, locator=sent.locator)
    except Invalid as refusal:
        find.refuse(refusal)
        return _slot_page(locator, form, None, 422, find=find)
    form.choice.data = likeliest(candidates)
    return _slot_page(locator, form, candidates, find=find)


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
            return f"/episodes/{episode}"

        return see_other(create_once(actor, form, create), Notice("The appointment is booked."))
    except (Conflict, Invalid, NotFound) as refusal:
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


def likeliest(candidates: Sequence[Candidate]) -> str | None:
    """What is chosen before anybody chooses: the newest open episode, or a new one, of the only patient found."""
    if len(candidates) != 1:
        return None
    only = candidates[0]
    return only.episodes[0].locator if only.episodes else only.patient.locator


def _refused(locator: str, form: BookForm, refusal: Conflict | Invalid | NotFound) -> Response:
    """The form again: all that was typed, the patient still chosen, other times where the time was the reason."""
    if isinstance(refusal, NotFound) or "partyLocator" in getattr(refusal, "errors", {}):
        refusal = Invalid({"choice": "This patient or episode is not there any more. Find the patient again."})
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
    context = {"find": FindPatientForm(formdata=None), "alternatives": (), "alert": None} | more
    if not is_htmx():
        context["bookings"] = list_bookings(current_actor(), locator) if slot.booked else ()
    return page_or_fragment(
        "scheduling/slot.html", "scheduling/_book.html", status, title="Book a slot", slot=slot, form=form,
        candidates=candidates, **context,
    )  # fmt: skip
