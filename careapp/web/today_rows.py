"""How a visit of the day list is told: who is late or waits, who did what, and which moves stand openly in its row."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from markupsafe import Markup, escape

from careapp import clock
from careapp.lifecycle import Transition
from careapp.overviews.day_visits import Visit
from careapp.overviews.today import GROUPS, Day, Found
from careapp.patients.contacts import dialled
from careapp.web.context import may, moves_of, not_yet
from careapp.web.drawn import TOKEN_MARK
from careapp.web.language import gettext as _
from careapp.web.language import once_a_language
from careapp.web.times import local_time, near_date
from careapp.web.words import words

LONG_WAIT, VERY_LONG_WAIT = 15, 30  # minutes
OFTEN_MISSED = 2  # visits in a year, from which on it is said

# Which moves stand openly in a row, the likeliest first; the others are under "More".
HERE = ("arrive", "start", "attend")
OPENLY = {"past": ("attend", "no-show"), "future": ("confirm", "accept"), "late": ("arrive", "no-show")}
EXPECTED = ("arrive", "confirm")

PHONE_MARK = "\ue004"

Moves = tuple[Transition, ...]


@dataclass(frozen=True)
class Mark:
    """A short remark with a tone: "" for none, "long" and "urgent"."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class MarkedVisit:
    """A visit with a mark, a private character, wherever visits of one kind differ; and one for the CSRF token.

    `phone` is None for who has none; `dialled` is the same number as a machine takes it.
    """

    can_move: bool
    can_undo: bool
    phone: str | None
    dialled: str = "\ue005"
    locator: str = "\ue001"
    version: str = "\ue002"
    patient_name: str = "\ue003"
    token: str = TOKEN_MARK


def mark_of(visit: Visit, shown: Day | Found) -> Mark | None:
    """That somebody is late, or how long he has been waiting; on a past day, that nobody has said what became of it."""
    if visit.status in GROUPS["due"]:
        if shown.day < shown.today:
            return Mark(_("Still open"), "urgent")
        late = _minutes(visit.starts_at, shown.as_of)
        return _late(late) if late > 0 else None
    if visit.arrived_at is None:
        return None
    if shown.day < shown.today:
        return Mark(_("Still open"), "urgent")
    return _waiting(_minutes(visit.arrived_at, shown.as_of))


@once_a_language
def _late(minutes: int) -> Mark:
    return Mark(_("%(span)s late", span=span(minutes)), "long")


@once_a_language
def _waiting(minutes: int) -> Mark:
    if minutes >= VERY_LONG_WAIT:
        return Mark(_("Very long wait: %(span)s", span=span(minutes)), "urgent")
    if minutes >= LONG_WAIT:
        return Mark(_("Long wait: %(span)s", span=span(minutes)), "long")
    return Mark(_("Waits %(span)s", span=span(minutes)) if minutes else _("Just arrived"))


