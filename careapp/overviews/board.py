"""The episode board: open episodes by stage, with what a card shows, in a fixed number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    Integer,
    Row,
    Select,
    bindparam,
    func,
    lateral,
    literal_column,
    null,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.sql import ColumnElement

from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db, table_of
from careapp.episodes.models import Episode
from careapp.episodes.service import E, T
from careapp.episodes.states import STAGES
from careapp.overviews.zones import tenant_zone, with_place
from careapp.paging import decode_cursor, page_of
from careapp.patients.models import Patient
from careapp.providers.models import Provider
from careapp.scheduling.refusing import AP
from careapp.scheduling.slots import PR, scope_of, within
from careapp.scheduling.states import ACTIVE
from careapp.views import Page, View

COUNT_UP_TO = 1000  # a column's count stops here ("999+"), so that it costs the same however many there are
CARDS_PER_COLUMN = 12
MORE_CARDS = 50


class Card(View):
    """One open episode on the board. `next_at` is its earliest open appointment; its times are those of `zone`.

    `open_referrals` is None for who may not know of referrals.
    """

    locator: str
    party_locator: str
    patient_name: str
    birth_date: date | None
    care_type: str
    stage: str
    reason: str | None
    opened_at: datetime
    open_appointments: int
    open_referrals: int | None
    next_at: datetime | None
    next_provider: str | None
    zone: str


class Column(View):
    """One stage: how many there are (at most COUNT_UP_TO), the newest cards, and where the next ones begin."""

    stage: str
    count: int
    cards: Sequence[Card]
    next_cursor: str | None


class Board(View):
    """All columns, in the order care runs."""

    columns: Sequence[Column]


@query(Permission.EPISODE_VIEW)
def get_board(actor: Actor, *, care_type: str | None = None, per_column: int = CARDS_PER_COLUMN) -> Board:
    """The newest open episodes of each stage, and how many each has."""
    shape, values = _Shape.of(actor, care_type), {**scope_of(actor), "care_type": care_type}
    counts = db.session.execute(_counts(shape), values).one()._mapping
    rows = db.session.execute(_all_columns(shape), {**values, "rows_wanted": per_column + 1}).all()
    columns = []
    for stage in STAGES:
        found = [row for row in rows if row.stage == stage]
        page = _page(sorted(found, key=_keys, reverse=True), per_column)
        columns.append(Column(stage=stage, count=counts[stage], cards=page.items, next_cursor=page.next_cursor))
    record_read("episode.board", patients=tuple(sorted({card.party_locator for one in columns for card in one.cards})))
    return Board(columns=columns)


@query(Permission.EPISODE_VIEW)
def list_cards(
    actor: Actor, stage: str, *, care_type: str | None = None, cursor: str | None = None, limit: int = MORE_CARDS
) -> Page[Card]:
    """The cards of one stage, newest first, from the cursor on."""
    statement = _cards(_Shape.of(actor, care_type), stage)
    values = {**scope_of(actor), "care_type": care_type, "rows_wanted": limit + 1}
    if cursor is not None:
        statement = statement.where(tuple_(E.opened_at, E.id) < tuple_(*decode_cursor(cursor, datetime, int)))
    page = _page(db.session.execute(statement, values).all(), limit)
    record_read("episode.board", patients=tuple(sorted({card.party_locator for card in page.items})), stage=stage)
    return page


@dataclass(frozen=True)
class _Shape:
    """What the board's statements depend on besides their values: each is built once a shape, which takes longer than
    running it.
    """

    filtered: bool
    scoped: bool
    shows_referrals: bool

    @classmethod
    def of(cls, actor: Actor, care_type: str | None) -> "_Shape":
        return cls(care_type is not None, actor.clinic_ids is not None, actor.may(Permission.REFERRAL_VIEW))


def _open(shape: _Shape, stage: str) -> list[ColumnElement[bool]]:
    """The conditions of one column. The literal 'OPEN' lets the planner use the board's partial index."""
    wanted = [E.tenant_id == bindparam("tenant"), E.status == literal_column("'OPEN'"), E.stage == stage]
    return [*wanted, E.care_type == bindparam("care_type")] if shape.filtered else wanted


@cache
def _all_columns(shape: _Shape) -> CompoundSelect[Any]:
    """The first cards of every stage."""
    return union_all(*(select(_cards(shape, stage).subquery()) for stage in STAGES))


@cache
def _counts(shape: _Shape) -> Select[Any]:
    """One number a stage, each counted up to COUNT_UP_TO."""
    columns = []
    for stage in STAGES:
        some = select(literal_column("1")).where(*_open(shape, stage)).limit(COUNT_UP_TO).subquery()
        columns.append(select(func.count()).select_from(some).scalar_subquery().label(stage))
    return select(*columns)


@cache
def _cards(shape: _Shape, stage: str) -> Select[Any]:
    """The first rows of one column, newest first, each with its patient and its earliest open appointment."""
    tenant: BindParameter[int] = bindparam("tenant")
    with_provider = select(AP.starts_at, PR.name).join(
        table_of(Provider), (PR.tenant_id == AP.tenant_id) & (PR.id == AP.provider_id)
    )
    upcoming = lateral(
        with_place(with_provider, AP, tenant)
        .where(AP.tenant_id == E.tenant_id, AP.episode_id == E.id)
        .where(AP.status.in_(ACTIVE), within(shape.scoped, AP.clinic_id))
        .order_by(AP.starts_at, AP.id)
        .limit(1)
    )
    referrals = E.open_referrals if shape.shows_referrals else null()
    return (
        select(
            E.id, E.locator, E.care_type, E.stage, E.reason, E.opened_at, E.open_appointments,
            referrals.label("open_referrals"), T.locator.label("party_locator"), T.birth_date,
            func.trim(func.concat(func.array_to_string(T.given, " "), " ", T.family)).label("patient_name"),
            upcoming.c.starts_at.label("next_at"), upcoming.c.name.label("next_provider"),
            func.coalesce(upcoming.c.zone, tenant_zone(tenant)).label("zone"),
        )
        .select_from(table_of(Episode))
        .join(table_of(Patient), (T.tenant_id == E.tenant_id) & (T.id == E.patient_id))
        .outerjoin(upcoming, true())
        .where(*_open(shape, stage))
        .order_by(E.opened_at.desc(), E.id.desc())
        .limit(bindparam("rows_wanted", type_=Integer))
    )  # fmt: skip


def _keys(row: Row[Any]) -> tuple[datetime, int]:
    return row.opened_at, row.id


def _page(rows: Sequence[Row[Any]], limit: int) -> Page[Card]:
    return page_of(rows, limit, Card.of, _keys)
