"""The episode board: open episodes by stage, with what a card shows, in a fixed number of statements."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from sqlalchemy import Row

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.disclosure import reading
from careapp.disclosure.scope import scope_of
from careapp.episodes.states import STAGES
from careapp.episodes.views import HIDDEN
from careapp.overviews import board_statements
from careapp.overviews.board_choices import Choices, Filter, read_choices
from careapp.overviews.board_statements import COUNT_UP_TO, Shape
from careapp.overviews.marks import mark_now, mark_of_tenant
from careapp.overviews.overdue import Overdue, why_overdue
from careapp.paging import ListName, decode_cursor, page_of
from careapp.views import View

__all__ = ["COUNT_UP_TO", "Board", "Card", "Column", "Filter", "News", "get_board", "get_board_mark", "get_stage"]

CARDS_PER_COLUMN = 12
MORE_CARDS = 50


class Card(View):
    """One open episode on the board. `next_…` is its earliest open appointment; its times are those of `zone`.

    `open_referrals` is None for who may not know of referrals. `overdue` says why somebody ought to look at it, and
    `waits_days` for how many days it has stood so. Of a restricted patient a card says no more than that there is an
    episode, and when its next appointment is.
    """

    locator: str
    party_locator: str
    patient_name: str
    birth_date: date | None
    gender: str
    care_type: str
    stage: str
    reason: str | None
    opened_at: datetime
    open_appointments: int
    open_referrals: int | None
    next_at: datetime | None
    next_status: str | None
    next_provider: str | None
    last_provider: str | None
    zone: str
    overdue: Overdue | None
    waits_days: int


class Column(View):
    """One stage: how many there are (at most COUNT_UP_TO), its cards, and where the next ones begin."""

    stage: str
    count: int
    cards: tuple[Card, ...]
    next_cursor: str | None


class News(View):
    """How many episodes were opened, ended and otherwise changed since the board was seen."""

    moved: int
    new: int
    ended: int


class Board(View):
    """Columns in the order care runs, what the filters offer, the mark this is the state of, and what is new."""

    columns: tuple[Column, ...]
    choices: Choices
    mark: str
    news: News | None


@query(Permission.EPISODE_VIEW)
def get_board_mark(actor: Actor) -> str:
    """The mark of the board as it is now, by one look at the end of an index; it shows nobody's data.

    Every filter has the mark of the whole tenant. A narrower one would be wrong: moved to another clinician or clinic,
    or ended, an episode leaves a filter by the very change that nothing in the filter knows of afterwards. Names of
    people are not in it; they change rarely, and come with the next change of anything.
    """
    return mark_now(db.session.execute(mark_of_tenant(), {"tenant": actor.tenant_id}).one())


@query(Permission.EPISODE_VIEW)
def get_board(
    actor: Actor, wanted: Filter | None = None, *, since: int | None = None, per_column: int = CARDS_PER_COLUMN
) -> Board:
    """The newest open episodes of each stage, and how many each has; what is new after the change `since`.

    Raises NotFound for a clinician or a clinic that is not there.
    """
    return _read(actor, STAGES, wanted or Filter(), since, per_column, None)


@query(Permission.EPISODE_VIEW)
def get_stage(
    actor: Actor, stage: str, wanted: Filter | None = None, *, since: int | None = None, cursor: str | None = None,
    limit: int = MORE_CARDS,
) -> Board:  # fmt: skip
    """One stage at length, newest first, from the cursor on: a board of one column. Raises NotFound and Invalid."""
    return _read(actor, (stage,), wanted or Filter(), since, limit, cursor)


def _read(
    actor: Actor, stages: tuple[str, ...], wanted: Filter, since: int | None, limit: int, cursor: str | None
) -> Board:
    choices, ids = read_choices(actor, wanted)
    shape = Shape(
        care_type=reading.kind(actor) if wanted.care_type is not None else None, provider="provider" in ids,
        clinic="clinic" in ids, scoped=actor.clinic_ids is not None,
        shows_referrals=actor.may(Permission.REFERRAL_VIEW),
    )  # fmt: skip
    values = {**scope_of(actor), "care_type": wanted.care_type, **ids, **reading.values(actor)}
    after = _after(cursor, _name(stages[0], wanted))
    counts, cards = db.session.execute_each([  # the mark is among the counts: what is changed meanwhile makes another
        (board_statements.counts(shape, stages), values),
        (board_statements.cards(shape, stages, limit + 1, cursor is not None), {**values, **after}),
    ])  # fmt: skip
    counted, rows = counts.one(), cards.all()
    reading.look(actor, rows)
    of_each = {stage: [row for row in rows if row.stage == stage] for stage in stages}
    columns = [_column(actor, wanted, stage, found, counted, limit) for stage, found in of_each.items()]
    news = None if since is None else db.session.execute(board_statements.news(shape), {**values, "since": since}).one()
    shown = tuple(sorted({card.party_locator for one in columns for card in one.cards}))
    record_read("episode.board", patients=shown, **({"stage": stages[0]} if len(stages) == 1 else {}))
    return Board(columns=columns, choices=choices, mark=mark_now(counted), news=news and News.of(news))


def _after(cursor: str | None, of: ListName) -> dict[str, Any]:
    if cursor is None:
        return {}
    return dict(zip(("after_at", "after_id"), decode_cursor(cursor, of, datetime, int), strict=True))


def _name(stage: str, wanted: Filter) -> ListName:
    return ("stage", stage, *vars(wanted).values())


def _column(
    actor: Actor, wanted: Filter, stage: str, found: Sequence[Row[Any]], counted: Row[Any], limit: int
) -> Column:
    ordered = sorted(found, key=_keys, reverse=True)
    told = partial(_told, actor, clock.now())
    page = page_of(ordered, limit, lambda rows: Card.of_each(rows, told), _keys, _name(stage, wanted))
    count = counted._mapping[stage]
    return Column(stage=stage, count=count, cards=page.items, next_cursor=page.next_cursor)


def _told(actor: Actor, now: datetime, row: Row[Any]) -> dict[str, Any]:
    """What a card says besides what stands in its row, or instead of it."""
    hidden = {} if reading.sees(actor, row) else {**HIDDEN, "open_referrals": None}
    overdue = why_overdue(
        row.stage, now=now, opened_at=row.opened_at, quiet_since=row.quiet_since, visit_status=row.next_status,
        visit_ends_at=row.next_ends_at,
    )  # fmt: skip
    since = row.next_ends_at or row.quiet_since or row.opened_at
    return {"overdue": overdue, "waits_days": max(0, (now - since).days), **hidden}


def _keys(row: Row[Any]) -> tuple[datetime, int]:
    return row.opened_at, row.id
