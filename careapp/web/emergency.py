"""Emergency access on pages: what a restricted record answers with, declaring an emergency, and ending it."""

from typing import Any

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp import clock
from careapp.access import Permission
from careapp.disclosure import emergency
from careapp.disclosure.rules import RESTRICTED
from careapp.disclosure.views import EmergencyView
from careapp.errors import Conflict, Invalid, Restricted
from careapp.surface.actors import current_actor, requires
from careapp.surface.csrf import HOME, safe_next
from careapp.surface.sessions import signed_in_actor
from careapp.web.forms.disclosure import EmergencyForm
from careapp.web.htmx import Notice, page_or_fragment, refused, see_other
from careapp.web.refusals import said
from careapp.web.submissions import act_once

bp = Blueprint("emergency", __name__)

PAGE = "disclosure/restricted.html"


@bp.post("/patients/<locator>/emergency")
@requires(Permission.EMERGENCY_ACCESS)
def declare(locator: str) -> Response:
    """Open the record for an hour and go on to what was asked for."""
    form = EmergencyForm()
    try:
        emergency.declare(current_actor(), locator, reason=form.checked().reason)
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(locator, form, 422)
    except Conflict as refusal:
        return see_other(f"/patients/{locator}", Notice(said(refusal)))
    wanted = safe_next(request.args.get("next"))
    goal = f"/patients/{locator}" if wanted == HOME else wanted
    return see_other(goal, Notice(_("The record is open to you for an hour. Every look at it is kept and reviewed.")))


@bp.post("/patients/<locator>/emergency/end")
@requires(Permission.EMERGENCY_ACCESS)
def end(locator: str) -> Response:
    """Close the record again."""
    actor = current_actor()
    act_once(actor, lambda: emergency.end(actor, locator))
    return see_other(f"/patients/{locator}", Notice(_("Your emergency access is ended.")))


def restricted_page(refusal: Restricted) -> Response:
    """A restricted record was asked for: a page that says so and offers emergency access; htmx gets the sentence."""
    if signed_in_actor() is None or request.headers.get("HX-Request"):
        return refused(refusal.status, said(refusal))
    return _page(refusal.party, EmergencyForm(formdata=None), refusal.status)


def _page(party: str, form: EmergencyForm, status: int) -> Response:
    """The page of a record that is withheld; after it is opened, what was asked for is shown, where that was a look."""
    asked = request.full_path.rstrip("?") if request.method == "GET" else request.args.get("next")
    context: dict[str, Any] = {"form": form, "party": party, "wanted": safe_next(asked)}
    return page_or_fragment(PAGE, PAGE, status, title=_("Restricted record"), **context)


@bp.app_template_global("emergency_of")
def emergency_of(party: str, confidentiality: str) -> tuple[EmergencyView, int] | None:
    """The emergency access by which this record is open to the user, and the minutes that are left of it.

    Nothing is asked for a record that is not restricted, or for somebody who can declare no emergency.
    """
    actor = signed_in_actor()
    if confidentiality != RESTRICTED or actor is None or not actor.may(Permission.EMERGENCY_ACCESS):
        return None
    present = emergency.get_present(actor, party)
    return (present, max(1, round((present.ends_at - clock.now()).total_seconds() / 60))) if present else None
