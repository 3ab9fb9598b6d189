"""The clinics a benchmark happens in, the same whatever the size of the database around them.

It stands in a generated tenant. At the desk clinic twenty providers work: its week, its day, the board and the pages of
episodes are looked at and never changed. At the booking clinic every round that changes something takes a day of its
own.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from bench import scene_sql

DESK_PROVIDERS, BOOKING_PROVIDERS = 20, 40
BOARD_EPISODES = 840  # a stage
VISITS_TODAY = 60
PAGES = 40  # episodes with a history, to look at
PATIENTS = 4 * BOARD_EPISODES + VISITS_TODAY + PAGES
SLOTS_A_DAY = 24
SLOT = timedelta(minutes=20)
CALENDAR_DAYS = 14  # so that a whole week, Monday to Sunday, is among them
WEEK = timedelta(days=7)
ZONE = ZoneInfo("Asia/Yangon")
NAMES = 360  # different family names: a search finds a tenth of the patients' number over this


@dataclass(frozen=True)
class Booked:
    """An appointment laid to be changed, and a slot it could be moved to."""

    episode: str
    appointment: str
    other_slot: str


@dataclass
class Scene:
    """Where a benchmark happens. Everything is laid by a superuser's connection, past row-level security."""

    connection: psycopg.Connection[Any]
    tenant_id: int
    key: str
    first_day: datetime
    clinics: list[tuple[int, str]] = field(default_factory=list)
    providers: list[tuple[int, str]] = field(default_factory=list)
    user_id: int = 0
    episodes: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)
    parties: list[str] = field(default_factory=list)
    days: int = 0

    @property
    def desk(self) -> str:
        """The locator of the clinic that is looked at."""
        return self.clinics[0][1]

    @property
    def desk_providers(self) -> list[str]:
        """The locators of those who work there."""
        return [locator for _, locator in self.providers[:DESK_PROVIDERS]]

    def lay(self) -> None:
        """Put the scene into the tenant."""
        self.clinics = self._run(scene_sql.CLINICS)
        self.providers = self._run(scene_sql.PROVIDERS, count=DESK_PROVIDERS + BOOKING_PROVIDERS)
        for place, clinic in ((slice(DESK_PROVIDERS), 0), (slice(DESK_PROVIDERS, None), 1)):
            self._run(
                scene_sql.AT_WORK, clinic=self.clinics[clinic][0], providers=[p for p, _ in self.providers[place]]
            )
        people = self._run(scene_sql.PEOPLE, patients=PATIENTS, names=NAMES)
        self._run(scene_sql.WORDS, patients=[patient for patient, _ in people])
        self.parties = [party for _, party in people[: 4 * BOARD_EPISODES]]
        episodes = self._run(scene_sql.EPISODES, patients=[patient for patient, _ in people])
        self.episodes = [locator for _, locator in episodes[: -VISITS_TODAY - PAGES]]
        self._run(scene_sql.BOARD, patients=[patient for patient, _ in people[: 4 * BOARD_EPISODES]])
        for day in range(CALENDAR_DAYS):
            self._desk_day(self.first_day + timedelta(days=day), SLOTS_A_DAY)
        self._run(scene_sql.WEEK, clinic=self.clinics[0][0], since=self.monday)
        self._lay_today([number for number, _ in episodes[-VISITS_TODAY - PAGES : -PAGES]])
        self._lay_pages([number for number, _ in episodes[-PAGES:]])
        self.pages = [locator for _, locator in episodes[-PAGES:]]
        self.user_id = self._run(scene_sql.USER)[0][0]
        self.days = CALENDAR_DAYS
        self.settle()

    def _lay_today(self, episodes: list[int]) -> None:
        """Today's visits at the desk clinic, in every state, with their moves."""
        local = datetime.combine(datetime.now(ZONE).date(), time(8), ZONE)
        slots = self._desk_day(local.astimezone(UTC), VISITS_TODAY // DESK_PROVIDERS)
        self._run(scene_sql.TODAY, slots=slots, episodes=episodes)

    def _lay_pages(self, episodes: list[int]) -> None:
        """Three visits, two prescriptions and a referral in each of these episodes."""
        for visit in range(3):
            day = self.first_day - timedelta(days=5 + visit)
            slots = self._desk_day(day, PAGES // DESK_PROVIDERS)
            self._run(scene_sql.VISITS, slots=slots, episodes=episodes)
        self._run(scene_sql.ORDERS, episodes=episodes)
        self._run(scene_sql.HISTORY, episodes=episodes)

    def settle(self, *tables: str) -> None:
        """Bring the statistics of these tables, or of all, up to date."""
        self.connection.execute(f"VACUUM ANALYZE {', '.join(tables)}")

    @property
    def monday(self) -> datetime:
        """When the week begins that is looked at."""
        return self.first_day + timedelta(days=-self.first_day.weekday() % 7)

    def add_day(self) -> list[tuple[str, str]]:
        """One more day of free slots, as (episode, slot) in random order; no patient is in two of a time."""
        slots = [locator for _, locator in self._booking_day()]
        start = self.days * len(slots)
        pairs = [(self.episodes[(start + n) % len(self.episodes)], slot) for n, slot in enumerate(slots)]
        random.Random(self.days).shuffle(pairs)
        return pairs

    def add_booked_day(self) -> list[Booked]:
        """One more day with an appointment in each slot, and for each a free slot of another provider the day after."""
        pairs = self.add_day()
        made = self._run(scene_sql.BOOKED, episodes=[one for one, _ in pairs], slots=[slot for _, slot in pairs])
        free = [locator for _, locator in self._booking_day()]
        both = zip(made, [*free[1:], free[0]], strict=True)  # both in the order of times, and of providers in a time
        found = [Booked(episode, appointment, slot) for (episode, appointment), slot in both]
        random.Random(self.days).shuffle(found)
        return found

    def _booking_day(self) -> list[tuple[int, str]]:
        day = self.first_day + timedelta(days=self.days)
        self.days += 1
        providers = [provider for provider, _ in self.providers[DESK_PROVIDERS:]]
        return self._run(
            scene_sql.SLOTS, clinic=self.clinics[1][0], day=day, slot=SLOT, slots=SLOTS_A_DAY, providers=providers
        )

    def _desk_day(self, day: datetime, slots: int) -> list[int]:
        """Slots of all providers of the desk clinic from a moment on; returns their ids."""
        providers = [provider for provider, _ in self.providers[:DESK_PROVIDERS]]
        rows = self._run(
            scene_sql.SLOTS, clinic=self.clinics[0][0], day=day, slot=SLOT, slots=slots, providers=providers
        )
        return [number for number, _ in rows]

    def _run(self, statement: str, **values: Any) -> list[Any]:
        found = self.connection.execute(statement, {"tenant": self.tenant_id, **values})
        return found.fetchall() if found.description else []


def tomorrow() -> datetime:
    """The midnight in UTC after the clinic's present day, from when on it offers times: its own day may have begun."""
    return datetime.combine(datetime.now(ZONE).date() + timedelta(days=1), time(), UTC)
