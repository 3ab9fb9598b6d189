"""Rows on their way into tables by COPY: which columns of which table are given, the text of a row, ids handed out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import psycopg

# The tables a tenant is filled into, in an order that foreign keys allow, and the columns given; the rest has defaults.
COLUMNS = {
    "clinics": "tenant_id, id, name, time_zone, created_at",
    "providers": "tenant_id, id, npi, name, specialty, status, activated_at, created_at, version",
    "provider_clinics": "tenant_id, provider_id, clinic_id",
    "users": "tenant_id, id, email, name, roles, provider_id, created_at",
    "sign_in_directory": "email_hash, tenant_id, user_id",
    "user_session": "tenant_id, id, sid_hash, user_id, created_at, last_seen_at, ended_at, end_reason",
    "patients": "tenant_id, id, family, given, birth_date, gender, telecom, created_at, confidentiality, restricted_at",
    "patient_name_words": "tenant_id, word, patient_id",
    "patient_keys": "tenant_id, kind, value, patient_id",
    "patient_facts": "tenant_id, id, patient_id, kind, text, recorded_at",
    "care_team_members": "tenant_id, id, patient_id, user_id, role, since, added_by",
    "provider_slots": "tenant_id, id, provider_id, clinic_id, starts_at, ends_at, capacity, booked, status, created_at",
    "episodes": "tenant_id, id, patient_id, care_type, status, seen, open_appointments, open_referrals, reason,"
    " summary, opened_at, closed_at, last_provider_id, last_clinic_id, created_at, version",
    "appointments": "tenant_id, id, episode_id, patient_id, provider_id, clinic_id, slot_id, starts_at, ends_at,"
    " busy_until, type, status, category, created_at, version",
    "prescriptions": "tenant_id, id, episode_id, patient_id, provider_id, medication_text, dosage, quantity, status,"
    " issued_at, created_at, version",
    "diagnostics_referrals": "tenant_id, id, episode_id, patient_id, type, priority, reason, facility, scheduled_for,"
    " status, referred_at, status_at, due_at, created_at, version",
    "status_changes": "tenant_id, id, episode_id, entity, entity_id, locator, action, from_status, to_status, actor,"
    " category, at",
    "audit_event": "tenant_id, id, at, actor, action, outcome, subject, patients, detail",
    "audit_patients": "tenant_id, patient, at, event_id",
    "outbox_head": "tenant_id, key, sequence",
    "outbox_sent": "tenant_id, id, event_id, topic, key, sequence, envelope, created_at, published_at",
}
WITHOUT_ID = {
    "provider_clinics", "sign_in_directory", "patient_name_words", "patient_keys", "audit_patients", "outbox_head",
    "outbox_sent",  # its numbers are the outbox's
}  # fmt: skip
PREFIXES = {
    "clinics": "CLN", "providers": "PRV", "patients": "PTY", "provider_slots": "SLT", "episodes": "EPI",
    "appointments": "APT", "prescriptions": "RXP", "diagnostics_referrals": "REF",
}  # fmt: skip


@dataclass
class Rows:
    """The rows of one tenant as COPY reads them; `free` is the next id of each table."""

    tenant_id: int
    free: dict[str, int]
    lines: dict[str, list[str]] = field(default_factory=lambda: {table: [] for table in COLUMNS})

    def number(self, table: str) -> int:
        """A new id."""
        self.free[table] += 1
        return self.free[table] - 1

    def add(self, table: str, *values: Any) -> None:
        """A row of the tenant; `values` are those of COLUMNS after the tenant."""
        self.lines[table].append(f"{self.tenant_id}\t" + "\t".join(map(copied, values)))

    def copy(self, connection: psycopg.Connection[Any]) -> int:
        """Send all rows, table by table, and return how many there were."""
        for table, lines in self.lines.items():
            with connection.cursor().copy(f"COPY {table} ({COLUMNS[table]}) FROM STDIN") as copy:
                for start in range(0, len(lines), 2_000):
                    copy.write("\n".join(lines[start : start + 2_000]) + "\n")
        return sum(map(len, self.lines.values()))


def copied(value: Any) -> str:
    """A value as COPY's text format has it. Texts of ours hold neither tabs nor backslashes."""
    if value is None:
        return r"\N"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value)


def array(values: Iterable[str]) -> str:
    """A text[] of plain words."""
    return "{" + ",".join(values) + "}"


def locator(table: str, number: int, created_at: datetime) -> str:
    """What the generated column of that table will say (careapp/locators.py)."""
    return f"{PREFIXES[table]}-{created_at.year}-{number:06d}"
