"""Zones: on whose clock an overview tells its times."""

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, FromClause, ScalarSelect, Select, and_, bindparam, func, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from careapp.access import Actor, Permission
from careapp.clinics.models import Clinic
from careapp.commands import query
from careapp.db import at_most, db, table_of
from careapp.disclosure.scope import within
from careapp.episodes.models import EPISODES, Episode
from careapp.operations.models import TENANTS
from careapp.scheduling.models import APPOINTMENTS, Appointment

Columns = ReadOnlyColumnCollection[str, Any]

PLACE: FromClause = table_of(Clinic).alias("place")  # the rows it joins have a subquery over clinics of their own


def tenant_zone(tenant_id: int | BindParameter[int]) -> ScalarSelect[Any]:
    """The zone of what belongs to no clinic, as a column."""
    return select(TENANTS.time_zone).where(TENANTS.id == tenant_id).scalar_subquery()


def read_tenant_zone(actor: Actor) -> str:
    """The zone of what belongs to no clinic; to be asked inside a query."""
    return str(db.session.execute(select(tenant_zone(actor.tenant_id))).scalar_one())


@query(Permission.DIRECTORY_VIEW)
def get_tenant_zone(actor: Actor) -> str:
    """The zone of what belongs to no clinic, for a page that reads nothing else of the kind."""
    return read_tenant_zone(actor)


@query(Permission.EMERGENCY_REVIEW)
def get_zone_for_review(actor: Actor) -> str:
    """The same, for a page of those who review."""
    return read_tenant_zone(actor)


def at_place(rows: Columns) -> ColumnElement[bool]:
    """The condition that joins PLACE to slots or appointments, `rows` being their columns."""
    return and_(PLACE.c.tenant_id == rows.tenant_id, PLACE.c.id == rows.clinic_id)


def with_place(statement: Select[Any], rows: Columns, tenant_id: int | BindParameter[int]) -> Select[Any]:
    """The slots or appointments with `clinic_name` and `zone`: their clinic's, else the tenant's."""
    zone = func.coalesce(PLACE.c.time_zone, tenant_zone(tenant_id))
    return statement.outerjoin(PLACE, at_place(rows)).add_columns(PLACE.c.name.label("clinic_name"), zone.label("zone"))


def episode_zone(scoped: bool) -> ColumnElement[Any]:
    """The zone of each episode as a column: that of the last appointment in the actor's scope, else the tenant's. The
    values are those of scope_of().

    Whatever is shown or typed inside an episode and belongs to no appointment, such as when a referral is seen to, is
    on this clock.
    """
    last = (
        select(PLACE.c.time_zone)
        .select_from(table_of(Appointment).outerjoin(PLACE, at_place(APPOINTMENTS)))
        .where(
            APPOINTMENTS.tenant_id == EPISODES.tenant_id,
            APPOINTMENTS.episode_id == EPISODES.id,
            within(scoped, APPOINTMENTS.clinic_id),
        )
        .order_by(APPOINTMENTS.starts_at.desc(), APPOINTMENTS.id.desc())
        .limit(at_most(1))
        .correlate(table_of(Episode))
    )
    return func.coalesce(last.scalar_subquery(), tenant_zone(bindparam("tenant")))
