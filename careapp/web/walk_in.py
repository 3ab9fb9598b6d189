"""Pages of a walk-in: somebody who stands at the desk without an appointment is found or registered, given a free place
and checked in, in one step.
"""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp.access import Actor, Permission
from careapp.episodes import service as episodes
from careapp.errors import Conflict, Invalid, NotFound, Upstream
from careapp.overviews.booking import Candidate
from careapp.overviews.walk_in import get_walk_in
from careapp.patients import registering
from careapp.patients.queries import search_patients
from careapp.patients.views import PatientView
from careapp.scheduling import appointments
from careapp.surface.actors import current_actor, requires
from careapp.surface.provider_port import question_about
from careapp.web.episode_answers import form_refused
from careapp.web.forms.finding import QuickFindForm, known_of, meant, meant_by_now
from careapp.web.forms.patients import patient_values
from careapp.web.forms.today import NEW_PATIENT, NewWalkInForm, WalkInForm
from careapp.web.forms.typed import locator_in
from careapp.web.htmx import Notice, is_htmx, page_or_fragment, see_other
from careapp.web.patients import FOUND_AT_ONCE
from careapp.web.registration import reasons
from careapp.web.submissions import create_once

bp = Blueprint("walk_in", __name__)

PAGE, PART, FOUND = "walk_in/page.html", "walk_in/_walk_in.html", "walk_in/_found.html"


@bp.get("/walk-in")
@requires(Permission.APPOINTMENT_BOOK)
def walk_in() -> Response:
    """For a patient (`party`): his episode and a free place, both chosen already; without one, the search for him."""
    party = locator_in(request.args.get("party"), "PTY")
    return _page(WalkInForm(formdata=None) if party else NewWalkInForm(formdata=None), party=party)


@bp.post("/walk-in/find")
@requires(Permission.PATIENT_VIEW)
def find_somebody() -> Response:
    """The patients somebody means, alone while he types; if there are none, the form of a new one holds what was typed.

    What is typed for somebody who is found fills in nothing: that would invite registering him a second time.
    """
    typed = (QuickFindForm().q.data or "").strip()
    searched = meant_by_now(typed) if is_htmx() else meant(typed)
    found = search_patients(current_actor(), limit=FOUND_AT_ONCE, **searched).items if searched else None
    if is_htmx():
        clinic = locator_in(request.args.get("clinic"), "CLN")
        here = f"?clinic={clinic}" if clinic else "?"
        return page_or_fragment(FOUND, FOUND, found=found, here=here, typing=True)
    known = {} if found else known_of(searched)
    return _page(NewWalkInForm(formdata=None, **known), found=found, typed=typed)


@bp.post("/walk-in")
@requires(Permission.APPOINTMENT_BOOK)
def take_in_post() -> Response:
    """Register if he is new, open or go on with an episode, book the place, and check in: all of it or nothing."""
    actor, clinic = current_actor(), locator_in(request.args.get("clinic"), "CLN")
    form = WalkInForm() if request.form.get("choice", "").startswith(("PTY", "EPI")) else NewWalkInForm()
    likely: Sequence[Any] = ()
    try:
        sent = form.checked()

        def create() -> str:
            return f"/today{f'?clinic={clinic}' if clinic else ''}#{take_in(actor, sent)}"

        address = create_once(actor, form, create, first=question_about(actor, sent.slot_locator))
        return see_other(address, Notice(_("The walk-in is booked and checked in.")))
    except Invalid as refusal:
        ours = {"name": "family", "partyLocator": "choice"}  # a command's word for a field, and ours
        form.refuse(Invalid({ours.get(name, name): text for name, text in refusal.errors.items()}))
        return _refused(form, refusal.status)
    except (Conflict, Upstream) as refusal:
        if refusal.code == "LIKELY_DUPLICATE":
            likely = _likely(actor, sent)
        else:
            form_refused(form, refusal)
            if isinstance(refusal, Conflict):  # the time is the reason; else it is still the one wanted
                form.slot_locator.data = None
        return _refused(form, refusal.status, likely)


def take_in(actor: Actor, sent: Any) -> str:
    """Do what the form says, inside the one transaction of create_once(), and return the appointment's locator."""
    episode = sent.choice
    if episode == NEW_PATIENT:
        looked_at = (sent.looked_at or "").split(",")
        episode = registering.register_unless_known(actor, looked_at=looked_at, **patient_values(sent)).locator
    if episode.startswith("PTY"):
        opened = episodes.open_episode(actor, party_locator=episode, care_type=sent.care_type, reason=sent.reason)
        episode = opened.locator
    made = appointments.book(
        actor, episode, slot_locator=sent.slot_locator, type=sent.type, reason=sent.reason, accepted=True
    )
    return appointments.act(actor, made.locator, action="arrive", version=made.version).locator


def _likely(actor: Actor, sent: Any) -> Sequence[registering.Likely]:
    """Who is registered and may be the person in the form."""
    values = patient_values(sent)
    values.pop("language")
    return registering.find_likely(actor, **values)


def _refused(form: WalkInForm, status: int, likely: Sequence[registering.Likely] = ()) -> Response:
    """The form again with all that was typed, the same patient, and the places that are free now."""
    chosen = str(form.choice.data or "")
    party, episode = (chosen if chosen.startswith(kind) else None for kind in ("PTY", "EPI"))
    try:
        return _page(form, status, party=party, episode=episode, likely=likely)
    except NotFound:
        again = NewWalkInForm(formdata=None)
        again.form_errors.append(_("This patient or episode is not there any more. Find the patient again."))
        return _page(again, status)


def _page(
    form: WalkInForm, status: int = 200, *, party: str | None = None, episode: str | None = None,
    found: Sequence[PatientView] | None = None, typed: str = "", likely: Sequence[registering.Likely] = (),
) -> Response:  # fmt: skip
    clinic = locator_in(request.args.get("clinic"), "CLN")
    shown = get_walk_in(current_actor(), clinic, party=party, episode=episode)
    if shown.free and form.slot_locator.data not in {one.locator for one in shown.free}:
        form.slot_locator.data = shown.free[0].locator
    if isinstance(form, NewWalkInForm):  # sent once more, the form says that those shown have been looked at
        form.looked_at.raw_data, form.looked_at.data = None, ",".join(one.patient.locator for one in likely)
    if form.choice.data not in _choices(shown.candidate):
        form.choice.data = _choices(shown.candidate)[0]
    return page_or_fragment(
        PAGE, PART, status, title=_("Walk-in"), shown=shown, form=form, found=found, typed=typed,
        new_patient=NEW_PATIENT, likely=likely, reasons=reasons, typing=False, refused=status != 200,
    )  # fmt: skip


def _choices(candidate: Candidate | None) -> list[str]:
    """What can be chosen, the likeliest first: an open episode, a new one; without a patient, somebody new."""
    if candidate is None:
        return [NEW_PATIENT]
    return [*(one.locator for one in candidate.episodes), candidate.patient.locator]
