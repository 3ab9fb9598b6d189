"""A clinic's week: what each provider offers on each day, added up by the database; it shows nobody's visits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BindParameter,
    ColumnElement,
    Date,
    DateTime,
    Row,
    Select,
    and_,
    bindparam,
    case,
    cast,
    func,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from careapp import clock
from careapp.access import Actor
from careapp.db import db, written_out
from careapp.disclosure.scope import scope_of, within
from careapp.kept import built_once
from careapp.overviews.slot_cells import BookedFor
from careapp.overviews.zones import PLACE, Columns
from careapp.providers.models import PROVIDERS
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.scheduling.models import SLOTS
from careapp.scheduling.refusing import stands_free
from careapp.scheduling.states import BLOCKED

DAYS_OF_A_WEEK = 7
FREE, OVER, CLOSED, FULL = "free", "over", "blocked", "full"
FREE_SHOWN = 6  # free times of one provider's day
COUNTED = 4  # columns that make the version; the rows of both statements begin with them
SECOND = timedelta(seconds=1)
TIME = DateTime(timezone=True)

TENANT: BindParameter[Any] = bindparam("tenant")
MOMENT: BindParameter[Any] = bindparam("moment", type_=TIME)


@dataclass(frozen=True, slots=True)
class Offer:
    """What one provider offers on one day of the week (the first is 1): in a word, how many of his slots are free and
    with how many places, and the first of these. No view, as a page has some hundred.

    `locators` and `starts` of the first are as the database writes them: a page has a thousand, and most are known.
    """

    provider_locator: str
    provider_name: str
    day: int
    state: str
    free: int
    places: int
    locators: str
    starts: str


def first_of(locators: str, starts: str) -> list[tuple[str, datetime]]:
    """The first free slots of an offer: locator and start of each, the earliest first."""
    if not locators:
        return []
    return list(zip(locators.split(","), map(datetime.fromisoformat, starts.split(",")), strict=True))


@dataclass(frozen=True)
class Week:
    """Which slots: of a clinic's seven days from `first` on, on its own clock; of a specialty if one is named."""

    clinic: str
    first: date
    specialty: str | None


def read_offers(actor: Actor, week: Week, whom: BookedFor) -> tuple[str, list[Offer]]:
    """What a clinic's providers offer, by provider and day, for `whom` where that is known, and before it the week's
    version: one statement reads both, so neither is newer.
    """
    statement = _offers(actor.clinic_ids is not None, week.specialty is not None, whom.patient_id is not None)
    given = {**_given(actor, week), "patient": whom.patient_id, "moving": whom.appointment_id or 0}
    rows = db.session.execute(statement, given).all()
    return _version(rows), [Offer(*row[COUNTED:]) for row in rows]


def read_week_version(actor: Actor, week: Week) -> str:
    """The version alone: it changes with the week's slots, with how many are over, and with their providers. Visits do
    not count, as taking or leaving a place changes the slot.
    """
    statement = _sums(actor.clinic_ids is not None, week.specialty is not None)
    return _version(db.session.execute(statement, _given(actor, week)).all())


def _given(actor: Actor, week: Week) -> dict[str, Any]:
    return {**scope_of(actor), **vars(week), "moment": clock.now()}


def _version(rows: Sequence[Row[Any]]) -> str:
    """What is counted, added up over all rows, however far the database has done so."""
    return ".".join(str(sum(numbers)) for numbers in zip(*(row[:COUNTED] for row in rows), strict=True)) or "0"


@built_once
def _sums(scoped: bool, of_specialty: bool) -> Select[Any]:
    """One row a provider; built once for each shape."""
    one = _slots(scoped).subquery("counted").c
    sums = select(one.provider_id, *_counts(one)).group_by(one.provider_id).subquery("sums").c
    return _with_providers(sums, of_specialty)


