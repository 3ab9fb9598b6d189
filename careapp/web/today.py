"""Pages of the front desk: today's list of a clinic, what is done in its rows, and the search at the desk."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Conflict, Invalid, NotFound
from careapp.lifecycle import Transition
from careapp.overviews.today import EVERYBODY, FINISHED, GROUPS, Day, Wanted, find_at_desk, get_day, get_day_version
from careapp.scheduling.states import APPOINTMENT, CANCEL_CATEGORIES
from careapp.scheduling.views import AppointmentView
from careapp.surface.actors import current_actor, requires
from careapp.web.appointment_acts import call_off, make_move, take_back
from careapp.web.desk_clinic import desk_clinic, remember_clinic
from careapp.web.forms.finding import QuickFindForm, meant_by_now
from careapp.web.forms.typed import code_in, locator_in
from careapp.web.htmx import Notice, Undo, changed, is_htmx, nothing_new, page_or_fragment, unchanged
from careapp.web.moves import each_move
from careapp.web.refusals import said
from careapp.web.times import parse_day
from careapp.web.today_rows import RowMoves, VisitRows, done_by, of_visit
from careapp.web.words import words

bp = Blueprint("today", __name__)
bp.add_app_template_filter(done_by)
bp.add_app_template_filter(of_visit)

PAGE, DESK, LIST, RESULTS = "today/page.html", "today/_desk.html", "today/_list.html", "today/_results.html"
ABOUT_ITS_STATE = frozenset({"STALE_VERSION", "ILLEGAL_TRANSITION"})  # refusals the present state explains


@bp.get("/today")
@requires(Permission.APPOINTMENT_VIEW)
def today() -> Response:
    """The list of a clinic's day. A poll that has seen the present version gets nothing, at the cost of one query."""
    wanted = _wanted()
    if wanted.clinic and nothing_new(get_day_version, wanted.clinic, day=wanted.day):
        return unchanged()
    day, wanted = _day_of_desk(wanted)
    response = page_or_fragment(PAGE, LIST if day.desk.clinic else DESK, **_context(day, wanted))
    return remember_clinic(response, wanted.clinic) if wanted.clinic else response


def _day_of_desk(wanted: Wanted) -> tuple[Day, Wanted]:
    """The day that is wanted; where the address names no clinic, that of the clinic this desk stands at, if any."""
    actor, here = current_actor(), None if wanted.clinic else desk_clinic()
    if here:
        at_desk = replace(wanted, clinic=here)
        with suppress(NotFound):  # a clinic that is not the user's: he chooses
            return get_day(actor, at_desk), at_desk
    return get_day(actor, wanted), wanted


@bp.post("/today/search")
@requires(Permission.PATIENT_VIEW)
def search() -> Response:
    """Who is meant: the day's visits first, then other patients; a POST, so that nobody's name stands in an address."""
    actor, wanted = current_actor(), _wanted()
    typed = (QuickFindForm().q.data or "").strip()
    searched = meant_by_now(typed)
    context: dict[str, Any] = {"found": find_at_desk(actor, wanted, **searched) if searched else None, "typed": typed}
    if is_htmx():
        return page_or_fragment(RESULTS, RESULTS, **context, **_helpers(wanted))
    return page_or_fragment(PAGE, DESK, **(_context(get_day(actor, wanted), wanted) | context))


@each_move(bp, "/today", APPOINTMENT, Permission.APPOINTMENT_VIEW, without=("cancel",))
def today_move(locator: str, transition: Transition) -> Response:
    """Make a move and show the list as it is then."""
    return _moved(lambda: make_move(locator, transition), locator, transition.name)


@bp.post("/today/<locator>/cancel")
@requires(Permission.APPOINTMENT_VIEW)
def today_cancel(locator: str) -> Response:
    """Cancel, with the reason and who called it off."""
    return _moved(lambda: call_off(locator), locator, "cancel")


@bp.post("/today/<locator>/undo")
@requires(Permission.APPOINTMENT_VIEW)
def today_undo(locator: str) -> Response:
    """Take the last move back."""
    return _moved(lambda: take_back(locator), locator, "undo")


@lru_cache(maxsize=1024)
def address(wanted: Wanted, path: str = "/today", **changes: Any) -> str:
    """An address of this list, or of a path that knows it, with these filters changed; None leaves one out."""
    parts = {"clinic": wanted.clinic, "day": wanted.day, "provider": wanted.provider, "tab": wanted.group, **changes}
    given = urlencode({name: value for name, value in parts.items() if value})
    return f"{path}?{given}" if given else path


def _moved(act: Callable[[], AppointmentView], locator: str, action: str) -> Response:
    """Make a move and show the list: done with a notice, or refused with the present state (409, 422)."""
    actor, wanted = current_actor(), _wanted()
    try:
        made = act()
    except (Conflict, Invalid) as refusal:
        day = get_day(actor, wanted, about=locator)
        return page_or_fragment(
            PAGE, DESK, refusal.status, title=_("Today"), alert=_why_not(refusal, day), **_context(day, wanted, locator)
        )
    day = get_day(actor, wanted, about=locator)
    undo = Undo(address(wanted, f"/today/{locator}/undo"), made.version, "desk", "keep")
    whom = day.about.patient_name if day.about else None
    text = _("%(done)s: %(locator)s.", done=words(action), locator=locator)
    if is_htmx() and whom:  # the name follows the text, and is enough
        text = _("%(done)s:", done=words(action))
    notice = Notice(text, whom, undo if day.about and day.about.can_undo else None)
    return changed(DESK, to=f"{address(wanted)}#{locator}", notice=notice, **_context(day, wanted, locator))


def _why_not(refusal: Conflict | Invalid, day: Day) -> str:
    """Why a move was refused: where somebody else was faster, what the state is now and who made it so."""
    visit = day.about
    if refusal.code not in ABOUT_ITS_STATE or visit is None or day.desk.clinic is None:
        return said(refusal)
    by = done_by(visit, day.desk.clinic.time_zone, day.today)
    return _(
        "Not done: %(whom)s is now “%(status)s” (%(by)s).", whom=visit.patient_name, status=words(visit.status), by=by
    )


def _context(day: Day, wanted: Wanted, focus: str | None = None) -> dict[str, Any]:
    """What the templates of the list need. `focus`: the row that was changed, where the keyboard goes on."""
    if day.desk.clinic:
        wanted = Wanted(day.desk.clinic.locator, wanted.day, wanted.provider, wanted.group)
    in_list = any(one.locator == focus for one in day.visits)
    return {
        "day": day, "focus": focus if in_list else None, "left": bool(focus) and not in_list, "typed": "",
        "found": None, "everybody": EVERYBODY, **_helpers(wanted),
        "to_come": [one for one in day.visits if one.status not in FINISHED],
        "over": [one for one in day.visits if one.status in FINISHED],
    }  # fmt: skip


def _helpers(wanted: Wanted) -> dict[str, Any]:
    """What a visit's row needs."""
    return {
        "wanted": wanted, "address": address, "row_moves": RowMoves, "visit_rows": VisitRows,
        "cancel_categories": CANCEL_CATEGORIES,
    }  # fmt: skip


def _wanted() -> Wanted:
    """The filters of the address; raises NotFound for a code that does not exist, Invalid for no locator or day."""
    provider = request.args.get("provider") or None
    return Wanted(
        clinic=locator_in(request.args.get("clinic"), "CLN"),
        day=parse_day(request.args.get("day")),
        provider=provider if provider in (None, EVERYBODY) else locator_in(provider, "PRV"),
        group=code_in(request.args.get("tab"), GROUPS),
    )
