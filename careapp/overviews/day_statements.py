"""The statements behind a clinic's day: which clinics there are to choose from, its visits, and if they changed."""

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Interval,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    false,
    func,
    lateral,
    literal_column,
    null,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.sql import ColumnElement

from careapp.clinics.models import CLINICS, Clinic
from careapp.db import at_most, table_of, written_out
from careapp.disclosure.people import name_of_actor
from careapp.disclosure.rules import NORMAL
from careapp.disclosure.scope import within
from careapp.episodes.models import EPISODES, Episode
from careapp.episodes.states import OPEN
from careapp.kept import built_once
from careapp.lifecycle import HISTORY
from careapp.paging import MAX_LIMIT
from careapp.patients.models import FIRST_PHONE, FULL_NAME, PATIENTS, Patient
from careapp.providers.models import PROVIDER_CLINICS, PROVIDERS, Provider
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.scheduling.changes import MOVABLE
from careapp.scheduling.filing import present_or
from careapp.scheduling.models import APPOINTMENTS, Appointment
from careapp.scheduling.states import APPOINTMENT, ARRIVED, NO_SHOW

MOMENT = DateTime(timezone=True)
ARRIVE = "arrive"
(_ENTITY,) = written_out([APPOINTMENT.entity])
MISSED_WITHIN = timedelta(days=365)  # before a visit
_EARLIER = table_of(Appointment).alias("earlier")


@built_once
def clinics_to_choose(scoped: bool, *, own: bool, asked: bool) -> Select[Any]:
    """The clinics of the actor's scope, those at work first, with what helps to choose one.

    Values: those of scope_of(), `clinic`, a locator that comes first, where the actor is a provider (`own`) his id, and
    where one is `asked` for, the locator of that `provider`; both are named in every row. At most MAX_LIMIT clinics.
    """
    works_here = (PROVIDER_CLINICS.tenant_id == CLINICS.tenant_id, PROVIDER_CLINICS.clinic_id == CLINICS.id)
    somebody = exists().where(
        *works_here,
        PROVIDERS.tenant_id == CLINICS.tenant_id,
        PROVIDERS.id == PROVIDER_CLINICS.provider_id,
        PROVIDERS.status == PARTICIPATES,
    )
    himself = exists().where(*works_here, PROVIDER_CLINICS.provider_id == bindparam("own", type_=BigInteger))
    his = PROVIDERS.id == bindparam("own", type_=BigInteger) if own else None
    that = PROVIDERS.locator == bindparam("provider", type_=Text) if asked else None
    at_work = somebody.label("at_work")
    return (
        select(
            CLINICS.id, CLINICS.locator, CLINICS.name, CLINICS.time_zone, at_work,
            (himself if own else false()).label("own"),
            _of_provider(PROVIDERS.locator, his).label("own_locator"),
            _of_provider(PROVIDERS.name, his).label("own_name"),
            _of_provider(PROVIDERS.name, that).label("asked_name"),
        )
        .select_from(table_of(Clinic))
        .where(CLINICS.tenant_id == bindparam("tenant"), within(scoped, CLINICS.id))
        .order_by(CLINICS.locator != bindparam("clinic", type_=Text), at_work.desc(), CLINICS.name, CLINICS.id)
        .limit(at_most(MAX_LIMIT))
    )  # fmt: skip


def _of_provider(column: Any, which: ColumnElement[bool] | None) -> ColumnElement[Any]:
    """A column of one provider of the tenant; it asks nothing of the row it stands in, so it is looked up once."""
    if which is None:
        return null()
    return select(column).where(PROVIDERS.tenant_id == bindparam("tenant"), which).scalar_subquery()


@built_once
def visits_of_day(scoped: bool, of_one: bool, filed: bool) -> Select[Any]:
    """The visits of a clinic (`clinic`, its id) that begin between `begins` and `ends`, by time, with all a row shows.

    If `of_one`, those of one patient (`party`, his locator). What stands at no clinic belongs to every clinic's day.
    `action`, `actor`, `cause` and `at` are those of the last status change, `arrived_at` is told of those who wait,
    `missed_before` counts no-shows in the year before, as far as they are in the actor's scope. Unless `filed`, nothing
    of it can have been filed yet.
    """
    last = _last_change()
    columns = (
        "id", "locator", "patient_id", "starts_at", "ends_at", "type", "status", "category", "version",
    )  # fmt: skip
    return (
        select(
            *(APPOINTMENTS[one] for one in columns),
            EPISODES.locator.label("episode_locator"), EPISODES.care_type,
            (EPISODES.status == OPEN).label("episode_open"),
            PATIENTS.locator.label("party_locator"), FULL_NAME, PATIENTS.birth_date, FIRST_PHONE,
            PATIENTS.confidentiality, PATIENTS.version.label("patient_version"),
            (PATIENTS.confidentiality != NORMAL).label("restricted"),
            PROVIDERS.locator.label("provider_locator"), PROVIDERS.name.label("provider_name"),
            last.c.action, last.c.actor, last.c.cause, last.c.at,
            name_of_actor(APPOINTMENTS.tenant_id, last.c.actor).label("staff_name"),
            _arrived_at(), _missed_before(scoped, filed),
        )
        .select_from(table_of(Appointment))
        .join(table_of(Episode), _same(EPISODES, APPOINTMENTS.episode_id))
        .join(table_of(Patient), _same(PATIENTS, APPOINTMENTS.patient_id))
        .join(table_of(Provider), _same(PROVIDERS, APPOINTMENTS.provider_id))
        .outerjoin(last, true())
        .where(
            APPOINTMENTS.tenant_id == bindparam("tenant"),
            or_(APPOINTMENTS.clinic_id == bindparam("clinic", type_=BigInteger), APPOINTMENTS.clinic_id.is_(None)),
            APPOINTMENTS.starts_at >= bindparam("begins", type_=MOMENT),
            APPOINTMENTS.starts_at < bindparam("ends", type_=MOMENT),
            PATIENTS.locator == bindparam("party", type_=Text) if of_one else true(),
            present_or(filed),
        )
        .order_by(APPOINTMENTS.starts_at, PROVIDERS.name, APPOINTMENTS.id)
    )  # fmt: skip


