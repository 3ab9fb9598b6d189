"""A provider's week: its days side by side. Values in, values out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from careapp import clock
from careapp.overviews.calendar import Calendar
from careapp.overviews.slot_cells import SlotCell
from careapp.web.grid_rows import Hour, Minutes, Placed, Scale


@dataclass(frozen=True)
class Day:
    """One day's column."""

    day: date
    is_today: bool
    slots: tuple[Placed, ...]


@dataclass(frozen=True)
class WeekGrid:
    """Seven days, and the labels beside them; `tall`: there are few rows."""

    days: Sequence[Day]
    hours: Sequence[Hour]
    tall: bool


def week_grid(calendar: Calendar) -> WeekGrid:
    """The calendar's slots by day and row, by what the clocks of its zone show.

    Seven days share the labels, so on a day on which the clocks go back two slots may stand at one time, side by side.
    """
    spans = {slot.locator: _minutes(slot, calendar.zone) for slot in calendar.slots}
    scale = Scale.of(list(spans.values()))
    days = days_of(calendar)
    placed: dict[date, list[Placed]] = {one: [] for one in days}
    for slot in calendar.slots:
        column = placed.get(clock.local(slot.starts_at, calendar.zone).date())
        if column is not None:
            column.append(scale.place(slot, spans[slot.locator]))
    return WeekGrid(
        days=[Day(one, one == calendar.today, tuple(placed[one])) for one in days],
        hours=scale.hours(lambda minute: f"{minute // 60 % 24:02d}:00"),
        tall=scale.tall,
    )


def days_of(calendar: Calendar) -> list[date]:
    """The days a calendar shows."""
    return [calendar.first + timedelta(days=number) for number in range(calendar.days)]


def _minutes(slot: SlotCell, zone: str) -> Minutes:
    """Minutes from midnight on the wall clock to the slot's start, and its length."""
    start = clock.local(slot.starts_at, zone)
    return start.hour * 60 + start.minute, int((slot.ends_at - slot.starts_at).total_seconds() // 60)
