"""Page of the referral board: what was ordered, how long ago, and what is overdue."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, request
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from careapp.access import Permission
from careapp.clinics.queries import list_clinics
from careapp.errors import Conflict, Invalid
from careapp.overviews.referrals import COUNT_UP_TO, STATUSES, Wanted, get_referral_board, get_version
from careapp.referrals.states import PRIORITIES, TYPES
from careapp.referrals.views import ReferralView
from careapp.surface.actors import current_actor, requires
from careapp.web.forms.typed import code_in, locator_in
from careapp.web.htmx import Notice, changed, is_htmx, is_poll, nothing_new, page_or_fragment, unchanged
from careapp.web.referral_words import standing_of
from careapp.web.refusals import said
from careapp.web.words import now

bp = Blueprint("referral_board", __name__)

PATH, PAGE, FRAGMENT = "/referrals", "referrals/board.html", "referrals/_board.html"
MOST_CLINICS = 200


@dataclass(frozen=True)
class Place:
    """A place on the board, as its address says it: what it is narrowed to, and one column from a cursor on."""

    wanted: Wanted
    status: str | None = None
    cursor: str | None = None

    @classmethod
    def of(cls, given: MultiDict[str, str]) -> "Place":
        """The place these parameters name; raises NotFound for a code that does not exist, Invalid for no locator."""
        wanted = Wanted(
            type=code_in(given.get("type"), TYPES),
            priority=code_in(given.get("priority"), PRIORITIES),
            clinic=locator_in(given.get("clinic"), "CLN"),
            overdue=given.get("overdue") == "1",
            mine=given.get("mine") == "1",
        )
        status = code_in(given.get("status"), STATUSES)
        return cls(wanted, status, given.get("cursor") if status else None)

    def parameters(self, **other: str | None) -> str:
        """The place as the parameters of an address, some of them set otherwise (None leaves one out)."""
        said = {one.name: getattr(self.wanted, one.name) for one in fields(Wanted)}
        said |= {"status": self.status, "cursor": self.cursor, **other}
        return urlencode({name: "1" if value is True else value for name, value in said.items() if value})

    def address(self, **other: str | None) -> str:
        """The place's address, likewise."""
        parameters = self.parameters(**other)
        return f"{PATH}?{parameters}" if parameters else PATH


@bp.get(PATH)
@requires(Permission.REFERRAL_VIEW)
def board() -> Response:
    """The board; with `status` one column at length. A poll that has seen it so gets nothing."""
    if nothing_new(get_version):
        return unchanged()
    place = Place.of(request.args)
    answer = page_or_fragment(PAGE, FRAGMENT, **_context(place))
    if is_htmx() and not is_poll():
        answer.headers["HX-Push-Url"] = place.address()
    return answer


def board_moved(act: Callable[[], ReferralView], parameters: str) -> Response:
    """Make a move, `act`, sent from the board with these parameters, and show the board as it is then.

    A refused move (409, 422) shows it too, with the reason.
    """
    place = Place.of(MultiDict(parse_qsl(parameters)))
    try:
        made = act()
    except (Conflict, Invalid) as refusal:
        context = _context(place)
        return page_or_fragment(PAGE, FRAGMENT, refusal.status, title=_("Referrals"), alert=said(refusal), **context)
    context = _context(place, focus=made.locator)
    cards = (card for column in context["columns"] for card in column.cards)
    whom = next((card.patient_name for card in cards if card.locator == made.locator), None)
    return changed(FRAGMENT, to=place.address(), notice=Notice(now(made.locator, made.status), whom), **context)


def _context(place: Place, *, focus: str | None = None) -> dict[str, Any]:
    """What page and fragment show."""
    actor = current_actor()
    shown = get_referral_board(actor, place.wanted, status=place.status, cursor=place.cursor)
    zones = {card.zone for column in shown.columns for card in column.cards}
    return {
        "columns": shown.columns, "place": place, "wanted": place.wanted, "version": shown.version, "focus": focus,
        "zones": zones, "said_zone": next(iter(zones)) if len(zones) == 1 else None, "standing_of": standing_of,
        "count_up_to": COUNT_UP_TO, "types": TYPES, "priorities": PRIORITIES, "treats": actor.provider_id is not None,
        "clinics": () if is_htmx() else list_clinics(actor, limit=MOST_CLINICS).items,
    }  # fmt: skip
