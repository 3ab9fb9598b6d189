"""Filing: appointments of episodes long over leave what everybody works with, each for the partition of its year.

Nothing of an appointment changes by it, so nobody is told, and its version stays. In an ended episode nothing moves any
more: what is filed is only ever read, or blanked when its patient is erased.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, Select, Update, any_, bindparam, cast, func, select, true, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from careapp import clock, commands
from careapp.clinics.models import CLINICS
from careapp.db import at_most, db, sqlstate, table_of, written_out
from careapp.episodes.models import EPISODES, Episode
from careapp.episodes.states import OPEN
from careapp.scheduling.models import APPOINTMENTS, IS_PRESENT, Appointment
from careapp.scheduling.states import ACTIVE

AFTER = timedelta(days=400)  # more than a year, so that what is counted over one is all present
READ_AT_ONCE = 10_000  # appointments
EPISODES_AT_A_TIME = 200  # a short transaction each, so that nobody waits
FIRST_YEAR = 1900  # as make_appointment_year() has it

_YEAR = cast(func.extract("year", func.timezone("UTC", APPOINTMENTS.starts_at)), Integer)
_OLD = (
    APPOINTMENTS.tenant_id == bindparam("tenant"), IS_PRESENT, APPOINTMENTS.starts_at < bindparam("before"),
    APPOINTMENTS.status.not_in(written_out(ACTIVE)),
)  # fmt: skip
_ENDED = (EPISODES.tenant_id == bindparam("tenant"), EPISODES.status != OPEN, EPISODES.closed_at < bindparam("before"))


class Old(NamedTuple):
    """An appointment that can be filed: its episode, and its year on UTC's calendar."""

    episode_id: int
    year: int


def may_be_filed(moment: datetime) -> bool:
    """Whether a visit that began at this moment or later can have been filed; else all there are are present."""
    return moment < clock.now() - AFTER


def present_or(filed: bool) -> ColumnElement[bool]:
    """The condition on appointments that are present; with what is `filed`, on any."""
    return true() if filed else IS_PRESENT


def waiting(tenant_id: int) -> list[Old]:
    """Appointments of the tenant that can be filed now: all, or as many as are read at once."""
    with commands.system_transaction(tenant_id):
        return [Old(*row) for row in db.session.execute(_waiting(), _given(tenant_id))]


def file(tenant_id: int, episodes: Sequence[int], years: Collection[int]) -> int:
    """File the appointments of these episodes that are of these years, whose partitions are there; returns how many.

    An episode that somebody has locked, or something it points at, stays for the next time.
    """
    filed, left = 0, iter(dict.fromkeys(episodes))
    while some := list(islice(left, EPISODES_AT_A_TIME)):
        given = {**_given(tenant_id), "episodes": some, "years": list(years)}
        try:
            with commands.system_transaction(tenant_id):
                filed += len(db.session.execute(_filing(), given).all())
        except DBAPIError as error:
            if sqlstate(error) not in (commands.LOCK_TIMEOUT, commands.DEADLOCK, commands.SERIALIZATION):
                raise
    return filed


def _given(tenant_id: int) -> dict[str, Any]:
    before: datetime = clock.now() - AFTER
    return {"tenant": tenant_id, "before": before}


def _waiting() -> Select[Any]:
    """By an index, clinic after clinic: few, where this runs each day. Not sorted, so none is read in vain."""
    rows = select(APPOINTMENTS.episode_id, _YEAR.label("year")).where(*_OLD, _YEAR >= FIRST_YEAR)
    clinics = select(CLINICS.id).where(CLINICS.tenant_id == bindparam("tenant"))
    parts = rows.where(APPOINTMENTS.clinic_id.in_(clinics)), rows.where(APPOINTMENTS.clinic_id.is_(None))
    old = union_all(*parts).subquery("old")
    ended = select(old).join(table_of(Episode), EPISODES.id == old.c.episode_id).where(*_ENDED)
    return ended.limit(at_most(READ_AT_ONCE))


def _filing() -> Update:
    """Locks the episodes first, as every change of their appointments does."""
    wanted = EPISODES.id == any_(bindparam("episodes", type_=ARRAY(EPISODES.id.type)))
    locked = select(EPISODES.id).where(*_ENDED, wanted).order_by(EPISODES.id)
    ended = locked.with_for_update(skip_locked=True).cte("ended")
    years = any_(bindparam("years", type_=ARRAY(Integer)))
    return (
        table_of(Appointment)
        .update()
        .where(*_OLD, APPOINTMENTS.episode_id.in_(select(ended.c.id)), years == _YEAR)
        .values(filed_year=_YEAR)
        .returning(APPOINTMENTS.id)
    )
