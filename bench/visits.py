"""The calendar of a generated tenant: slots before and after the present moment, and who comes to them.

Patients take turns, so nobody is in two places at a time; a slot's `booked` counts the visits that were not called off.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.people import People
from bench.rows import Rows, locator
from careapp.scheduling.states import ACTIVE, SEEN

SLOT = timedelta(minutes=30)
PAST = 0.7  # of the days; the others are to come
OPENS = timedelta(hours=2)  # after midnight in UTC: half past eight in Yangon
GROUP_EVERY = 40  # one slot in so many is for a group
GROUP_CAPACITY = 3

# Of the slots of a time, the part that is booked, and of those, how it stands: weights of states.
PAST_BOOKED, FUTURE_BOOKED = 0.94, 0.72
CALLED_OFF = 0.13  # slots that somebody had and gave back, besides
ENDED = {"ATTENDED": 90, "NO_SHOW": 9, "BOOKED": 1}  # one in a hundred nobody has said anything about
UNDER_WAY = {"IN_PROGRESS": 60, "ARRIVED": 30, "BOOKED": 10}
AHEAD = {"PENDING": 10, "BOOKED": 60, "CONFIRMED": 30}
CATEGORIES = ("PATIENT", "PATIENT", "CLINIC", "OTHER")
BLOCKED = 0.02


@dataclass
class Visit:
    """An appointment to be, with what its moves were: (action, from, to, when)."""

    id: int
    patient: int
    provider: int
    clinic: int
    slot: int
    start: datetime
    status: str
    category: str | None
    moves: list[tuple[str, str | None, str, datetime]]
    created: datetime

    @property
    def locator(self) -> str:
        """What it is called."""
        return locator("appointments", self.id, self.created)

    @property
    def active(self) -> bool:
        """Whether it is still to come or under way."""
        return self.status in ACTIVE

    @property
    def seen(self) -> bool:
        """Whether the patient came."""
        return self.status in SEEN


class Calendar:
    """Fills the days of a tenant's providers; `visits` are all appointments, each patient's in order of time."""

    def __init__(self, rows: Rows, people: People, now: datetime, chance: random.Random) -> None:
        self.rows, self.people, self.now, self.chance = rows, people, now, chance
        self.visits: dict[int, list[Visit]] = {}
        self._turn = 0

    def fill(self, days: int, slots_a_day: int) -> None:
        """Slots of all providers on all days, in order of time, and visits in them."""
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        first = midnight - timedelta(days=int(days * PAST))
        for day in range(days):
            for n in range(slots_a_day):
                start = first + timedelta(days=day) + OPENS + n * SLOT
                for place, provider in enumerate(self.people.providers):
                    self._slot(provider, self.people.clinics[place % len(self.people.clinics)], start)

    def _slot(self, provider: int, clinic: int, start: datetime) -> None:
        """One slot, with nobody, somebody or a group in it."""
        slot, offered, over = self.rows.number("provider_slots"), start - timedelta(days=25), start + SLOT <= self.now
        capacity = GROUP_CAPACITY if slot % GROUP_EVERY == 0 else 1
        booked = capacity if self.chance.random() < (PAST_BOOKED if over else FUTURE_BOOKED) else 0
        for _ in range(booked):
            self._visit(slot, provider, clinic, start, self._state(start))
        if self.chance.random() < CALLED_OFF:
            self._visit(slot, provider, clinic, start, "CANCELLED")
        status = "BOOKED" if booked else "BLOCKED" if self.chance.random() < BLOCKED else "AVAILABLE"
        self.rows.add("provider_slots", slot, provider, clinic, start, start + SLOT, capacity, booked, status, offered)

    def _state(self, start: datetime) -> str:
        """How a visit stands that begins then."""
        weights = ENDED if start + SLOT <= self.now else UNDER_WAY if start <= self.now else AHEAD
        return self.chance.choices(list(weights), list(weights.values()))[0]

    def _visit(self, slot: int, provider: int, clinic: int, start: datetime, status: str) -> None:
        patient = self.people.patients[self._turn % len(self.people.patients)]
        self._turn += 1
        booked = min(start, self.now) - timedelta(hours=self.chance.randrange(2, 20 * 24))
        category = self.chance.choice(CATEGORIES) if status == "CANCELLED" else None
        moves = _moves(status, booked, start, min(start, self.now))
        number = self.rows.number("appointments")
        self.visits.setdefault(patient, []).append(
            Visit(number, patient, provider, clinic, slot, start, status, category, moves, booked)
        )


def _moves(
    status: str, booked: datetime, start: datetime, latest: datetime
) -> list[tuple[str, str | None, str, datetime]]:
    """How an appointment came into its state, by its lifecycle; `latest`: no move before the visit was made later."""
    first = "PENDING" if status == "PENDING" else "BOOKED"
    moves: list[tuple[str, str | None, str, datetime]] = [("book", None, first, booked)]
    before = booked + (latest - booked) / 2
    match status:
        case "CONFIRMED":
            moves.append(("confirm", first, status, before))
        case "CANCELLED":
            moves.append(("cancel", first, status, before))
        case "NO_SHOW":
            moves.append(("no-show", first, status, start + SLOT))
        case "ARRIVED":
            moves.append(("arrive", first, status, latest))
        case "IN_PROGRESS":
            moves += [("arrive", first, "ARRIVED", latest), ("start", "ARRIVED", status, latest)]
        case "ATTENDED":
            moves += [("arrive", first, "ARRIVED", start), ("attend", "ARRIVED", status, start + SLOT)]
    return moves
