"""Audit writer: all audit rows of a transaction in one statement, just before it commits."""

import json
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import text

from careapp.access import Purpose
from careapp.db import db
from careapp.kept import keep
from careapp.replica import note_write

request_id: ContextVar[str | None] = ContextVar("careapp_request_id", default=None)

# The patients of each row are stored beside it as well, because that is how the log of one patient is found.
WRITTEN = """
written AS (
  INSERT INTO audit_event (tenant_id, actor, on_behalf_of, purpose, action, outcome, subject, patients, request_id,
    detail)
  SELECT :tenant_id, :actor, :on_behalf_of, coalesce(row.purpose, :purpose), row.action, row.outcome, row.subject,
    row.patients, :request_id, row.detail
  FROM jsonb_to_recordset(CAST(:rows AS jsonb))
    AS row (purpose text, action text, outcome text, subject text, patients text[], detail jsonb)
  RETURNING tenant_id, id, at, patients, xid)"""
FOUND_BY = """
INSERT INTO audit_patients (tenant_id, patient, at, event_id)
SELECT tenant_id, unnest(patients), at, id FROM written"""

WRITE = keep(text(f"WITH {WRITTEN}, found_by AS ({FOUND_BY}) SELECT max(xid::text::bigint) FROM written"))


@dataclass(frozen=True)
class AuditRow:
    """What one act or look was: an action's name, its outcome, the locator it was about and the patients it touched.

    `detail` holds codes, counts and search text, never a clinical value. `purpose` is that of this one act, where it is
    not the actor's own.
    """

    action: str
    outcome: str = "done"
    subject: str | None = None
    patients: tuple[str, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)
    purpose: Purpose | None = None


def with_purposes(rows: list[AuditRow], in_emergency: set[str]) -> list[AuditRow]:
    """The same rows; what touched a patient whose record is open by emergency access alone says so."""
    if not in_emergency:
        return rows
    return [replace(row, purpose=Purpose.ETREAT) if in_emergency.intersection(row.patients) else row for row in rows]


def write(
    tenant_id: int, actor: str, rows: list[AuditRow], *, on_behalf_of: str | None = None,
    purpose: Purpose = Purpose.HOPERAT,
) -> None:  # fmt: skip
    """Insert the rows in the present transaction; without them, no data leaves and no change is kept."""
    if rows:
        told = given(tenant_id, actor, rows, on_behalf_of=on_behalf_of, purpose=purpose)
        noted(rows, db.session.execute(WRITE, told).scalar_one())


def noted(rows: list[AuditRow], position: int) -> None:
    """Remember the transaction that writes these rows, where they tell of a change: who made it shall read it."""
    if any(row.outcome == "done" for row in rows):
        note_write(position)


def write_nothing() -> None:
    """Run the statement of `write` for no row: who fails to sign in shall not learn from the time it took whether there
    is anybody whose log could tell of it.
    """
    db.session.execute(WRITE, given(0, "nobody", [], on_behalf_of=None, purpose=Purpose.HOPERAT))


def given(
    tenant_id: int, actor: str, rows: list[AuditRow], *, on_behalf_of: str | None, purpose: Purpose
) -> dict[str, Any]:
    """The values of WRITTEN, for a statement that writes more than these rows; each row names a patient once."""
    return {
        "tenant_id": tenant_id,
        "actor": actor,
        "on_behalf_of": on_behalf_of,
        "purpose": purpose,
        "request_id": request_id.get(),
        "rows": json.dumps([{**vars(row), "patients": list(dict.fromkeys(row.patients))} for row in rows]),
    }
