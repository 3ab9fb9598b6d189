"""The week: a provider's days side by side, and a clinic's providers with what each offers. Values in, values out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from careapp import clock
from careapp.overviews.calendar import Calendar
from careapp.overviews.slot_cells import SlotCell
from careapp.web.grid_rows import Hour, Minutes, Placed, Scale

FREE_SHOWN = 6  # free times in a cell of a clinic's week


@dataclass(frozen=True)
class Day:
    """One day's column."""

    day: date
    is_today: bool
    slots: Sequence[Placed]


@dataclass(frozen=True)
class WeekGrid:
    """Seven days, and the labels beside them; `tall`: there are few rows."""

    days: Sequence[Day]
    hours: Sequence[Hour]
    tall: bool


@dataclass(frozen=True)
class Cell:
    """One provider's day in a clinic's week: what it is on the whole, the first free slots, and how many more there
    are. `state` is free (with `places`), none, over, blocked or full.
    """

    day: date
    is_today: bool
    state: str
    places: int
    free: Sequence[SlotCell]
    more: int


@dataclass(frozen=True)
class ProviderRow:
    """One provider's week in a clinic's."""

    locator: str
    name: str
    cells: Sequence[Cell]


def week_grid(calendar: Calendar) -> WeekGrid:
    """The calendar's slots by day and row, by what the clocks of its zone show.

    Seven days share the labels, so on a day on which the clocks go back two slots may stand at one time, side by side.
    """
    spans = {slot.locator: _minutes(slot, calendar.zone) for slot in calendar.slots}
    scale = Scale.of(list(spans.values()))
    days = _days(calendar)
    placed: dict[date, list[Placed]] = {one: [] for one in days}
    for slot in calendar.slots:
        column = placed.get(clock.local(slot.starts_at, calendar.zone).date())
        if column is not None:
            column.append(scale.place(slot, spans[slot.locator]))
    return WeekGrid(
        days=[Day(one, one == calendar.today, placed[one]) for one in days],
        hours=scale.hours(lambda minute: f"{minute // 60 % 24:02d}:00"),
        tall=scale.tall,
    )


def provider_rows(calendar: Calendar) -> list[ProviderRow]:
    """A clinic's week as a table: its providers by name, each with seven days."""
    names = {slot.provider_locator: slot.provider_name for slot in calendar.slots}
    if calendar.clinic:
        names |= {one.locator: one.name for one in calendar.at_hand}
    days = _days(calendar)
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
    free = [slot for slot in slots if slot.state == "free"]
    states = {slot.state for slot in slots} - {"over"}
    if free:
        state = "free"
    elif not slots:
        state = "none"
    elif not states:
        state = "over"
    else:
        state = "blocked" if states == {"blocked"} else "full"
    places = sum(slot.capacity - slot.booked for slot in free)
    return Cell(on, on == calendar.today, state, places, free[:FREE_SHOWN], max(0, len(free) - FREE_SHOWN))


def _days(calendar: Calendar) -> list[date]:
    return [calendar.first + timedelta(days=number) for number in range(calendar.days)]


def _minutes(slot: SlotCell, zone: str) -> Minutes:
    """Minutes from midnight on the wall clock to the slot's start, and its length."""
    start = clock.local(slot.starts_at, zone)
    return start.hour * 60 + start.minute, int((slot.ends_at - slot.starts_at).total_seconds() // 60)
