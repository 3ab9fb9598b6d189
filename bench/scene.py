"""The clinic a benchmark happens in: providers with slots, patients with an episode each, a user at the front desk."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

PROVIDERS = 40
PATIENTS = 1_200  # more than providers, so that in one hour each provider sees another one
BOARD_EPISODES = 300  # a stage
SLOTS_A_DAY = 24
SLOT = timedelta(minutes=20)
CALENDAR_DAYS = 7  # the first days are looked at and never booked; every round of bookings takes a day of its own

_PEOPLE = """
WITH p AS (
  INSERT INTO patients (tenant_id, family, given, birth_date, gender)
  SELECT %(tenant)s, 'Family ' || n, ARRAY['Given ' || n], date '1950-01-01' + n, 'unknown'
  FROM generate_series(1, %(patients)s) AS n RETURNING id)
INSERT INTO episodes (tenant_id, patient_id, care_type, reason, opened_at)
SELECT %(tenant)s, id, 'GP', 'A reason of some length', now() - interval '30 days' FROM p RETURNING locator"""

# The newest episodes of every stage are never booked into, so the board shows the same in every round. A patient has an
# appointment in the calendar's days where the stage says so.
_BOARD = """
INSERT INTO episodes (tenant_id, patient_id, care_type, reason, opened_at, seen, open_appointments)
SELECT %(tenant)s, id, 'SPECIALIST', 'A reason of some length', now() - (n %% 1000) * interval '1 minute', seen, open
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM patients WHERE tenant_id = %(tenant)s) AS p
JOIN (VALUES (0, 0, 0), (1, 0, 1), (2, 1, 1), (3, 1, 0)) AS stage (number, seen, open) ON number = n %% 4
WHERE n <= %(episodes)s * 4"""

_APPOINTMENTS = """
WITH e AS (
  SELECT id, patient_id, row_number() OVER (ORDER BY id) AS n FROM episodes
  WHERE tenant_id = %(tenant)s AND care_type = 'SPECIALIST' AND open_appointments > 0),
s AS (
  SELECT id, provider_id, clinic_id, starts_at, ends_at, row_number() OVER (ORDER BY starts_at, id) AS n
  FROM provider_slots WHERE tenant_id = %(tenant)s),
a AS (
  INSERT INTO appointments (tenant_id, episode_id, patient_id, provider_id, clinic_id, slot_id, starts_at, ends_at,
                            busy_until, status)
  SELECT %(tenant)s, e.id, e.patient_id, s.provider_id, s.clinic_id, s.id, s.starts_at, s.ends_at, s.ends_at, 'BOOKED'
  FROM e JOIN s USING (n) RETURNING slot_id)
UPDATE provider_slots SET booked = 1, status = 'BOOKED'
WHERE tenant_id = %(tenant)s AND id IN (SELECT slot_id FROM a)"""

_SLOTS = """
INSERT INTO provider_slots (tenant_id, provider_id, clinic_id, starts_at, ends_at)
SELECT %(tenant)s, p.id, %(clinic)s, %(day)s + n * %(slot)s, %(day)s + (n + 1) * %(slot)s
FROM unnest(%(providers)s::bigint[]) WITH ORDINALITY AS p (id, place), generate_series(0, %(slots)s - 1) AS n
ORDER BY n, p.place RETURNING locator"""


@dataclass
class Scene:
    """A tenant and what is in it. Everything is laid by a superuser's connection, past row-level security."""

    connection: psycopg.Connection[Any]
    tenant_id: int
    key: str
    first_day: datetime
    clinic_id: int = 0
    user_id: int = 0
    provider_ids: list[int] = field(default_factory=list)
    provider_locators: list[str] = field(default_factory=list)
    episodes: list[str] = field(default_factory=list)
    days: int = 0

    def lay(self) -> None:
        """Fill the empty tenant."""
        row = self._rows(
            "INSERT INTO clinics (tenant_id, name, time_zone) VALUES (%(tenant)s, 'Clinic', 'Asia/Yangon')"
        )
        self.clinic_id = row[0][0]
        for number in range(PROVIDERS):
            [(provider_id, locator)] = self._rows(
                "INSERT INTO providers (tenant_id, name, specialty, status, activated_at)"
                " VALUES (%(tenant)s, %(name)s, 'GENERAL_PRACTICE', 'ACTIVE', now())",
                "id, locator", name=f"Dr Provider {number}",
            )  # fmt: skip
            self.provider_ids.append(provider_id)
            self.provider_locators.append(locator)
        self.episodes = [locator for (locator,) in self.connection.execute(_PEOPLE, self._values(patients=PATIENTS))]
        self.connection.execute(_BOARD, self._values(episodes=BOARD_EPISODES))
        for _ in range(CALENDAR_DAYS):
            self.add_day()
        self.connection.execute(_APPOINTMENTS, self._values())
        row = self._rows(
            "INSERT INTO users (tenant_id, email, name, password_hash, roles)"
            " VALUES (%(tenant)s, 'desk@bench.clinic', 'Front desk', 'none', '{front_desk}')"
        )
        self.user_id = row[0][0]
        self.settle()

    def settle(self) -> None:
        """Bring the database's statistics up to date."""
        self.connection.execute("VACUUM ANALYZE")

    def calendar(self) -> tuple[datetime, datetime]:
        """From when to when the days reach that are looked at."""
        return self.first_day, self.first_day + timedelta(days=CALENDAR_DAYS)

    def add_day(self) -> list[tuple[str, str]]:
        """One more day of free slots, as (episode, slot) in random order; no patient is in two of a time."""
        day = self.first_day + timedelta(days=self.days)
        values = self._values(
            clinic=self.clinic_id, day=day, slot=SLOT, slots=SLOTS_A_DAY, providers=self.provider_ids
        )  # fmt: skip
        slots = [locator for (locator,) in self.connection.execute(_SLOTS, values)]
        start = self.days * len(slots)
        self.days += 1
        pairs = [(self.episodes[(start + n) % len(self.episodes)], slot) for n, slot in enumerate(slots)]
        random.Random(self.days).shuffle(pairs)
        return pairs

    def _rows(self, statement: str, returning: str = "id", **values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(f"{statement} RETURNING {returning}", self._values(**values)).fetchall()

    def _values(self, **values: Any) -> dict[str, Any]:
        return {"tenant": self.tenant_id, **values}


def tomorrow() -> datetime:
    """The next midnight in UTC, from when on the clinic offers times."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
