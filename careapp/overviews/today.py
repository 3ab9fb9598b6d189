"""A clinic's day: who comes, who is here, who was seen and who did not come, with what a front desk works by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from operator import itemgetter

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.disclosure.scope import scope_of
from careapp.errors import NotFound
from careapp.overviews.day_statements import clinics_to_choose, state_of_day
from careapp.overviews.day_visits import Visit, is_meant, read_visits
from careapp.patients.queries import search_patients
from careapp.patients.views import PatientView
from careapp.scheduling.changes import MOVABLE, UNDO_WINDOW
from careapp.scheduling.filing import may_be_filed
from careapp.scheduling.states import ARRIVED, ATTENDED, CANCELLED, IN_PROGRESS, NO_SHOW
from careapp.views import View

# The tabs of the list: what is still to come, who waits, who is being seen, who was, and who did not come. A visit that
# was called off is in none of them, only in the whole list.
GROUPS: dict[str, tuple[str, ...]] = {
    "due": MOVABLE, "arrived": (ARRIVED,), "in-room": (IN_PROGRESS,), "done": (ATTENDED,),
    "missed": (NO_SHOW,),
}  # fmt: skip
FINISHED = (ATTENDED, NO_SHOW, CANCELLED)
EVERYBODY = "all"  # asked for as a provider: not only those of the provider the actor is
OTHERS_AT_ONCE = 8


@dataclass(frozen=True)
class Wanted:
    """Which list: a clinic's locator, a day of its own calendar (None: today), a provider's locator or EVERYBODY
    (None: the provider the actor is, if he is one), and a key of GROUPS (None: all)."""

    clinic: str | None = None
    day: date | None = None
    provider: str | None = None
    group: str | None = None


class DeskClinic(View):
    """A clinic to choose. `at_work`: a provider of the network works there; `own`: the actor himself does."""

    id: int
    locator: str
    name: str
    time_zone: str
    at_work: bool
    own: bool


class Desk(View):
    """Where the actor is: the clinic he has chosen, or the only one it can be, else None; and whose list he wants."""

    clinics: tuple[DeskClinic, ...]
    clinic: DeskClinic | None
    provider: str | None
    provider_name: str | None
    own_provider: str | None


@dataclass(frozen=True)
class Day:
    """A clinic's day as it was at the moment `as_of`; without a clinic, only the clinics to choose from.

    `counts` has a number for each of GROUPS and for EVERYBODY, `visits` are those of the group wanted, `about` is the
    one asked for, wherever it is listed. `providers` are those who have visits, each by locator and name.
    """

    desk: Desk
    day: date
    today: date
    as_of: datetime
    visits: Sequence[Visit] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    providers: Sequence[tuple[str, str]] = ()
    about: Visit | None = None
    version: str = ""

    @property
    def before(self) -> date:
        """The day before."""
        return self.day - timedelta(days=1)

    @property
    def after(self) -> date:
        """The day after."""
        return self.day + timedelta(days=1)


@dataclass(frozen=True)
class Found:
    """What a search at the desk found: visits of the day first, then other patients; `more`: there are still others."""

    desk: Desk
    day: date
    today: date
    as_of: datetime
    visits: Sequence[Visit]
    patients: Sequence[PatientView]
    more: bool


@query(Permission.APPOINTMENT_VIEW)
def get_day(actor: Actor, wanted: Wanted, *, about: str | None = None) -> Day:
    """The list of a clinic's day; raises NotFound for a clinic or provider that is not there."""
    desk, now = read_desk(actor, wanted), clock.now()
    if desk.clinic is None:
        return Day(desk=desk, day=now.date(), today=now.date(), as_of=now)
    day, begins, ends, today = _span(desk.clinic, wanted.day, now)
    visits = read_visits(actor, desk.clinic.id, begins, ends)
    whose = [one for one in visits if desk.provider in (None, one.provider_locator)]
    shown = [one for one in whose if wanted.group is None or one.status in GROUPS[wanted.group]]
    asked = next((one for one in visits if one.locator == about), None)
    _tell(desk.clinic, [*shown, *([asked] if asked else [])])
    return Day(
        desk=desk, day=day, today=today, as_of=now, visits=shown, counts=_counts(whose), about=asked,
        providers=tuple(sorted({(one.provider_locator, one.provider_name) for one in visits}, key=itemgetter(1))),
        version=_version_of_visits(day, visits, ends, now),
    )  # fmt: skip


@query(Permission.APPOINTMENT_VIEW)
def get_day_version(actor: Actor, clinic: str, *, day: date | None = None) -> str | None:
    """The version of a day's list alone, in one statement; None for a clinic that is not there.

    It changes with every change of a visit or of its patient, when the time to take one back is over, and every minute
    while somebody waits or is late, or somebody's record is restricted.
    """
    now = clock.now()
    given = {"clinic": clinic, "moment": now, "young_since": now - UNDO_WINDOW, **({"day": day} if day else {})}
    filed = day is not None and may_be_filed(datetime.combine(day, time.min, UTC) - timedelta(days=1))  # in any zone
    statement = state_of_day(actor.clinic_ids is not None, day is not None, filed)
    row = db.session.execute(statement, {**scope_of(actor), **given}).one_or_none()
    return _version(row.day, row.visits, row.versions, row.ids, row.young, row.ticking, now) if row else None


