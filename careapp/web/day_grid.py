"""The day: all providers of a clinic side by side. Values in, values out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from careapp import clock
from careapp.overviews.calendar import Calendar
from careapp.overviews.slot_cells import SlotCell
from careapp.providers.views import ProviderView
from careapp.web.grid_rows import Hour, Minutes, Placed, Scale


@dataclass(frozen=True)
class Column:
    """One provider's day; `free` counts his places to be booked."""

    locator: str
    name: str
    specialty: str
    free: int
    slots: Sequence[Placed]


@dataclass(frozen=True)
class DayGrid:
    """A column a provider, by name, and the labels beside them; `tall`: there are few rows."""

    columns: Sequence[Column]
    hours: Sequence[Hour]
    tall: bool


def day_grid(calendar: Calendar) -> DayGrid:
    """The day's slots by provider and row.

    Rows are passing time from midnight on, not what clocks show: a day of 23 hours has no row for the hour that is left
    out, one of 25 has both of those that are called the same.
    """
    midnight, end = (
        datetime.combine(calendar.first + timedelta(days=number), time(), clock.zone(calendar.zone)).astimezone(UTC)
        for number in (0, 1)
    )
    spans = {slot.locator: _minutes(slot, midnight, end) for slot in calendar.slots}
    scale = Scale.of(list(spans.values()))
    mine: dict[str, list[SlotCell]] = {}
    for slot in calendar.slots:
        mine.setdefault(slot.provider_locator, []).append(slot)
    columns = []
    for (name, locator), specialty in sorted(_providers(calendar).items()):
        his = mine.get(locator, [])
        free = sum(slot.capacity - slot.booked for slot in his if slot.state == "free")
        placed = [scale.place(slot, spans[slot.locator]) for slot in his]
        columns.append(Column(locator, name, specialty, free, placed))
    hours = scale.hours(lambda minute: f"{clock.local(midnight + timedelta(minutes=minute), calendar.zone):%H:%M}")
    return DayGrid(columns, hours, scale.tall)


def _providers(calendar: Calendar) -> dict[tuple[str, str], str]:
    """Who has a column, by name and locator, with his specialty: who works there, and who has slots all the same."""
    shown = {(slot.provider_name, slot.provider_locator): slot.specialty for slot in calendar.slots}
    if calendar.provider:
        people: Sequence[ProviderView] = [calendar.provider]
    else:
        people = calendar.at_hand if calendar.clinic else []
    return shown | {(one.name, one.locator): one.specialty for one in people}


def _minutes(slot: SlotCell, midnight: datetime, end: datetime) -> Minutes:
    """Minutes that pass from midnight to the slot's start, and its length: what of it lies in the day."""
    start, last = max(slot.starts_at, midnight), min(slot.ends_at, end)
    return int((start - midnight).total_seconds() // 60), int((last - start).total_seconds() // 60)
