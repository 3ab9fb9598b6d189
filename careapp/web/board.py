"""Pages of the episode board: all stages side by side, or one stage at length."""

from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from flask_babel import ngettext

from careapp.access import Permission
from careapp.episodes.states import CARE_TYPES, STAGES
from careapp.errors import NotFound
from careapp.overviews.board import COUNT_UP_TO, Board, Filter, News, get_board, get_board_mark, get_stage
from careapp.overviews.board_choices import MINE
from careapp.overviews.marks import newest_in
from careapp.surface.actors import current_actor, requires
from careapp.web.forms.typed import LOCATOR
from careapp.web.htmx import is_htmx, is_poll, page_or_fragment, poll_seen, unchanged

bp = Blueprint("board", __name__)


@bp.get("/episodes")
@requires(Permission.EPISODE_VIEW)
def board() -> Response:
    """The board; with `stage`, one column from `cursor` on. A poll that has seen all of it is answered 204."""
    actor, seen = current_actor(), poll_seen()
    wanted, stage = _wanted(), _one_of(STAGES, "stage")
    if seen is not None and seen == get_board_mark(actor):
        return unchanged()
    since, cursor = newest_in(seen), request.args.get("cursor") or None
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
    clinician, clinic = request.args.get("clinician") or None, request.args.get("clinic") or None
    for locator, prefix in ((clinician, "PRV"), (clinic, "CLN")):
        known = locator in (None, MINE) if prefix == "PRV" else locator is None
        if not known and not (LOCATOR.fullmatch(locator or "") and (locator or "").startswith(prefix)):
            raise NotFound()
    return Filter(_one_of(CARE_TYPES, "care_type"), clinician, clinic)


def _one_of(values: tuple[str, ...], name: str) -> str | None:
    """A filter of the address, if it is one that exists; raises NotFound for another."""
    value = request.args.get(name) or None
    if value is not None and value not in values:
        raise NotFound()
    return value
