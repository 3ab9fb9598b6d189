"""The pool of free slots that demo appointments are taken from: past ones, those of today, and those to come."""

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
BACK = timedelta(days=6)
LEAST_LONG_BACK, LONG_BACK = timedelta(days=9), timedelta(days=13)


@dataclass(frozen=True)
class FreeSlot:
    """A slot with `room` for somebody, at a clinic whose clock is `time_zone`."""

    locator: str
    provider_locator: str
    clinic_locator: str
    specialty: str
    starts_at: datetime
    ends_at: datetime
    capacity: int
    room: int
    time_zone: str


class Pool:
    """Free slots in order of time; methods that give one take it out, the same one for the same `random` and `now`."""

    def __init__(self, slots: list[FreeSlot], random: Random, now: datetime) -> None:
        self._single = [slot for slot in slots if slot.capacity == 1]
        self._groups = [slot for slot in slots if slot.capacity > 1]
        self._room = {slot.locator: slot.room for slot in slots}
        self._random, self._now = random, now

    def past(self) -> FreeSlot:
        """A slot of the last days that is over."""
        return self._take(lambda slot: self._now - BACK < slot.ends_at <= self._now)

    def last_week(self) -> FreeSlot:
        """A slot of nine to thirteen days ago."""
        return self._take(lambda slot: self._now - LONG_BACK < slot.ends_at <= self._now - LEAST_LONG_BACK)

    def today(self) -> list[FreeSlot]:
        """All slots of the day it is at their clinic, for one patient each; they stay in the pool."""
        return [slot for slot in self._single if self._today(slot)]

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

    def _out(self, slot: FreeSlot) -> FreeSlot:
        self._single.remove(slot)
        return slot


def free_slots(actor: Actor) -> list[FreeSlot]:
    """The tenant's slots that can be booked, by time; group sessions with room left are among them."""
    rows = db.session.execute(
        select(
            SLOTS.locator,
            PROVIDERS.locator,
            CLINICS.locator,
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
