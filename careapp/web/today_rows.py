"""How a visit of the day list is told: who is late or waits, who did what, and which moves stand openly in its row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from careapp import clock
from careapp.lifecycle import Transition
from careapp.overviews.today import GROUPS, Day, Found, Visit
from careapp.web.context import moves_of
from careapp.web.language import gettext as _
from careapp.web.times import local_time, near_date
from careapp.web.words import words

LONG_WAIT, VERY_LONG_WAIT = 15, 30  # minutes
OFTEN_MISSED = 2  # visits in a year, from which on it is said

# Which moves stand openly in a row, the likeliest first; the others are under "More".
HERE = ("arrive", "start", "attend")
OPENLY = {"past": ("attend", "no-show"), "future": ("confirm", "accept"), "late": ("arrive", "no-show")}
EXPECTED = ("arrive", "confirm")


@dataclass(frozen=True)
class Mark:
    """A short remark with a tone: "" for none, "long" and "urgent"."""

    text: str
    tone: str = ""


KEY_MARK = "\ue000"


@dataclass(frozen=True)
class MarkedVisit:
    """A visit with a mark, a private character, wherever visits of one kind differ."""

    can_undo: bool
    locator: str = "\ue001"
    version: str = "\ue002"
    patient_name: str = "\ue003"


def mark_of(visit: Visit, shown: Day | Found) -> Mark | None:
    """That somebody is late, or how long he has been waiting; on a past day, that nobody has said what became of it."""
    if visit.status in GROUPS["due"]:
        if shown.day < shown.today:
            return Mark(_("Still open"), "urgent")
        late = _minutes(visit.starts_at, shown.as_of)
        return Mark(_("%(span)s late", span=span(late)), "long") if late > 0 else None
    if visit.arrived_at is None:
        return None
    if shown.day < shown.today:
        return Mark(_("Still open"), "urgent")
    waits = _minutes(visit.arrived_at, shown.as_of)
    if waits >= VERY_LONG_WAIT:
        return Mark(_("Very long wait: %(span)s", span=span(waits)), "urgent")
    if waits >= LONG_WAIT:
        return Mark(_("Long wait: %(span)s", span=span(waits)), "long")
    return Mark(_("Waits %(span)s", span=span(waits)) if waits else _("Just arrived"))


def span(minutes: int) -> str:
    """`12 min`, or `2 h 5 min`."""
    if minutes < 60:
        return _("%(minutes)s min", minutes=minutes)
    return _("%(hours)s h %(minutes)s min", hours=minutes // 60, minutes=minutes % 60)


def done_by(visit: Visit, zone: str, now: datetime) -> str:
    """`Checked in by Ma Hla, 09:12`: the last change, by whom and when; with its day where that is not today."""
    if visit.action is None or visit.at is None:
        return ""
    at = local_time(visit.at, zone)
    if clock.local(visit.at, zone).date() != clock.local(now, zone).date():
        at = near_date(visit.at, zone)
    if visit.staff_name:
        return _("%(done)s by %(who)s, %(when)s", done=words(visit.action), who=visit.staff_name, when=at)
    return _("%(done)s, %(when)s", done=words(visit.action), when=at)


def moves_in_row(visit: Visit, shown: Day | Found) -> tuple[Sequence[Transition], Sequence[Transition]]:
    """The moves that stand as buttons in a visit's row, the likeliest first, and the others. None once its episode has
    ended.
    """
    moves = {one.name: one for one in moves_of("appointment", visit.status)} if visit.episode_open else {}
    openly = [moves[name] for name in _likely(visit, shown) if name in moves]
    return openly, [one for one in moves.values() if one.name not in {move.name for move in openly}]


class RowMoves:
    """The buttons of the visits of a page: as a template draws them, once for each kind of visit.

    Visits of one kind differ in whom they are about. Where the drawing has a MARK, each gets its own, escaped.
    """

    def __init__(self, draw: Callable[[MarkedVisit, str, Sequence[Transition], Sequence[Transition]], Markup]) -> None:
        self._draw = draw
        self._drawn: dict[object, Markup] = {}

    def __call__(self, visit: Visit, shown: Day | Found, key: str) -> Markup:
        """The buttons of one visit; `key` is what their ids begin with."""
        kind = (visit.status, visit.episode_open, visit.can_undo, _likely(visit, shown))  # all that decides the moves
        if kind not in self._drawn:
            self._drawn[kind] = self._draw(MarkedVisit(visit.can_undo), KEY_MARK, *moves_in_row(visit, shown))
        own = self._drawn[kind].replace(KEY_MARK, key).replace(MarkedVisit.locator, visit.locator)
        own = own.replace(MarkedVisit.version, str(visit.version))
        return own.replace(MarkedVisit.patient_name, visit.patient_name)  # last: a mark in a name stays what it is


def _likely(visit: Visit, shown: Day | Found) -> tuple[str, ...]:
    if visit.status not in GROUPS["due"]:
        return HERE
    if shown.day != shown.today:
        return OPENLY["past" if shown.day < shown.today else "future"]
    return OPENLY["late"] if visit.starts_at <= shown.as_of else EXPECTED


def _minutes(since: datetime, until: datetime) -> int:
    return int((until - since).total_seconds() // 60)
