"""Filing: appointments of episodes long over leave what everybody works with, each for the partition of its year.

Nothing of an appointment changes by it, so nobody is told, and its version stays. In an ended episode nothing moves any
more: what is filed is only ever read, or blanked when its patient is erased.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Update,
    any_,
    bindparam,
    cast,
    func,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from careapp import clock, commands
from careapp.clinics.models import CLINICS
from careapp.db import at_most, db, table_of
from careapp.episodes.models import EPISODES, Episode
from careapp.episodes.states import OPEN
from careapp.scheduling.models import APPOINTMENTS, IS_PRESENT, Appointment

AFTER = timedelta(days=400)  # more than a year, so that what is counted over one is all present
EPISODES_AT_A_TIME = 200  # a short transaction each, so that nobody waits

_YEAR = cast(func.extract("year", func.timezone("UTC", APPOINTMENTS.starts_at)), Integer)
_YEARS = any_(bindparam("years", type_=ARRAY(Integer)))
_ENDED = (EPISODES.tenant_id == bindparam("tenant"), EPISODES.status != OPEN, EPISODES.closed_at < bindparam("before"))


def may_be_filed(moment: datetime) -> bool:
    """Whether a visit that began at this moment or later can have been filed; else all there are are present."""
    return moment < clock.now() - AFTER


def present_or(filed: bool) -> ColumnElement[bool]:
    """The condition on appointments that are present; with what is `filed`, on any."""
    return true() if filed else IS_PRESENT


def years_to_file(tenant_id: int) -> list[int]:
    """The years, on UTC's calendar, of the tenant's appointments that can be filed now, in their order."""
    old = _old().subquery("old")
    ended = select(old.c.year).join(table_of(Episode), EPISODES.id == old.c.episode_id).where(*_ENDED)
    with commands.system_transaction(tenant_id):
        return sorted(db.session.scalars(ended.distinct(), _given(tenant_id)).all())


def file(tenant_id: int, years: Collection[int]) -> int:
    """File the tenant's appointments of these years, whose partitions are there, and return how many.

    An episode that somebody has locked stays for the next time.
    """
    filed, given = 0, {**_given(tenant_id), "years": list(years)}
    while years:
        with commands.system_transaction(tenant_id):
            moved = len(db.session.execute(_filing(), given).all())
        if not moved:
            break
        filed += moved
    return filed


def _given(tenant_id: int) -> dict[str, Any]:
    before: datetime = clock.now() - AFTER
    return {"tenant": tenant_id, "before": before}


def _old() -> CompoundSelect[Any]:
    """Present appointments from before `before`: few, where this runs each day. By an index, clinic after clinic."""
    rows = select(APPOINTMENTS.episode_id, _YEAR.label("year")).where(
        APPOINTMENTS.tenant_id == bindparam("tenant"), IS_PRESENT, APPOINTMENTS.starts_at < bindparam("before")
    )
    clinics = select(CLINICS.id).where(CLINICS.tenant_id == bindparam("tenant"))
    return union_all(rows.where(APPOINTMENTS.clinic_id.in_(clinics)), rows.where(APPOINTMENTS.clinic_id.is_(None)))


def _filing() -> Update:
    """Locks the episodes first, as every change of their appointments does."""
    old = _old().subquery("old")
    wanted = select(old.c.episode_id).where(old.c.year == _YEARS)
    locked: Select[Any] = select(EPISODES.id).where(*_ENDED, EPISODES.id.in_(wanted)).order_by(EPISODES.id)
    ended = locked.limit(at_most(EPISODES_AT_A_TIME)).with_for_update(skip_locked=True).cte("ended")
    return (
        table_of(Appointment)
        .update()
        .where(
            APPOINTMENTS.tenant_id == bindparam("tenant"), IS_PRESENT, APPOINTMENTS.episode_id.in_(select(ended.c.id)),
            APPOINTMENTS.starts_at < bindparam("before"), _YEAR == _YEARS,
        )
        .values(filed_year=_YEAR)
        .returning(APPOINTMENTS.id)
    )  # fmt: skip
