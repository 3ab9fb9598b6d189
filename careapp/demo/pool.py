"""The pool of free slots that demo appointments are taken from: past ones, those around now, and those to come."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import select

from careapp import clock
from careapp.access import Actor
from careapp.clinics.models import CLINICS, Clinic
from careapp.db import db, table_of
from careapp.providers.models import PROVIDERS, Provider
from careapp.scheduling.models import SLOTS, Slot
from careapp.scheduling.states import AVAILABLE

WALK_IN = "EMERGENCY_MEDICINE"  # nobody books such a slot days ahead
SOON = timedelta(hours=1)
BACK = timedelta(days=6)


@dataclass(frozen=True)
class FreeSlot:
    """A slot with `room` for somebody, at a clinic whose clock is `time_zone`."""

    locator: str
    provider_locator: str
    specialty: str
    starts_at: datetime
    ends_at: datetime
    capacity: int
    room: int
    time_zone: str


class Pool:
    """Free slots in order of time; each method takes one out, the same one for the same `random` and `now`."""

    def __init__(self, slots: list[FreeSlot], random: Random, now: datetime) -> None:
        self._single = [slot for slot in slots if slot.capacity == 1]
        self._groups = [slot for slot in slots if slot.capacity > 1]
        self._room = {slot.locator: slot.room for slot in slots}
        self._random, self._now = random, now

    def past(self) -> FreeSlot:
        """A slot of the last days that is over."""
        return self._take(lambda slot: self._now - BACK < slot.ends_at <= self._now)

    def earlier_today(self) -> FreeSlot:
        """A slot of today that is over, or the latest one that is."""
        return self._take_or_latest(lambda slot: slot.ends_at <= self._now and self._today(slot))

    def running(self) -> FreeSlot:
        """A slot that has begun and is not over, or the latest that was."""
        return self._take_or_latest(lambda slot: slot.starts_at <= self._now < slot.ends_at)

    def next_up(self) -> FreeSlot:
        """A slot that begins within the hour, or the latest that was: somebody still waits."""
        return self._take_or_latest(lambda slot: self._now < slot.starts_at <= self._now + SOON)

    def later_today(self) -> FreeSlot:
        """A slot of today from an hour on, or one of the days to come."""
        return self._take_any(lambda slot: slot.starts_at > self._now + SOON and self._today(slot)) or self.to_come()

    def to_come(self) -> FreeSlot:
        """A slot from tomorrow on that is booked ahead; nearer ones are likelier."""
        found = [
            slot for slot in self._single
            if slot.starts_at > self._now + timedelta(days=1) and slot.specialty != WALK_IN
        ]  # fmt: skip
        return self._out(found[int(len(found) * self._random.random() ** 2)])

    def group(self, *, over: bool) -> FreeSlot:
        """A place in one of the last two group sessions, or in one of the two that come next."""
        found = [slot for slot in self._groups if (slot.ends_at <= self._now) is over and self._room[slot.locator]]
        slot = self._random.choice(found[-2:] if over else found[:2])
        self._room[slot.locator] -= 1
        return slot

    def anybody(self) -> str:
        """The locator of a provider who offers slots."""
        return self._random.choice(self._single).provider_locator

    def _today(self, slot: FreeSlot) -> bool:
        return clock.local(slot.starts_at, slot.time_zone).date() == clock.local(self._now, slot.time_zone).date()

    def _take(self, fits: Callable[[FreeSlot], bool]) -> FreeSlot:
        return self._out(self._random.choice([slot for slot in self._single if fits(slot)]))

    def _take_any(self, fits: Callable[[FreeSlot], bool]) -> FreeSlot | None:
        found = [slot for slot in self._single if fits(slot)]
        return self._out(self._random.choice(found)) if found else None

    def _take_or_latest(self, fits: Callable[[FreeSlot], bool]) -> FreeSlot:
        latest = max((slot for slot in self._single if slot.ends_at <= self._now), key=lambda slot: slot.ends_at)
        return self._take_any(fits) or self._out(latest)

    def _out(self, slot: FreeSlot) -> FreeSlot:
        self._single.remove(slot)
        return slot


def free_slots(actor: Actor) -> list[FreeSlot]:
    """The tenant's slots that can be booked, by time; group sessions with room left are among them."""
    rows = db.session.execute(
        select(
            SLOTS.locator,
            PROVIDERS.locator,
            PROVIDERS.specialty,
            SLOTS.starts_at,
            SLOTS.ends_at,
            SLOTS.capacity,
            SLOTS.capacity - SLOTS.booked,
            CLINICS.time_zone,
        )
        .join_from(
            table_of(Slot),
            table_of(Provider),
            (PROVIDERS.tenant_id == SLOTS.tenant_id) & (PROVIDERS.id == SLOTS.provider_id),
        )
        .join(table_of(Clinic), (CLINICS.tenant_id == SLOTS.tenant_id) & (CLINICS.id == SLOTS.clinic_id))
        .where(
            SLOTS.tenant_id == actor.tenant_id, SLOTS.status == AVAILABLE, (SLOTS.booked == 0) | (SLOTS.capacity > 1)
        )
        .order_by(SLOTS.starts_at, SLOTS.id)
    )
    return [FreeSlot(*row) for row in rows]
