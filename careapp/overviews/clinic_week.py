"""A clinic's week: what each provider offers on each day, added up by the database; it shows nobody's visits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    CTE,
    BindParameter,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from careapp import clock
from careapp.access import Actor
from careapp.db import db
from careapp.disclosure.scope import scope_of, within
from careapp.kept import built_once
from careapp.overviews.elsewhere import elsewhere
from careapp.overviews.slot_cells import BookedFor
from careapp.overviews.zones import PLACE, Columns
from careapp.providers.models import PROVIDER_CLINICS, PROVIDERS
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.scheduling.models import SLOTS
from careapp.scheduling.refusing import stands_free
from careapp.scheduling.states import BLOCKED

DAYS_OF_A_WEEK = 7
FREE, OVER, CLOSED, FULL = "free", "over", "blocked", "full"
# The same of one slot as numbers: as words they would be compared six times for each of thousands.
_NUMBER = {one: literal_column(str(number), Integer) for number, one in enumerate((FULL, FREE, CLOSED, OVER))}
_DAYS = literal_column("8", Integer)  # a provider's number times this, and the day's, are one number to sort by
FREE_SHOWN = 6  # free times of one provider's day
COUNTED = 4  # columns that make the version, with the one after them; the rows of both statements begin with them
SECOND = timedelta(seconds=1)
TIME = DateTime(timezone=True)

TENANT: BindParameter[Any] = bindparam("tenant")
MOMENT: BindParameter[Any] = bindparam("moment", type_=TIME)


class Offer(NamedTuple):
    """What one provider offers on one day of the week (the first is 1): in a word, how many of his slots are free and
    with how many places, and the first of these. No view, as a page has some hundred and hashes and compares them.

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
    return _version(rows), [Offer._make(row[COUNTED + 1 :]) for row in rows]


def read_week_version(actor: Actor, week: Week) -> str:
    """The version alone: it changes with the week's slots, as taking or leaving a place changes one, with how many are
    over, with their providers, and with what these do elsewhere.
    """
    statement = _sums(actor.clinic_ids is not None, week.specialty is not None)
    return _version(db.session.execute(statement, _given(actor, week)).all())


def _given(actor: Actor, week: Week) -> dict[str, Any]:
    return {**scope_of(actor), **vars(week), "moment": clock.now()}


def _version(rows: Sequence[Row[Any]]) -> str:
    """What is counted, added up over all rows, however far the database has done so; what is elsewhere is the same in
    each of them.
    """
    if not rows:
        return "0"
    sums = (str(sum(numbers)) for numbers in zip(*(row[:COUNTED] for row in rows), strict=True))
    return ".".join((*sums, rows[0].elsewhere))


@built_once
def _sums(scoped: bool, of_specialty: bool) -> Select[Any]:
    """One row a provider; built once for each shape."""
    over = (SLOTS.ends_at <= MOMENT).label("over")
    one = _slots(_week(scoped), SLOTS.provider_id, over).subquery("counted").c
    sums = select(one.provider_id, *_counts(one, one.over)).group_by(one.provider_id).subquery("sums").c
    return _with_providers(sums, scoped, of_specialty)


@built_once
def _offers(scoped: bool, of_specialty: bool, for_patient: bool) -> Select[Any]:
    """One row a provider and day; built once for each shape.

    OFFSET 0 keeps the slots a query of their own: PostgreSQL would else put the state's expression, with its look at
    the provider's other visits, in each of the places that ask for it. A provider's slots never overlap, so their
    starts alone put them in order.
    """
    places = (SLOTS.capacity - SLOTS.booked).label("places")
    state_of_one = _state(for_patient).label("state")
    week = _week(scoped)
    # Told among eight moments: each slot's local date takes PostgreSQL longer than to read it.
    day = func.width_bucket(SLOTS.starts_at, select(week.c.midnights).scalar_subquery(), type_=Integer)
    whose_day = (SLOTS.provider_id * _DAYS + day).label("whose_day")
    one = _slots(week, whose_day, SLOTS.locator, SLOTS.starts_at, places, state_of_one).offset(0).subquery("offered").c
    is_free = one.state == _NUMBER[FREE]
    first = {
        name: type_coerce(func.array_agg(aggregate_order_by(what, one.starts_at)).filter(is_free), ARRAY(what.type))
        for name, what in (("locators", one.locator), ("starts", one.starts_at))
    }
    sums = select(
        (one.whose_day // _DAYS).label("provider_id"), (one.whose_day % _DAYS).label("day"),
        *_counts(one, one.state == _NUMBER[OVER]), func.count().filter(is_free).label("free"),
        func.count().filter(one.state >= _NUMBER[CLOSED]).label("closed"),
        func.sum(one.places).filter(is_free).label("places"),
        *(func.array_to_string(first[name][1:FREE_SHOWN], ",").label(name) for name in first),
    ).group_by(one.whose_day).subquery("sums").c  # fmt: skip
    offers = and_(PROVIDERS.status == PARTICIPATES, sums.free > 0)
    state = case((offers, FREE), (sums.over == sums.slots, OVER), (sums.closed == sums.slots, CLOSED), else_=FULL)
    none = {"free": 0, "places": 0, "locators": "", "starts": ""}
    return _with_providers(sums, scoped, of_specialty).add_columns(
        PROVIDERS.locator, PROVIDERS.name, sums.day, state,
        *(case((offers, sums[name]), else_=nothing).label(name) for name, nothing in none.items()),
    )  # fmt: skip


def _slots(week: CTE, *columns: ColumnElement[Any]) -> Select[Any]:
    """These columns of the week's slots, and their versions.

    Where and when are asked by themselves, so that an index is searched with the answers.
    """
    clinic, midnights = (select(one).scalar_subquery() for one in (week.c.id, week.c.midnights))
    slots = select(SLOTS.version, *columns).where(
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


def _state(for_patient: bool) -> ColumnElement[int]:
    """What a slot is, in a number: over before blocked before free, and full for whatever else it is."""
    patient: BindParameter[Any] | None = bindparam("patient") if for_patient else None
    free = and_(*stands_free(TENANT, MOMENT, patient_id=patient, moving=bindparam("moving")))
    states = ((SLOTS.ends_at <= MOMENT, OVER), (SLOTS.status == BLOCKED, CLOSED), (free, FREE))
    return case(*((condition, _NUMBER[state]) for condition, state in states), else_=_NUMBER[FULL])


def _counts(one: Columns, is_over: ColumnElement[bool]) -> tuple[ColumnElement[Any], ...]:
    """What the version counts of these slots."""
    over = func.count().filter(is_over).label("over")
    return func.count().label("slots"), over, func.sum(one.version).label("versions")


def _with_providers(sums: Columns, scoped: bool, of_specialty: bool) -> Select[Any]:
    """The columns of the version, for these sums by provider."""
    week = _week(scoped)
    work = select(
        PROVIDER_CLINICS.provider_id, week.c.midnights[1].label("begins"),
        week.c.midnights[DAYS_OF_A_WEEK + 1].label("ends"),
    ).where(PROVIDER_CLINICS.tenant_id == TENANT, PROVIDER_CLINICS.clinic_id == week.c.id)  # fmt: skip
    outside = elsewhere(TENANT, work.add_cte(week, nest_here=True))
    him = and_(PROVIDERS.tenant_id == TENANT, PROVIDERS.id == sums.provider_id)
    named = [PROVIDERS.specialty == bindparam("specialty")] if of_specialty else []
    counted = (sums.slots, sums.over, sums.versions, sums.slots * PROVIDERS.version)
    return select(*counted, outside.label("elsewhere")).where(him, *named)