@built_once
def _offers(scoped: bool, of_specialty: bool, for_patient: bool) -> Select[Any]:
    """One row a provider and day; built once for each shape.

    OFFSET 0 keeps the slots a query of their own: PostgreSQL would else put the state's expression, with its look at
    the provider's other visits, in each of the places that ask for it. A provider's slots never overlap, so their
    starts alone put them in order.
    """
    places = (SLOTS.capacity - SLOTS.booked).label("places")
    word = _state(for_patient).label("state")
    one = _slots(scoped, SLOTS.locator, SLOTS.starts_at, places, word).offset(0).subquery("offered").c
    is_free = one.state == FREE
    first = {
        name: type_coerce(func.array_agg(aggregate_order_by(what, one.starts_at)).filter(is_free), ARRAY(what.type))
        for name, what in (("locators", one.locator), ("starts", one.starts_at))
    }
    sums = select(
        one.provider_id, one.day, *_counts(one), func.count().filter(is_free).label("free"),
        func.count().filter(one.state.in_(written_out((OVER, CLOSED)))).label("closed"),
        func.sum(one.places).filter(is_free).label("places"),
        *(func.array_to_string(first[name][1:FREE_SHOWN], ",").label(name) for name in first),
    ).group_by(one.provider_id, one.day).subquery("sums").c  # fmt: skip
    offers = and_(PROVIDERS.status == PARTICIPATES, sums.free > 0)
    state = case((offers, FREE), (sums.over == sums.slots, OVER), (sums.closed == sums.slots, CLOSED), else_=FULL)
    none = {"free": 0, "places": 0, "locators": "", "starts": ""}
    return _with_providers(sums, of_specialty).add_columns(
        PROVIDERS.locator, PROVIDERS.name, sums.day, state,
        *(case((offers, sums[name]), else_=nothing).label(name) for name, nothing in none.items()),
    )  # fmt: skip


def _slots(scoped: bool, *columns: ColumnElement[Any]) -> Select[Any]:
    """These columns of the week's slots, and what the version counts of each; `day` is the number of its day, from 1.

    Where and when are asked by themselves, so that an index is searched with the answers; a day is found among eight
    moments, as to tell each slot's local date takes PostgreSQL longer than to read it.
    """
    week = _week(scoped)
    clinic, midnights = (select(one).scalar_subquery() for one in (week.c.id, week.c.midnights))
    day = func.width_bucket(SLOTS.starts_at, midnights).label("day")
    slots = select(SLOTS.provider_id, day, SLOTS.version, (SLOTS.ends_at <= MOMENT).label("over"), *columns).where(
        SLOTS.tenant_id == TENANT, SLOTS.clinic_id == clinic,
        SLOTS.starts_at >= midnights[1], SLOTS.starts_at < midnights[DAYS_OF_A_WEEK + 1],
    )  # fmt: skip
    return slots.add_cte(week, nest_here=True)


def _week(scoped: bool) -> CTE:
    """The clinic, and the moments when on its clock the seven days begin and the last ends: each a second after
    23:59:59, as midnight itself may come twice, or never.
    """
    days = func.generate_series(0, DAYS_OF_A_WEEK).table_valued("number", name="days").render_derived()
    before = cast(bindparam("first", type_=Date) + days.c.number, DateTime) - SECOND
    midnight = func.timezone(PLACE.c.time_zone, before, type_=TIME) + SECOND
    midnights = type_coerce(func.array_agg(aggregate_order_by(midnight, days.c.number)), ARRAY(TIME)).label("midnights")
    mine = (PLACE.c.tenant_id == TENANT, PLACE.c.locator == bindparam("clinic"), within(scoped, PLACE.c.id))
    return select(PLACE.c.id, midnights).join_from(PLACE, days, true()).where(*mine).group_by(PLACE.c.id).cte("week")


def _state(for_patient: bool) -> ColumnElement[str]:
    """A slot in one word: over before blocked before free, and full for whatever else it is."""
    patient: BindParameter[Any] | None = bindparam("patient") if for_patient else None
    free = and_(*stands_free(TENANT, MOMENT, patient_id=patient, moving=bindparam("moving")))
    return case((SLOTS.ends_at <= MOMENT, OVER), (SLOTS.status == BLOCKED, CLOSED), (free, FREE), else_=FULL)


def _counts(one: Columns) -> tuple[ColumnElement[Any], ...]:
    """What the version counts of these slots."""
    over = func.count().filter(one.over).label("over")
    return func.count().label("slots"), over, func.sum(one.version).label("versions")


def _with_providers(sums: Columns, of_specialty: bool) -> Select[Any]:
    """The columns of the version, for these sums by provider."""
    him = and_(PROVIDERS.tenant_id == TENANT, PROVIDERS.id == sums.provider_id)
    named = [PROVIDERS.specialty == bindparam("specialty")] if of_specialty else []
    return select(sums.slots, sums.over, sums.versions, sums.slots * PROVIDERS.version).where(him, *named)
