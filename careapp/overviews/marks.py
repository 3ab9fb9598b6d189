"""Marks: a short text that differs whenever something of a tenant, or of one episode, has changed; live pages go by it.

It is made of the newest status changes, since all that happens to care appends one: opening and ending an episode,
booking, every move, a move to another time, taking a move back, referring, prescribing. The highest number alone would
not do: numbers are given out before the commit, so a change may appear below one that was seen already. The sum of the
newest NEWEST numbers grows with each of them, as a higher number pushes the lowest out, wherever it comes in.
"""

from typing import Any

from sqlalchemy import Row, Select, Subquery, bindparam, func, select

from careapp import clock
from careapp.db import at_most, table_of
from careapp.disclosure.rules import NORMAL
from careapp.episodes.models import EPISODES, Episode
from careapp.kept import built_once
from careapp.lifecycle import HISTORY, StatusChange
from careapp.patients.models import PATIENTS, Patient

# More changes than can be on their way in one tenant between a number and its commit; but for a command that changes
# hundreds of slots: it can hide one that was on its way before it, until the next change or quarter of an hour.
NEWEST = 64
# In seconds. Slots begin and end on quarters of an hour, and what is overdue changes with the clock.
MINUTE, QUARTER = 60, 900


@built_once
def mark_of_tenant() -> Select[Any]:
    """The columns `newest` and `total` of a tenant's changes (`tenant`): the end of one index, however long it is."""
    mine = HISTORY.tenant_id == bindparam("tenant")
    return _mark(
        select(HISTORY.id).where(mine).order_by(HISTORY.id.desc()).limit(at_most(NEWEST)).subquery("newest_changes")
    )


@built_once
def mark_of_episode() -> Select[Any]:
    """The same of one episode (`tenant`, `locator`), with how many changes are younger than `undoable_since`, as its
    page offers to take a change back for some minutes; and its patient's version and whether he is `restricted`.
    """
    changes = (
        select(HISTORY.id, HISTORY.at)
        .join_from(table_of(Episode), table_of(StatusChange), HISTORY.episode_id == EPISODES.id)
        .where(HISTORY.tenant_id == bindparam("tenant"))
        .where(EPISODES.tenant_id == bindparam("tenant"), EPISODES.locator == bindparam("locator"))
        .order_by(HISTORY.id.desc())
        .limit(at_most(NEWEST))
        .subquery("newest_changes")
    )
    young = func.count().filter(changes.c.at > bindparam("undoable_since")).label("young")
    patient = (
        select(PATIENTS.version.label("patient_version"), (PATIENTS.confidentiality != NORMAL).label("restricted"))
        .select_from(table_of(Episode))
        .join(table_of(Patient), (PATIENTS.tenant_id == EPISODES.tenant_id) & (PATIENTS.id == EPISODES.patient_id))
        .where(EPISODES.tenant_id == bindparam("tenant"), EPISODES.locator == bindparam("locator"))
        .subquery("its_patient")
    )
    his = [select(one).scalar_subquery().label(one.name) for one in patient.c]
    return _mark(changes).add_columns(young, *his)


def _mark(changes: Subquery) -> Select[Any]:
    total = func.coalesce(func.sum(changes.c.id), 0)
    return select(func.coalesce(func.max(changes.c.id), 0).label("newest"), total.label("total"))


def mark(row: Row[Any], *more: object) -> str:
    """The text: the newest change's number first, then what else the page depends on."""
    return "-".join(str(one) for one in (row.newest, row.total, *more))


def mark_now(row: Row[Any]) -> str:
    """The mark of a page that depends on the clock by QUARTER besides."""
    return mark(row, int(clock.now().timestamp()) // QUARTER)


def newest_in(text: str | None) -> int | None:
    """The number of the newest change that a mark knew; None for no mark, or for one that is none of ours."""
    number = (text or "").split("-")[0]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else None
