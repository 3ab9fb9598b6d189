"""Ageing referrals of a clinic: how old the open ones are, and how many are overdue.

A referral counts at the clinic of its episode's last appointment in the actor's scope, where the referral board shows
it as well.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, select

from careapp import clock
from careapp.access import Actor
from careapp.db import at_most, db, table_of, written_out
from careapp.disclosure.scope import scope_of, within
from careapp.kept import built_once
from careapp.overviews.dashboard_statements import BOUNDS, CLINIC, NOW, TENANT
from careapp.overviews.dashboard_views import AgeClass, Ageing, PriorityClass
from careapp.referrals.models import REFERRALS, Referral
from careapp.referrals.states import BOOKED, OPEN, PRIORITIES
from careapp.scheduling.models import APPOINTMENTS, IS_PRESENT

AGES = ((0, 7), (8, 14), (15, 30), (31, None))  # days since it was made, first and last of each class


def read_ageing(actor: Actor, values: dict[str, Any], today: date, zone: str) -> Ageing:
    """The open referrals of the clinic in `values` (clinic, moment), in days of its calendar; inside a query."""
    statement = _open_referrals(actor.clinic_ids is not None)
    rows = db.session.execute(statement, {**values, **scope_of(actor), "bounds": _bounds(today, zone)}).all()
    return Ageing(ages=_ages(rows), priorities=_priorities(rows))


@built_once
def _open_referrals(scoped: bool) -> Select[Any]:
    """Open referrals by priority, status and age class (0 is the oldest), with how many are overdue at `moment`.

    The literal statuses let the planner use the index of open referrals.
    """
    last_place = (
        select(APPOINTMENTS.clinic_id)
        .where(APPOINTMENTS.tenant_id == REFERRALS.tenant_id, APPOINTMENTS.episode_id == REFERRALS.episode_id)
        .where(IS_PRESENT, within(scoped, APPOINTMENTS.clinic_id))
        .order_by(APPOINTMENTS.starts_at.desc(), APPOINTMENTS.id.desc())
        .limit(at_most(1))
        .correlate(table_of(Referral))
        .scalar_subquery()
    )
    opened = (
        select(REFERRALS.priority, REFERRALS.status, REFERRALS.referred_at, REFERRALS.due_at)
        .add_columns(last_place.label("place"))
        .where(REFERRALS.tenant_id == TENANT, REFERRALS.status.in_(written_out(OPEN)))
        .subquery()
    )
    age = func.width_bucket(opened.c.referred_at, BOUNDS)
    return (
        select(
            opened.c.priority, opened.c.status, age.label("age"), func.count().label("number"),
            func.count().filter(opened.c.due_at < NOW).label("overdue"),
        )
        .where(opened.c.place == CLINIC)
        .group_by(opened.c.priority, opened.c.status, age)
    )  # fmt: skip


def _bounds(today: date, zone: str) -> list[datetime]:
    """Where the classes begin, the oldest first; what is older than all of them belongs to the class without end."""
    return [
        datetime.combine(today - timedelta(days=last), time(), clock.zone(zone))
        for _, last in reversed(AGES) if last is not None
    ]  # fmt: skip


def _ages(rows: Sequence[Row[Any]]) -> list[AgeClass]:
    """The classes from the youngest to the oldest."""
    found = []
    for place, (first, last) in enumerate(reversed(AGES)):
        of_class = [row for row in rows if row.age == place]
        booked = sum(row.number for row in of_class if row.status == BOOKED)
        waiting = sum(row.number for row in of_class) - booked
        found.append(AgeClass(first=first, last=last, waiting=waiting, booked=booked))
    return found[::-1]


def _priorities(rows: Sequence[Row[Any]]) -> list[PriorityClass]:
    """The priorities, the most urgent one first."""
    return [
        PriorityClass(
            priority=name,
            open=sum(row.number for row in rows if row.priority == name),
            overdue=sum(row.overdue for row in rows if row.priority == name),
        )
        for name in reversed(PRIORITIES)
    ]
