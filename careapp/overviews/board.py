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
from careapp.episodes.models import EPISODES, Episode
from careapp.episodes.states import STAGES
from careapp.overviews.zones import tenant_zone, with_place
from careapp.paging import decode_cursor, page_of
from careapp.patients.models import PATIENTS, Patient
from careapp.providers.models import PROVIDERS, Provider
from careapp.scheduling.models import APPOINTMENTS
from careapp.scheduling.slots import scope_of, within
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
        statement = statement.where(
            tuple_(EPISODES.opened_at, EPISODES.id) < tuple_(*decode_cursor(cursor, datetime, int))
        )
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
    wanted = [
        EPISODES.tenant_id == bindparam("tenant"),
        EPISODES.status == literal_column("'OPEN'"),
        EPISODES.stage == stage,
    ]
    return [*wanted, EPISODES.care_type == bindparam("care_type")] if shape.filtered else wanted


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
    with_provider = select(APPOINTMENTS.starts_at, PROVIDERS.name).join(
        table_of(Provider), (PROVIDERS.tenant_id == APPOINTMENTS.tenant_id) & (PROVIDERS.id == APPOINTMENTS.provider_id)
    )
    upcoming = lateral(
        with_place(with_provider, APPOINTMENTS, tenant)
        .where(APPOINTMENTS.tenant_id == EPISODES.tenant_id, APPOINTMENTS.episode_id == EPISODES.id)
        .where(APPOINTMENTS.status.in_(ACTIVE), within(shape.scoped, APPOINTMENTS.clinic_id))
        .order_by(APPOINTMENTS.starts_at, APPOINTMENTS.id)
        .limit(1)
    )
    referrals = EPISODES.open_referrals if shape.shows_referrals else null()
    return (
        select(
            EPISODES.id,
            EPISODES.locator,
            EPISODES.care_type,
            EPISODES.stage,
            EPISODES.reason,
            EPISODES.opened_at,
            EPISODES.open_appointments,
            referrals.label("open_referrals"),
            PATIENTS.locator.label("party_locator"),
            PATIENTS.birth_date,
            func.trim(func.concat(func.array_to_string(PATIENTS.given, " "), " ", PATIENTS.family)).label(
                "patient_name"
            ),
            upcoming.c.starts_at.label("next_at"),
            upcoming.c.name.label("next_provider"),
            func.coalesce(upcoming.c.zone, tenant_zone(tenant)).label("zone"),
        )
        .select_from(table_of(Episode))
        .join(table_of(Patient), (PATIENTS.tenant_id == EPISODES.tenant_id) & (PATIENTS.id == EPISODES.patient_id))
        .outerjoin(upcoming, true())
        .where(*_open(shape, stage))
        .order_by(EPISODES.opened_at.desc(), EPISODES.id.desc())
        .limit(bindparam("rows_wanted", type_=Integer))
    )


def _keys(row: Row[Any]) -> tuple[datetime, int]:
    return row.opened_at, row.id


def _page(rows: Sequence[Row[Any]], limit: int) -> Page[Card]:
    return page_of(rows, limit, Card.of, _keys)
