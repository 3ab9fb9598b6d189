"""What stands in the database after a random life, read as its superuser, beside what the model says must stand."""

from collections import Counter, defaultdict
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from careapp import localdb
from tests.attacks.model import Clinic
from tests.database import TestDatabase

TABLES = {
    "episode": "episodes", "appointment": "appointments", "prescription": "prescriptions",
    "referral": "diagnostics_referrals",
}  # fmt: skip
SLOTS = """
SELECT locator, booked, capacity, version, status,
       (SELECT count(*) FROM care.appointments a
         WHERE a.tenant_id = s.tenant_id AND a.slot_id = s.id AND a.status <> 'CANCELLED') AS held
  FROM care.provider_slots s WHERE tenant_id = %s"""
COUNTERS = """
SELECT locator, open_appointments, open_referrals,
       (SELECT count(*) FROM care.appointments a WHERE a.tenant_id = e.tenant_id AND a.episode_id = e.id
           AND a.status IN ('PENDING', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'IN_PROGRESS')) AS appointments,
       (SELECT count(*) FROM care.diagnostics_referrals r WHERE r.tenant_id = e.tenant_id AND r.episode_id = e.id
           AND r.status IN ('REFERRED', 'BOOKED')) AS referrals
  FROM care.episodes e WHERE tenant_id = %s"""
# What safety checks say of a prescription is a second row about the same change.
AUDITS = """
SELECT action, subject FROM care.audit_event
 WHERE tenant_id = %s AND id > %s AND outcome = 'done' AND action <> 'prescription.checks'"""
EVENTS = """
SELECT id, key, sequence, topic, envelope ->> 'subject' AS subject, envelope ->> 'sequence' AS told
  FROM care.outbox WHERE tenant_id = %s ORDER BY key, sequence"""


class Stored:
    """The database past all row-level security, and where each tenant's life began in it."""

    def __init__(self, database: TestDatabase) -> None:
        address = localdb.libpq_url(database.whole)
        self.connection = psycopg.connect(address, autocommit=True, row_factory=namedtuple_row)

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """The rows of a statement."""
        return self.connection.execute(statement, values).fetchall()  # type: ignore[call-overload,no-any-return]

    def newest(self, tenant: int) -> tuple[int, int]:
        """The highest ids of a tenant's audit rows and events."""
        [row] = self.rows(
            "SELECT (SELECT coalesce(max(id), 0) FROM care.audit_event WHERE tenant_id = %s) AS audits,"
            " (SELECT coalesce(max(id), 0) FROM care.outbox WHERE tenant_id = %s) AS events", tenant, tenant,
        )  # fmt: skip
        return row.audits, row.events

    def make_past(self, slot: str) -> None:
        """Let a slot have been three days ago, as no command adds one that is over."""
        self.connection.execute(
            "UPDATE care.provider_slots SET starts_at = now() - interval '72 hours',"
            " ends_at = now() - interval '71 hours' WHERE locator = %s", [slot],
        )  # fmt: skip

    def compare(self, tenant: int, since: tuple[int, int], clinic: Clinic) -> None:
        """Assert that everything of a tenant is as the model says."""
        self._compare_places(tenant, clinic)
        for entity, table in TABLES.items():
            found = {
                row.locator: (row.status, row.version)
                for row in self.rows(f"SELECT locator, status, version FROM care.{table} WHERE tenant_id = %s", tenant)
            }
            things = (thing for thing in clinic.things.values() if thing.lifecycle.entity == entity)
            assert found == {thing.locator: (thing.status, thing.version) for thing in things}
        done = Counter((row.action, row.subject) for row in self.rows(AUDITS, tenant, since[0]))
        assert done == clinic.done
        self._compare_events(tenant, since[1], clinic)

    def _compare_places(self, tenant: int, clinic: Clinic) -> None:
        """Places and counters: each against what is counted anew, and against the model."""
        found = {}
        for row in self.rows(SLOTS, tenant):
            assert row.booked == row.held <= row.capacity, row
            found[row.locator] = (row.booked, row.capacity, row.version, row.status)
        assert found == {
            one.locator: (one.booked, one.capacity, one.version, one.status) for one in clinic.slots.values()
        }
        for row in self.rows(COUNTERS, tenant):
            assert (row.open_appointments, row.open_referrals) == (row.appointments, row.referrals), row
        history = "SELECT locator, count(*) AS n FROM care.status_changes WHERE tenant_id = %s GROUP BY locator"
        changes = {row.locator: row.n for row in self.rows(history, tenant)}
        versions = {thing.locator: thing.version for thing in clinic.things.values()}
        assert {locator: changes.get(locator) for locator in versions} == versions, "one change, one version"

    def _compare_events(self, tenant: int, since: int, clinic: Clinic) -> None:
        """Every key's sequence goes from 1 without a gap, and tells what the model says in that order."""
        told, sequences = defaultdict(list), defaultdict(list)
        for row in self.rows(EVENTS, tenant):
            sequences[row.key].append(row.sequence)
            assert int(row.told) == row.sequence, row
            if row.id > since:
                told[row.key].append((row.topic, row.subject))
        assert all(found == list(range(1, len(found) + 1)) for found in sequences.values()), dict(sequences)
        assert told == clinic.told
