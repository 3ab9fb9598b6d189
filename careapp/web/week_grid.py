"""The week: a provider's days side by side, and a clinic's providers with what each offers. Values in, values out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from careapp import clock
from careapp.overviews.calendar import Calendar
from careapp.overviews.clinic_week import CLOSED, FREE, FULL, OVER, Offer
from careapp.overviews.slot_cells import SlotCell
from careapp.web.grid_rows import Hour, Minutes, Placed, Scale


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
    are. `state` is free (with `places`), none, over, blocked or full; `free` are locators and starts.
    """

    day: date
    is_today: bool
    state: str
    places: int = 0
    free: Sequence[tuple[str, datetime]] = ()
    more: int = 0


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
    days = days_of(calendar)
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
    names = {offer.provider_locator: offer.provider_name for offer in calendar.offers}
    if calendar.clinic:
        names |= {one.locator: one.name for one in calendar.at_hand}
    offers = {(offer.provider_locator, offer.day): offer for offer in calendar.offers}
    days = days_of(calendar)
    return [
        ProviderRow(locator, name, [_cell(one, one == calendar.today, offers.get((locator, one))) for one in days])
        for locator, name in sorted(names.items(), key=lambda pair: (pair[1], pair[0]))
    ]


def _cell(on: date, is_today: bool, offer: Offer | None) -> Cell:
    """What one provider offers on one day, in a word and a list."""
    if offer is None:
        return Cell(on, is_today, "none")
    if offer.free:
        free = list(zip(offer.locators, offer.starts, strict=True))
        return Cell(on, is_today, FREE, offer.places, free, offer.free - len(free))
    states = set(offer.states) - {OVER}
    if not states:
        return Cell(on, is_today, OVER)
    return Cell(on, is_today, CLOSED if states == {CLOSED} else FULL)


def days_of(calendar: Calendar) -> list[date]:
    """The days a calendar shows."""
    return [calendar.first + timedelta(days=number) for number in range(calendar.days)]


def _minutes(slot: SlotCell, zone: str) -> Minutes:
    """Minutes from midnight on the wall clock to the slot's start, and its length."""
    start = clock.local(slot.starts_at, zone)
    return start.hour * 60 + start.minute, int((slot.ends_at - slot.starts_at).total_seconds() // 60)
