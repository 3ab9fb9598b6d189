"""Pages of the episode board: all stages side by side, or one stage at length."""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from careapp.access import Permission
from careapp.episodes.states import CARE_TYPES, STAGES
from careapp.errors import NotFound
from careapp.overviews.board import COUNT_UP_TO, get_board, list_cards
from careapp.surface.actors import current_actor, requires
from careapp.web.htmx import is_htmx, page_or_fragment

bp = Blueprint("board", __name__)


@bp.get("/episodes")
@requires(Permission.EPISODE_VIEW)
def board() -> Response:
    """The board; with `stage`, one column from `cursor` on. For htmx only the further cards."""
    care_type, stage = _one_of(CARE_TYPES, "care_type"), _one_of(STAGES, "stage")
    context: dict[str, Any] = {
        "care_type": care_type,
        "care_types": CARE_TYPES,
        "count_up_to": COUNT_UP_TO,
        "address": address,
    }
    if stage is None:
        shown = get_board(current_actor(), care_type=care_type)
        zones = {card.zone for column in shown.columns for card in column.cards}
        return page_or_fragment(
            "episodes/board.html", "episodes/_board.html", board=shown, zones=zones, said_zone=only(zones), **context
        )
    page = list_cards(current_actor(), stage, care_type=care_type, cursor=request.args.get("cursor"))
    zones = {card.zone for card in page.items}
    return page_or_fragment(
        "episodes/stage.html", "episodes/_cards.html", stage=stage, cards=page.items, next_cursor=page.next_cursor,
        zones=zones, said_zone=request.args.get("zone") if is_htmx() else only(zones), **context,
    )  # fmt: skip


def only(zones: set[str]) -> str | None:
    """The zone a list says once, above it, so that its times need not: the only one there is; None where they differ.

    The link to further cards carries it (`zone`), since those go into the list it was said above.
    """
    return next(iter(zones)) if len(zones) == 1 else None


def address(**parameters: str | None) -> str:
    """The board's address with these filters; None leaves one out."""
    given = urlencode({name: value for name, value in parameters.items() if value})
    return f"/episodes?{given}" if given else "/episodes"


def _one_of(values: tuple[str, ...], name: str) -> str | None:
    """A filter of the address, if it is one that exists; raises NotFound for another."""
    value = request.args.get(name) or None
    if value is not None and value not in values:
        raise NotFound()
    return value
