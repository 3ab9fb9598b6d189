"""The dashboard of a clinic: today's load, free places this week, no-shows over twelve weeks, ageing referrals.

One statement for the clinics and one for each figure, whatever the size of the clinic. Nobody's record is opened by a
count, so no read of a patient is kept.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Row

from careapp import clock
from careapp.access import Actor, Permission
from careapp.clinics.views import ClinicView
from careapp.commands import query
from careapp.db import db
from careapp.disclosure.scope import scope_of
from careapp.errors import NotFound
from careapp.overviews import dashboard_statements as statements
from careapp.overviews.dashboard_referrals import read_ageing
from careapp.overviews.dashboard_views import (
    Choice,
    Dashboard,
    Hour,
    Places,
    ProviderToday,
    ProviderWeek,
    Visits,
    WeekOfVisits,
)
from careapp.overviews.today import GROUPS

WEEKS = 12  # whole weeks the no-show rate is told for
LATEST = 4  # of them, which are compared with those before
_KINDS = {"due": "due", "arrived": "waiting", "in-room": "in_room", "done": "done", "missed": "missed"}
HOW_FAR = {status: _KINDS[group] for group, statuses in GROUPS.items() for status in statuses}


@query(Permission.APPOINTMENT_VIEW)
def get_dashboard(actor: Actor, *, clinic: str | None = None) -> Choice:
    """The figures of this clinic; without one, of that of the provider the actor is, else of the first by name.

    Raises NotFound for a clinic that is not there or not in the actor's scope.
    """
    values = {**scope_of(actor), "wanted": clinic, "own": actor.provider_id}
    rows = db.session.execute(statements.clinics(actor.clinic_ids is not None), values).all()
    if clinic is not None and (not rows or rows[0].locator != clinic):
        raise NotFound()
    if not rows:
        return Choice(clinics=[], dashboard=None)
    offered = [row for row in rows if row.at_work or row is rows[0]] if any(row.at_work for row in rows) else rows
    by_name = sorted(offered, key=lambda row: (row.name, row.id))
    return Choice(clinics=ClinicView.of_each(by_name), dashboard=_figures(actor, rows[0]))


def _figures(actor: Actor, clinic: Row[Any]) -> Dashboard:
    zone, now = clinic.time_zone, clock.now()
    today = clock.local(now, zone).date()
    monday = today - timedelta(days=today.weekday())
    values = {"tenant": actor.tenant_id, "clinic": clinic.id, "moment": now}
    rows = db.session.execute(statements.visits_by_hour(), {**values, **_days(today, 1, zone), "zone": zone}).all()
    return Dashboard(
        clinic=ClinicView.of(clinic), now=now, today=today, monday=monday,
        hours=list(_by_hour(rows)), providers=_by_provider(rows), capacity=_capacity(values, monday, zone),
        weeks=_weeks(values, monday, zone),
        referrals=read_ageing(actor, values, today, zone) if actor.may(Permission.REFERRAL_VIEW) else None,
    )  # fmt: skip


def _days(first: date, count: int, zone: str, *, step: int = 1) -> dict[str, Any]:
    """The instants at which `count` spans of `step` days begin and the last one ends, on the clock of `zone`."""
    bounds = [
        datetime.combine(first + timedelta(days=number * step), time(), clock.zone(zone)) for number in range(count + 1)
    ]
    return {"first": bounds[0], "last": bounds[-1], "bounds": bounds[:-1]}


def _visits(row: Row[Any]) -> Visits:
    """What one row of counts adds."""
    kind = HOW_FAR[row.status]
    return Visits(**{kind: row.number, "late": row.begun if kind == "due" else 0})


def _by_hour(rows: Sequence[Row[Any]]) -> Iterator[Hour]:
    """Every hour from the first with a visit to the last one."""
    hours = {row.hour for row in rows}
    for hour in range(min(hours), max(hours) + 1) if hours else ():
        yield Hour(hour=hour, visits=sum((_visits(row) for row in rows if row.hour == hour), Visits()))


def _by_provider(rows: Sequence[Row[Any]]) -> list[ProviderToday]:
    """The providers by name."""
    names = {row.locator: row.name for row in rows}
    return [
        ProviderToday(
            locator=locator, name=name, visits=sum((_visits(row) for row in rows if row.locator == locator), Visits())
        )
        for locator, name in sorted(names.items(), key=lambda pair: (pair[1], pair[0]))
    ]


def _capacity(values: dict[str, Any], monday: date, zone: str) -> list[ProviderWeek]:
    """The places of the week by provider, each with seven days."""
    rows = db.session.execute(statements.places_by_day(), {**values, **_days(monday, 7, zone)}).all()
    names = {row.locator: row.name for row in rows}
    found = {(row.locator, row.day): Places.of(row) for row in rows}
    return [
        ProviderWeek(
            locator=locator, name=name, days=[found.get((locator, number), Places()) for number in range(1, 8)]
        )
        for locator, name in names.items()
    ]


def _weeks(values: dict[str, Any], monday: date, zone: str) -> list[WeekOfVisits]:
    """The weeks before the present one."""
    first = monday - timedelta(weeks=WEEKS)
    rows = db.session.execute(statements.visits_by_week(), {**values, **_days(first, WEEKS, zone, step=7)}).all()
    found = {row.week: row for row in rows}
    return [
        WeekOfVisits(monday=first + timedelta(weeks=number), attended=row.attended, missed=row.missed)
        if (row := found.get(number + 1))
        else WeekOfVisits(monday=first + timedelta(weeks=number))
        for number in range(WEEKS)
    ]
