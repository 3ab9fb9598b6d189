"""The week grid: where each slot stands in a day's column. Values in, values out.

Rows are classes (`at-1`, `for-2`), since the security policy forbids style attributes; the stylesheet has LAST_ROW of
the first and LONGEST of the second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import gcd

from careapp import clock
from careapp.overviews.calendar import Calendar, SlotCell

LAST_ROW, LONGEST = 59, 16
SHORTEST_ROW = 10  # minutes
ROWS_TO_TRY = (10, 15, 20, 30, 60, 120)
DAY = 24 * 60


@dataclass(frozen=True)
class Placed:
    """A slot and its rows: the first, and how many."""

    slot: SlotCell
    row: int
    rows: int
    starts_at: datetime  # on the clock of the slot's own zone
    ends_at: datetime


@dataclass(frozen=True)
class Day:
    """One day's column. `past` days are over everywhere in them."""

    day: date
    is_today: bool
    past: bool
    slots: Sequence[Placed]


@dataclass(frozen=True)
class Hour:
    """A label beside the grid."""

    text: str
    row: int
    rows: int


@dataclass(frozen=True)
class WeekGrid:
    """Seven days, and the labels beside them."""

    days: Sequence[Day]
    hours: Sequence[Hour]


def week_grid(calendar: Calendar) -> WeekGrid:
    """The calendar's slots by day and row, on the clock of the calendar's zone."""
    spans = {slot.locator: _minutes(slot, calendar.zone) for slot in calendar.slots}
    first, step = _scale(spans.values())
    days = [calendar.monday + timedelta(days=number) for number in range(7)]
    placed: dict[date, list[Placed]] = {one: [] for one in days}
    for slot in calendar.slots:
        begin, length = spans[slot.locator]
        column = placed.get(clock.local(slot.starts_at, calendar.zone).date())
        if column is not None:
            row = min(LAST_ROW, (begin - first) // step + 1)
            rows = max(1, min(LONGEST, -(-length // step)))
            own = (clock.local(slot.starts_at, slot.zone), clock.local(slot.ends_at, slot.zone))
            column.append(Placed(slot, row, rows, *own))
    last = max((begin + length for begin, length in spans.values()), default=first)
    return WeekGrid(
        days=[Day(one, one == calendar.today, one < calendar.today, placed[one]) for one in days],
        hours=_hours(first, last, step),
    )


def by_provider(calendar: Calendar) -> list[tuple[str, str, list[Day]]]:
    """A clinic's week as a table: (provider's locator, name, seven days), providers by name."""
    names = {slot.provider_locator: slot.provider_name for slot in calendar.slots}
    if calendar.clinic:
        names |= {one.locator: one.name for one in calendar.providers if calendar.clinic.locator in one.clinics}
    rows = []
    for locator, name in sorted(names.items(), key=lambda pair: (pair[1], pair[0])):
        own = [slot for slot in calendar.slots if slot.provider_locator == locator]
        rows.append((locator, name, week_grid(calendar.model_copy(update={"slots": own})).days))
    return [(locator, name, list(days)) for locator, name, days in rows]


def _minutes(slot: SlotCell, zone: str) -> tuple[int, int]:
    """Minutes from midnight on the wall clock to the slot's start, and its length."""
    start = clock.local(slot.starts_at, zone)
    return start.hour * 60 + start.minute, int((slot.ends_at - slot.starts_at).total_seconds() // 60)


def _scale(spans: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The grid's first minute of the day and the minutes of a row: as long as fits all slots, and no more rows than there are."""
    spans = list(spans)
    if not spans:
        return 8 * 60, 60
    first = min(begin for begin, _ in spans) // 60 * 60
    last = min(DAY, max(begin + length for begin, length in spans))
    common = gcd(*(minute for span in spans for minute in span))
    for step in ROWS_TO_TRY:
        if (step >= common or common % step == 0) and step >= min(common, 60) and (last - first) <= step * LAST_ROW:
            return first, step
    return first, ROWS_TO_TRY[-1]


def _hours(first: int, last: int, step: int) -> list[Hour]:
    """A label at each full hour."""
    rows = max(1, 60 // step)
    starts = range(first, last, max(60, step))
    return [Hour(f"{minute // 60 % 24:02d}:00", min(LAST_ROW, (minute - first) // step + 1), rows) for minute in starts]
