"""The week grid: where each slot stands in a day's column. Values in, values out.

Rows are classes (`at-1`, `for-2`), since the security policy forbids style attributes; the stylesheet has LAST_ROW of
the first and LONGEST of the second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import gcd

from careapp import clock
from careapp.overviews.calendar import Calendar, SlotCell
from careapp.scheduling.states import BLOCKED

LAST_ROW, LONGEST = 59, 16
ROWS = (10, 15, 20, 30, 60)  # minutes a row may stand for; the last two fit any day
FREE_SHOWN = 6  # free times in a cell of a clinic's week
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
    """One day's column."""

    day: date
    is_today: bool
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


@dataclass(frozen=True)
class Cell:
    """One provider's day in a clinic's week: a word for it, the first free slots, and how many more there are."""

    day: date
    is_today: bool
    word: str
    free: Sequence[SlotCell]
    more: int


@dataclass(frozen=True)
class ProviderRow:
    """One provider's week in a clinic's."""

    locator: str
    name: str
    cells: Sequence[Cell]


def week_grid(calendar: Calendar) -> WeekGrid:
    """The calendar's slots by day and row, on the clock of the calendar's zone."""
    spans = {slot.locator: _minutes(slot, calendar.zone) for slot in calendar.slots}
    first, step = _scale(list(spans.values()))
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
        days=[Day(one, one == calendar.today, placed[one]) for one in days],
        hours=_hours(first, last, step),
    )


def provider_rows(calendar: Calendar) -> list[ProviderRow]:
    """A clinic's week as a table: its providers by name, each with seven days."""
    names = {slot.provider_locator: slot.provider_name for slot in calendar.slots}
    if calendar.clinic:
        names |= {one.locator: one.name for one in calendar.providers if calendar.clinic.locator in one.clinics}
    days = [calendar.monday + timedelta(days=number) for number in range(7)]
    offered: dict[tuple[str, date], list[SlotCell]] = {(locator, one): [] for locator in names for one in days}
    for slot in calendar.slots:
        on = clock.local(slot.starts_at, calendar.zone).date()
        if (slot.provider_locator, on) in offered:
            offered[slot.provider_locator, on].append(slot)
    return [
        ProviderRow(locator, name, [_cell(calendar, one, offered[locator, one]) for one in days])
        for locator, name in sorted(names.items(), key=lambda pair: (pair[1], pair[0]))
    ]


def _cell(calendar: Calendar, on: date, slots: Sequence[SlotCell]) -> Cell:
    """What one provider offers on one day, in a word and a list."""
    free = [slot for slot in slots if not slot.refusal]
    if free:
        word = f"{sum(slot.capacity - slot.booked for slot in free)} free"
    elif not slots:
        word = "No slots"
    elif all(slot.over for slot in slots):
        word = "Over"
    else:
        word = "Blocked" if all(slot.status == BLOCKED for slot in slots) else "Full"
    return Cell(on, on == calendar.today, word, free[:FREE_SHOWN], max(0, len(free) - FREE_SHOWN))


def _minutes(slot: SlotCell, zone: str) -> tuple[int, int]:
    """Minutes from midnight on the wall clock to the slot's start, and its length."""
    start = clock.local(slot.starts_at, zone)
    return start.hour * 60 + start.minute, int((slot.ends_at - slot.starts_at).total_seconds() // 60)


def _scale(spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The grid's first minute of the day and the minutes of a row: the longest that all slots are multiples of."""
    if not spans:
        return 8 * 60, 60
    first = min(begin for begin, _ in spans) // 60 * 60
    last = min(DAY, max(begin + length for begin, length in spans))
    common = gcd(*(minute for span in spans for minute in span))
    fitting = [step for step in ROWS if last - first <= step * LAST_ROW]
    return first, max((step for step in fitting if common % step == 0), default=fitting[0])


def _hours(first: int, last: int, step: int) -> list[Hour]:
    """A label at each full hour."""
    rows = max(1, 60 // step)
    starts = range(first, last, max(60, step))
    return [Hour(f"{minute // 60 % 24:02d}:00", min(LAST_ROW, (minute - first) // step + 1), rows) for minute in starts]
