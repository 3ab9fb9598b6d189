"""The visits of a clinic's day: what a row of its list shows of each, and whether a search means it."""

from datetime import date, datetime
from operator import itemgetter
from typing import NamedTuple

from careapp.access import Actor, Permission
from careapp.db import db
from careapp.disclosure import reading
from careapp.disclosure.rules import WITHHELD
from careapp.disclosure.scope import scope_of
from careapp.overviews.day_statements import MISSED_WITHIN, visits_of_day
from careapp.patients.names import words, words_to_find
from careapp.patients.queries import locators_meant
from careapp.scheduling.changes import undoable
from careapp.scheduling.filing import may_be_filed


class Visit(NamedTuple):
    """One appointment of the day. `action`, `at`, `staff_name` and `actor` tell of its last change: what, when, who.

    `missed_before` is how often the patient did not come in the year before. A tuple, as a busy day has hundreds, each
    made, hashed and compared whenever its list is read (`web/drawn.py`).
    """

    id: int
    locator: str
    episode_locator: str
    episode_open: bool
    care_type: str
    party_locator: str
    patient_name: str
    birth_date: date | None
    phone: str | None
    patient_version: int
    restricted: bool
    provider_locator: str
    provider_name: str
    starts_at: datetime
    ends_at: datetime
    type: str | None
    status: str
    category: str | None
    version: int
    action: str | None
    actor: str | None
    staff_name: str | None
    at: datetime | None
    arrived_at: datetime | None
    missed_before: int
    can_undo: bool


def read_visits(
    actor: Actor, clinic_id: int, begins: datetime, ends: datetime, *, party: str | None = None
) -> list[Visit]:
    """A clinic's visits that begin in a span, all or one patient's; to be asked inside a query that records it."""
    given = {**scope_of(actor), "clinic": clinic_id, "begins": begins, "ends": ends}
    if party:
        given["party"] = party
    filed = may_be_filed(begins - MISSED_WITHIN)
    rows = db.session.execute(visits_of_day(actor.clinic_ids is not None, party is not None, filed), given).all()
    if not rows:
        return []
    *of_row, _ = Visit._fields
    columns = itemgetter(*map(rows[0]._fields.index, of_row))
    may_move, visits = actor.may(Permission.APPOINTMENT_MOVE), []
    for row in reading.look(actor, rows):
        can_undo = may_move and row.episode_open and undoable(actor, row)
        visit = Visit._make((*columns(row), can_undo))
        visits.append(visit if reading.sees(actor, row) else visit._replace(care_type=WITHHELD))
    return visits


def is_meant(visit: Visit, name: str | None, birth_date: date | None, locator: str | None) -> bool:
    """Whether a search means this visit's patient, by the rules of search_patients(); or names the visit itself."""
    if name and name.upper() in (visit.locator, visit.episode_locator):
        return True
    known = words_to_find(visit.patient_name)
    return (
        (birth_date is None or visit.birth_date == birth_date)
        and (locator is None or visit.party_locator in locators_meant(locator))
        and all(any(word.startswith(begun) for word in known) for begun in words(name or ""))
    )
