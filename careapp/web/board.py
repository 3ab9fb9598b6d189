"""Pages of the episode board: all stages side by side, or one stage at length."""

from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from flask_babel import ngettext

from careapp.access import Permission
from careapp.episodes.states import CARE_TYPES, STAGES
from careapp.errors import Invalid, NotFound
from careapp.overviews.board import COUNT_UP_TO, Board, Filter, News, get_board, get_board_mark, get_stage
from careapp.overviews.board_choices import MINE
from careapp.overviews.marks import newest_in
from careapp.surface.actors import current_actor, requires
from careapp.web.forms.typed import code_in, locator_in
from careapp.web.htmx import is_htmx, is_poll, nothing_new, page_or_fragment, poll_seen, unchanged

bp = Blueprint("board", __name__)


@bp.get("/episodes")
@requires(Permission.EPISODE_VIEW)
def board() -> Response:
    """The board; with `stage`, one column from `cursor` on. A poll that has seen all of it is answered 204."""
    actor, wanted, stage = current_actor(), _wanted(), code_in(request.args.get("stage"), STAGES)
    if nothing_new(get_board_mark):
        return unchanged()
    since, cursor = newest_in(poll_seen()), request.args.get("cursor") or None
    if stage is None:
        return _answer("episodes/board.html", get_board(actor, wanted, since=since), wanted)
    shown = get_stage(actor, stage, wanted, since=since, cursor=cursor)
    return _answer("episodes/stage.html", shown, wanted, stage=stage, cursor=cursor)


def _answer(
    page: str, shown: Board, wanted: Filter, *, stage: str | None = None, cursor: str | None = None
) -> Response:
    """The page, or for htmx the columns alone: its address is that of the filters, without the empty ones."""
    filters = {**asdict(wanted), "stage": stage}
    zones = {card.zone for column in shown.columns for card in column.cards}
    here = address(**filters, cursor=cursor)
    answer = page_or_fragment(
        page, "episodes/_board.html", board=shown, wanted=wanted, stage=stage, cursor=cursor, zones=zones, here=here,
        said_zone=only(zones), filters=filters, address=address, care_types=CARE_TYPES, count_up_to=COUNT_UP_TO,
        mine=MINE, news=news_text(shown.news),
    )  # fmt: skip
    if is_htmx() and not is_poll():
        answer.headers["HX-Push-Url"] = here
    return answer


def only(zones: set[str]) -> str | None:
    """The zone a list says once, above it, so that its times need not: the only one; None where they differ."""
    return next(iter(zones)) if len(zones) == 1 else None


def address(**parameters: Any) -> str:
    """The board's address with these filters; None leaves one out."""
    given = urlencode({name: value for name, value in parameters.items() if value})
    return f"/episodes?{given}" if given else "/episodes"


def news_text(news: News | None) -> str:
    """What is new since the board was seen, for who cannot see what moved; empty for nothing."""
    if news is None:
        return ""
    said = (
        (news.moved, ngettext("%(num)s episode changed.", "%(num)s episodes changed.", news.moved)),
        (news.new, ngettext("%(num)s new episode.", "%(num)s new episodes.", news.new)),
        (news.ended, ngettext("%(num)s episode ended.", "%(num)s episodes ended.", news.ended)),
    )
    return " ".join(text for count, text in said if count)


def _wanted() -> Filter:
    """The filters of the address; raises NotFound for one that cannot exist."""
    clinician = request.args.get("clinician")
    try:
        return Filter(
            code_in(request.args.get("care_type"), CARE_TYPES),
            clinician if clinician == MINE else locator_in(clinician, "PRV"),
            locator_in(request.args.get("clinic"), "CLN"),
        )
    except Invalid:
        raise NotFound() from None
