"""The demo's calendar: which slots a provider offers in the weeks around the present one; pure but for offer()."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

from careapp import clock
from careapp.access import Actor
from careapp.clinics.views import ClinicView
from careapp.demo.blueprints import ProviderPlan
from careapp.providers.views import ProviderView
from careapp.scheduling import slots

WEEKS = range(-1, 3)  # what is not past: last week's last night, this week and the two after it
SETTLED = timedelta(minutes=10)  # after a slot's end all is noted of it
AWAY, ON_VISITS = "Training day", "Home visits"


@dataclass(frozen=True)
class SlotPlan:
    """A slot to be, in UTC once stored."""

    start: datetime
    end: datetime
    capacity: int = 1


def monday_of(moment: datetime, zone: ZoneInfo) -> date:
    """The Monday of the week a moment lies in, on the calendar of a zone."""
    day = moment.astimezone(zone).date()
    return day - timedelta(days=day.weekday())


def week_of_slots(plan: ProviderPlan, zone: ZoneInfo, monday: date) -> Iterator[SlotPlan]:
    """The slots a provider offers in the week that begins on `monday`, by the clock of `zone`."""
    if plan.rota:
        for weekday, (begins, ends) in product(plan.rota.days, plan.rota.shifts):
            yield from _shift(monday + timedelta(days=weekday), begins, ends, plan.rota.minutes, zone)
    if plan.group:
        start = _at(monday + timedelta(days=plan.group.day), plan.group.hour, zone)
        yield SlotPlan(start, start + timedelta(minutes=plan.group.minutes), plan.group.capacity)


def is_past(start: datetime, end: datetime, zone: ZoneInfo, now: datetime) -> bool:
    """Whether a slot lies before today, by the clock of `zone`, and is over: the demo's history has it then."""
    return start.astimezone(zone).date() < now.astimezone(zone).date() and end + SETTLED <= now


def offer(
    actor: Actor, plan: ProviderPlan, provider: ProviderView, clinic: ClinicView, *, monday: date, now: datetime
) -> None:
    """Add a provider's slots of one week that are not past, as if that had been done weeks ago."""
    zone = clock.zone(clinic.time_zone)
    with clock.at(now - timedelta(days=21)):
        for slot in week_of_slots(plan, zone, monday):
            if is_past(slot.start, slot.end, zone, now):
                continue
            slots.add_slot(
                actor, provider.locator, start=slot.start, end=slot.end, capacity=slot.capacity,
                clinic_locator=clinic.locator,
            )  # fmt: skip


def _shift(day: date, begins: int, ends: int, minutes: int, zone: ZoneInfo) -> Iterator[SlotPlan]:
    """Slot after slot from one hour to the other; a shift that ends at or before its start goes through midnight."""
    length = timedelta(minutes=minutes)
    start = _at(day, begins, zone)
    end = _at(day if ends > begins else day + timedelta(days=1), ends, zone)
    while start + length <= end:
        yield SlotPlan(start, start + length)
        start += length


def _at(day: date, hour: int, zone: ZoneInfo) -> datetime:
    """A full hour of a day by the clock of a zone, as an instant in UTC: steps from it are real minutes."""
    return datetime.combine(day, time(hour), zone).astimezone(UTC)