def _same(columns: Any, key: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that joins what an appointment refers to."""
    return and_(columns.tenant_id == APPOINTMENTS.tenant_id, columns.id == key)


def _changes_of_it() -> tuple[ColumnElement[bool], ...]:
    return (
        HISTORY.tenant_id == APPOINTMENTS.tenant_id, HISTORY.entity == _ENTITY, HISTORY.entity_id == APPOINTMENTS.id,
    )  # fmt: skip


def _last_change() -> Any:
    columns = (HISTORY.action, HISTORY.actor, HISTORY.cause, HISTORY.at)
    newest = select(*columns).where(*_changes_of_it()).order_by(HISTORY.id.desc()).limit(at_most(1))
    return lateral(newest.correlate(table_of(Appointment)), "last")


def _arrived_at() -> ColumnElement[Any]:
    """When a patient who waits has arrived: his last check-in, also where a later move was taken back."""
    arrival = (
        select(HISTORY.at)
        .where(*_changes_of_it(), HISTORY.action == ARRIVE)
        .order_by(HISTORY.id.desc())
        .limit(at_most(1))
    )
    waits = (APPOINTMENTS.status == ARRIVED, arrival.correlate(table_of(Appointment)).scalar_subquery())
    return case(waits, else_=null()).label("arrived_at")


def _missed_before(scoped: bool, filed: bool) -> ColumnElement[Any]:
    year = cast(literal_column(f"'{MISSED_WITHIN.days} days'"), Interval)
    missed = select(func.count()).where(
        _EARLIER.c.tenant_id == APPOINTMENTS.tenant_id,
        _EARLIER.c.patient_id == APPOINTMENTS.patient_id,
        _EARLIER.c.starts_at >= APPOINTMENTS.starts_at - year,
        _EARLIER.c.starts_at < APPOINTMENTS.starts_at,
        _EARLIER.c.status == NO_SHOW,
        within(scoped, _EARLIER.c.clinic_id),
        true() if filed else _EARLIER.c.filed_year == literal_column("0"),
    )
    return missed.correlate(table_of(Appointment)).scalar_subquery().label("missed_before")


@built_once
def state_of_day(scoped: bool, named: bool, filed: bool) -> Select[Any]:
    """What tells whether the list of a clinic's day has changed: one row for a clinic in scope, else none.

    Values: those of scope_of(), `clinic`, its locator, `moment`, `young_since`, and, if `named`, `day`; without it, it
    is the clinic's own today. Unless `filed`, none of its visits can have been filed yet. The columns are those that
    version_of() of the day list takes.
    """
    today = cast(func.timezone(CLINICS.time_zone, bindparam("moment", type_=MOMENT)), Date)
    day = bindparam("day", type_=Date) if named else today
    place = (
        select(CLINICS.id, CLINICS.time_zone, day.label("day"))
        .where(CLINICS.tenant_id == bindparam("tenant"), CLINICS.locator == bindparam("clinic", type_=Text))
        .where(within(scoped, CLINICS.id))
        .subquery("place")
    )
    begins, ends = (
        func.timezone(place.c.time_zone, cast(on, DateTime)) for on in (place.c.day, place.c.day + text("1"))
    )
    seen = lateral(
        select(
            func.count().label("visits"),
            func.coalesce(func.sum(APPOINTMENTS.version + PATIENTS.version), 0).label("versions"),
            func.coalesce(func.sum(APPOINTMENTS.id), 0).label("ids"),
            func.count().filter(_young()).label("young"),
            _ticking(ends).label("ticking"),
        )
        .select_from(table_of(Appointment))
        .join(table_of(Patient), _same(PATIENTS, APPOINTMENTS.patient_id))
        .where(
            APPOINTMENTS.tenant_id == bindparam("tenant"),
            or_(APPOINTMENTS.clinic_id == place.c.id, APPOINTMENTS.clinic_id.is_(None)),
            APPOINTMENTS.starts_at >= begins,
            APPOINTMENTS.starts_at < ends,
            present_or(filed),
        )
        .correlate(place),
        "seen",
    )
    return select(place.c.day, *seen.c).select_from(place.join(seen, true()))


def _young() -> ColumnElement[bool]:
    """That a visit was changed since `young_since`, so that the change may be taken back."""
    return exists().where(*_changes_of_it(), HISTORY.at > bindparam("young_since", type_=MOMENT))


def _ticking(ends: ColumnElement[Any]) -> ColumnElement[bool]:
    """That minutes are told of somebody, who waits or is late, and the day is not over; or that somebody's record is
    restricted, so that who may see why he comes is decided anew at each look.
    """
    moment: ColumnElement[Any] = bindparam("moment", type_=MOMENT)
    late = and_(APPOINTMENTS.status.in_(written_out(MOVABLE)), APPOINTMENTS.starts_at <= moment)
    told = and_(or_(APPOINTMENTS.status == ARRIVED, late), ends > moment)
    return func.coalesce(func.bool_or(or_(told, PATIENTS.confidentiality != NORMAL)), False)
