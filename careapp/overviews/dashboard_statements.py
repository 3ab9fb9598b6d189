"""The statements behind a clinic's dashboard: each counts in the database, is built once and reads by an index.

Slots and appointments that stand at no clinic count at every clinic their provider works at, and at every clinic there
is where he works at none: that time of his is on offer there, and a place nobody sees is one nobody fills.

Days and weeks come as instants (`bounds`), reckoned on the clinic's clock, so that a day on which the clocks change is
as long as it really is.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    select,
    union_all,
)

from careapp.clinics.models import CLINICS
from careapp.db import at_most, table_of, written_out
from careapp.disclosure.scope import within
from careapp.kept import built_once
from careapp.paging import MAX_LIMIT
from careapp.providers.models import PROVIDER_CLINICS, PROVIDERS, Provider
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.scheduling.models import APPOINTMENTS, IS_PRESENT, SLOTS, Appointment, Slot
from careapp.scheduling.slots import bookable
from careapp.scheduling.states import ATTENDED, BLOCKED, CANCELLED, NO_SHOW

MOMENT = DateTime(timezone=True)
TENANT: BindParameter[int] = bindparam("tenant", type_=Integer)
CLINIC: BindParameter[int] = bindparam("clinic", type_=BigInteger)
NOW: BindParameter[Any] = bindparam("moment", type_=MOMENT)
FIRST: BindParameter[Any] = bindparam("first", type_=MOMENT)
LAST: BindParameter[Any] = bindparam("last", type_=MOMENT)
BOUNDS: BindParameter[Any] = bindparam("bounds", type_=ARRAY(MOMENT))

_PLACES = select(PROVIDER_CLINICS.provider_id).where(PROVIDER_CLINICS.tenant_id == TENANT)


@built_once
def clinics(scoped: bool) -> Select[Any]:
    """The clinics in scope, with whether somebody of the network works there: first the one asked for (`wanted`), then
    those of the provider the actor is (`own`), then by name. Hospitals of imported histories are clinics too.
    """
    works = and_(PROVIDER_CLINICS.tenant_id == CLINICS.tenant_id, PROVIDER_CLINICS.clinic_id == CLINICS.id)
    network = and_(
        PROVIDERS.tenant_id == PROVIDER_CLINICS.tenant_id, PROVIDERS.id == PROVIDER_CLINICS.provider_id,
        PROVIDERS.status == PARTICIPATES,
    )  # fmt: skip
    at_work = exists().where(works, network)
    is_own = exists().where(works, PROVIDER_CLINICS.provider_id == bindparam("own", type_=BigInteger))
    wanted = CLINICS.locator == bindparam("wanted", type_=Text)
    return (
        select(*CLINICS, at_work.label("at_work"))
        .where(CLINICS.tenant_id == TENANT, within(scoped, CLINICS.id))
        .order_by(
            func.coalesce(wanted, literal_column("false")).desc(), is_own.desc(), at_work.desc(), CLINICS.name,
            CLINICS.id,
        )
        .limit(at_most(MAX_LIMIT))
    )  # fmt: skip


@built_once
def visits_by_hour() -> Select[Any]:
    """The visits between `first` and `last` that are not cancelled: hour on the clinic's clock (`zone`), provider,
    status, how many, and how many of them should have begun by `moment`.
    """
    visits = _visits(APPOINTMENTS.status != CANCELLED)
    hour = cast(func.extract("hour", func.timezone(bindparam("zone", type_=Text), visits.c.starts_at)), Integer)
    counted = (
        select(
            hour.label("hour"), visits.c.provider_id, visits.c.status, func.count().label("number"),
            func.count().filter(visits.c.starts_at < NOW).label("begun"),
        )
        .group_by(hour, visits.c.provider_id, visits.c.status)
        .subquery()
    )  # fmt: skip
    return select(PROVIDERS.locator, PROVIDERS.name, counted).join_from(
        counted, table_of(Provider), (PROVIDERS.tenant_id == TENANT) & (PROVIDERS.id == counted.c.provider_id)
    )


@built_once
def visits_by_week() -> Select[Any]:
    """How many visits were attended and how many missed in each week; `bounds` are where the weeks begin."""
    visits = _visits(APPOINTMENTS.status.in_(written_out((ATTENDED, NO_SHOW))))
    week = func.width_bucket(visits.c.starts_at, BOUNDS)
    missed = visits.c.status == NO_SHOW
    return select(
        week.label("week"), func.count().filter(~missed).label("attended"), func.count().filter(missed).label("missed")
    ).group_by(week)


@built_once
def places_by_day() -> Select[Any]:
    """Places by provider and day; `bounds` are where the days begin. Who has left the network has none that is free."""
    slots = _slots()
    day = func.width_bucket(slots.c.starts_at, BOUNDS)
    blocked, left = slots.c.status == BLOCKED, slots.c.capacity - slots.c.booked
    counted = (
        select(
            slots.c.provider_id, day.label("day"),
            func.sum(case((blocked, slots.c.booked), else_=slots.c.capacity)).label("offered"),
            func.sum(slots.c.booked).label("taken"),
            func.sum(case((slots.c.bookable, left), else_=0)).label("free"),
            func.sum(case((blocked, left), else_=0)).label("blocked"),
        )
        .group_by(slots.c.provider_id, day)
        .subquery()
    )  # fmt: skip
    free = case((PROVIDERS.status == PARTICIPATES, counted.c.free), else_=0)
    return (
        select(
            PROVIDERS.locator, PROVIDERS.name, counted.c.day, counted.c.offered, counted.c.taken, counted.c.blocked,
            free.label("free"),
        )
        .join_from(
            counted, table_of(Provider), (PROVIDERS.tenant_id == TENANT) & (PROVIDERS.id == counted.c.provider_id)
        )
        .order_by(PROVIDERS.name, PROVIDERS.id, counted.c.day)
    )  # fmt: skip


def _visits(wanted: ColumnElement[bool]) -> Subquery:
    """The clinic's appointments between `first` and `last`; two parts, so that each reads the clinic's index."""
    rows = select(APPOINTMENTS.provider_id, APPOINTMENTS.starts_at, APPOINTMENTS.status).where(
        APPOINTMENTS.tenant_id == TENANT, APPOINTMENTS.starts_at >= FIRST, APPOINTMENTS.starts_at < LAST, wanted,
        IS_PRESENT,
    )  # fmt: skip
    return union_all(*(rows.where(part) for part in _parts(table_of(Appointment).c))).subquery()


def _slots() -> Subquery:
    """The clinic's slots between `first` and `last`, with whether each takes a booking at `moment`."""
    rows = select(
        SLOTS.provider_id, SLOTS.starts_at, SLOTS.capacity, SLOTS.booked, SLOTS.status, bookable(NOW).label("bookable")
    ).where(SLOTS.tenant_id == TENANT, SLOTS.starts_at >= FIRST, SLOTS.starts_at < LAST)
    return union_all(*(rows.where(part) for part in _parts(table_of(Slot).c))).subquery()


def _parts(columns: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """What stands at the clinic; and what stands at none, of those who work there or nowhere in particular."""
    here = columns.provider_id.in_(_PLACES.where(PROVIDER_CLINICS.clinic_id == CLINIC))
    return columns.clinic_id == CLINIC, columns.clinic_id.is_(None) & (here | columns.provider_id.not_in(_PLACES))
