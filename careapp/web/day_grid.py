"""The day: all providers of a clinic side by side. Values in, values out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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
    slots: tuple[Placed, ...]


@dataclass(frozen=True)
class DayGrid:
    """A column a provider, by name, and the labels beside them; `tall`: there are few rows.

    `idle` are those without a slot that day, `done` those whose slots are all folded away, `folded` how many slots are;
    `now` is the row of now, None where there is none.
    """

    columns: Sequence[Column]
    idle: Sequence[Column]
    done: Sequence[Column]
    hours: Sequence[Hour]
    tall: bool
    folded: int
    now: int | None


def day_grid(calendar: Calendar, *, now: datetime, earlier: bool = False) -> DayGrid:
    """The day's slots by provider and row; of today without what was over at the last full hour, unless `earlier`.

    Rows are passing time from midnight on, not what clocks show: a day of 23 hours has no row for the hour that is left
    out, one of 25 has both of those that are called the same.
    """
    midnight, end = clock.span_of(calendar.first, calendar.zone)
    shown = calendar.slots if earlier or calendar.first != calendar.today else _from_now_on(calendar, now)
    spans = {slot.locator: _minutes(slot, midnight, end) for slot in shown}
    scale = Scale.of(list(spans.values()))
    columns = _columns(calendar, shown, scale, spans)
    hours = scale.hours(lambda minute: f"{clock.local(midnight + timedelta(minutes=minute), calendar.zone):%H:%M}")
    at_work = {slot.provider_locator for slot in calendar.slots}
    return DayGrid(
        columns=[one for one in columns if one.slots],
        idle=[one for one in columns if one.locator not in at_work],
        done=[one for one in columns if one.locator in at_work and not one.slots],
        hours=hours, tall=scale.tall, folded=len(calendar.slots) - len(shown),
        now=scale.row_of(int((now - midnight).total_seconds() // 60)),
    )  # fmt: skip


def _columns(calendar: Calendar, shown: Sequence[SlotCell], scale: Scale, spans: Mapping[str, Minutes]) -> list[Column]:
    """A column for each provider, also where nothing is shown in it."""
    his: dict[str, list[SlotCell]] = {}
    for slot in shown:
        his.setdefault(slot.provider_locator, []).append(slot)
    made = []
    for (name, locator), specialty in sorted(_providers(calendar).items()):
        slots = his.get(locator, [])
        free = sum(slot.capacity - slot.booked for slot in slots if slot.state == "free")
        placed = tuple(scale.place(slot, spans[slot.locator]) for slot in slots)
        made.append(Column(locator, name, specialty, free, placed))
    return made


def _from_now_on(calendar: Calendar, now: datetime) -> list[SlotCell]:
    """The slots that last beyond the last full hour, and the earlier ones in which somebody waits or is not marked."""
    shown = clock.local(now, calendar.zone)
    hour = now - timedelta(minutes=shown.minute, seconds=shown.second, microseconds=shown.microsecond)
    return [slot for slot in calendar.slots if slot.ends_at > hour or slot.waits]


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