def span(minutes: int) -> str:
    """`12 min`, or `2 h 5 min`."""
    if minutes < 60:
        return _("%(minutes)s min", minutes=minutes)
    return _("%(hours)s h %(minutes)s min", hours=minutes // 60, minutes=minutes % 60)


def done_by(visit: Visit, zone: str, today: date) -> str:
    """`Checked in by Ma Hla, 09:12`: the last change, by whom and when; with its day where that is not today."""
    if visit.action is None or visit.at is None:
        return ""
    at = local_time(visit.at, zone)
    if clock.local(visit.at, zone).date() != today:
        at = near_date(visit.at, zone)
    if visit.staff_name:
        return _("%(done)s by %(who)s, %(when)s", done=words(visit.action), who=visit.staff_name, when=at)
    return _("%(done)s, %(when)s", done=words(visit.action), when=at)


def moves_in_row(visit: Visit, shown: Day | Found) -> tuple[Moves, Moves]:
    """The moves that stand as buttons in a visit's row, the likeliest first, and the others: none once its episode has
    ended, and none that it is too early for.
    """
    hidden, offered = _hidden(visit, shown), moves_of("appointment", visit.status) if visit.episode_open else ()
    moves = {one.name: one for one in offered if one.name not in hidden}
    openly = tuple(moves[name] for name in _likely(visit, shown) if name in moves)
    return openly, tuple(one for one in moves.values() if one not in openly)


class RowMoves:
    """The buttons of the visits of a page: as a template draws them, once for each kind of visit.

    Visits of one kind differ in whom they are about. Where the drawing has a mark, each gets its own, escaped.
    """

    def __init__(self, draw: Callable[..., Markup], query: str, categories: Sequence[str], prefix: str = "") -> None:
        """`query`: what follows addresses. `categories`: who may have called a visit off. `prefix`: what ids begin with
        where a visit stands on the page twice.
        """
        self._draw, self._key, self._same = draw, prefix + MarkedVisit.locator, (query, categories)
        self._drawn: dict[object, Markup] = {}

    def of_kind(self, visit: Visit, shown: Day | Found) -> Markup:
        """The buttons of all visits of this one's kind, with marks."""
        kind = (  # all that decides the moves
            visit.status, visit.episode_open, visit.can_undo, bool(visit.phone),
            _likely(visit, shown), _hidden(visit, shown),
        )  # fmt: skip
        if kind not in self._drawn:
            marked = MarkedVisit(_may_go(visit), visit.can_undo, PHONE_MARK if visit.phone else None)
            self._drawn[kind] = self._draw(marked, self._key, *moves_in_row(visit, shown), *self._same)
        return self._drawn[kind]

    def __call__(self, visit: Visit, shown: Day | Found) -> Markup:
        """The buttons of one visit."""
        return of_visit(self.of_kind(visit, shown), visit)


def of_visit(buttons: Markup, visit: Visit) -> Markup:
    """The buttons of a kind as those of one visit; the CSRF token is left a mark."""
    own = buttons.replace(MarkedVisit.locator, visit.locator).replace(MarkedVisit.version, str(visit.version))
    if not visit.phone:
        return own.replace(MarkedVisit.patient_name, visit.patient_name)  # last: a mark in a name stays what it is
    # The number goes in before the name as well, and so in parts.
    around = own.replace(MarkedVisit.dialled, dialled(visit.phone)).split(PHONE_MARK)
    return escape(visit.phone).join(one.replace(MarkedVisit.patient_name, visit.patient_name) for one in around)


class VisitRows:
    """Rows of a day: each as `draw` makes it of its visit and of what else it says."""

    def __init__(self, draw: Callable[..., Markup], moves: RowMoves, day: Day, focus: str | None) -> None:
        self._draw, self._moves, self._day, self._focus = draw, moves, day, focus

    def __call__(self, visits: Iterable[Visit]) -> list[Markup]:
        """The rows of these visits of the day."""
        return [self._row(visit) for visit in visits]

    def _row(self, visit: Visit) -> Markup:
        day, clinic = self._day, self._day.desk.clinic
        return self._draw(
            visit, clinic and clinic.time_zone, day.today, mark_of(visit, day), visit.locator == self._focus,
            visit.status in GROUPS["due"], OFTEN_MISSED, self._moves.of_kind(visit, day),
        )  # fmt: skip


def _likely(visit: Visit, shown: Day | Found) -> tuple[str, ...]:
    if visit.status not in GROUPS["due"]:
        return HERE
    if shown.day != shown.today:
        return OPENLY["past" if shown.day < shown.today else "future"]
    return OPENLY["late"] if visit.starts_at <= shown.as_of else EXPECTED


def _hidden(visit: Visit, shown: Day | Found) -> tuple[str, ...]:
    return not_yet(visit.status, visit.starts_at, shown.as_of)


def _may_go(visit: Visit) -> bool:
    """Whether the signed-in user may take it to another time."""
    return visit.episode_open and visit.status in GROUPS["due"] and may("appointment.move")


def _minutes(since: datetime, until: datetime) -> int:
    return int((until - since).total_seconds() // 60)