@query(Permission.PATIENT_VIEW)
def find_at_desk(
    actor: Actor, wanted: Wanted, *, name: str | None = None, birth_date: date | None = None,
    locator: str | None = None, phone: str | None = None,
) -> Found:  # fmt: skip
    """Who is meant at the desk: the day's visits that match, then other patients. Raises NotFound for a clinic that is
    not there, and Invalid when nothing is given to search by.
    """
    desk, now = read_desk(actor, wanted), clock.now()
    others = search_patients(
        actor, name=name, birth_date=birth_date, locator=locator, phone=phone, limit=OTHERS_AT_ONCE
    )
    reached = {one.locator for one in others.items if phone}  # the list itself knows nobody's phone number
    visits: list[Visit] = []
    day = today = now.date()
    if desk.clinic is not None:
        day, begins, ends, today = _span(desk.clinic, wanted.day, now)
        listed = read_visits(actor, desk.clinic.id, begins, ends)
        visits = [
            one
            for one in listed
            if one.party_locator in reached or (not phone and is_meant(one, name, birth_date, locator))
        ]
        _tell(desk.clinic, visits)
    here = {one.party_locator for one in visits}
    return Found(
        desk=desk, day=day, today=today, as_of=now, visits=visits,
        patients=[one for one in others.items if one.locator not in here], more=others.next_cursor is not None,
    )  # fmt: skip


def read_desk(actor: Actor, wanted: Wanted) -> Desk:
    """The clinics to choose from and the choice; to be asked inside a query. Raises NotFound.

    Without a choice it is the clinic a clinician works at, else the only one, else the only one at work.
    """
    asked = wanted.provider if wanted.provider != EVERYBODY else None
    given = {"clinic": wanted.clinic, "own": actor.provider_id, "provider": asked}
    statement = clinics_to_choose(actor.clinic_ids is not None, own=bool(actor.provider_id), asked=bool(asked))
    rows = db.session.execute(statement, {**scope_of(actor), **given}).all()
    clinics = DeskClinic.of_each(rows)
    chosen = next((one for one in clinics if one.locator == wanted.clinic), None)
    if (wanted.clinic and chosen is None) or (asked and rows and rows[0].asked_name is None):
        raise NotFound()
    own = (rows[0].own_locator, rows[0].own_name) if rows else (None, None)
    whose = (asked, rows[0].asked_name) if asked and rows else own if wanted.provider is None else (None, None)
    return Desk(
        clinics=clinics, clinic=chosen or _only(clinics), provider=whose[0], provider_name=whose[1], own_provider=own[0]
    )


def _span(clinic: DeskClinic, day: date | None, now: datetime) -> tuple[date, datetime, datetime, date]:
    """The day asked for, else today, where it begins and ends, and which day is today at the clinic."""
    today = clock.local(now, clinic.time_zone).date()
    return (day or today, *clock.span_of(day or today, clinic.time_zone), today)


def _only(clinics: Sequence[DeskClinic]) -> DeskClinic | None:
    """The one clinic it can be."""
    candidates: tuple[list[DeskClinic], ...] = (
        [one for one in clinics if one.own], list(clinics), [one for one in clinics if one.at_work],
    )  # fmt: skip
    return next((some[0] for some in candidates if len(some) == 1), None)


def _counts(visits: Iterable[Visit]) -> dict[str, int]:
    statuses = [one.status for one in visits]
    counts = {name: sum(one in states for one in statuses) for name, states in GROUPS.items()}
    return {**counts, EVERYBODY: len(statuses)}


def _tell(clinic: DeskClinic, visits: Iterable[Visit]) -> None:
    record_read("day.list", clinic.locator, patients=tuple(sorted({one.party_locator for one in visits})))


def _version_of_visits(day: date, visits: Sequence[Visit], ends: datetime, now: datetime) -> str:
    """The version of a list that was read whole; get_day_version() gives the same."""
    young = sum(one.at is not None and one.at > now - UNDO_WINDOW for one in visits)
    ticking = any(
        one.restricted or (ends > now and (one.status == ARRIVED or (one.status in MOVABLE and one.starts_at <= now)))
        for one in visits
    )
    versions, ids = sum(one.version + one.patient_version for one in visits), sum(one.id for one in visits)
    return _version(day, len(visits), versions, ids, young, ticking, now)


def _version(day: date, visits: int, versions: int, ids: int, young: int, ticking: bool, now: datetime) -> str:
    minute = int(now.timestamp() // 60) if ticking else 0
    return f"{day}.{visits}.{versions}.{ids}.{young}.{minute}"
