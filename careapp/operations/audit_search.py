"""Audit search: who did or saw what, about whom, and when; each search is itself audited.

It shows locators, codes and counts. What people typed into a search of patients is in the log as well, and stays
hidden: whoever reads the log is shown no name of a patient.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, select

from careapp.access import Actor, Permission
from careapp.audit.models import AUDIT, AUDIT_PATIENTS
from careapp.commands import query, record_read
from careapp.db import db
from careapp.kept import built_once
from careapp.late import may_be_late
from careapp.operations.models import TENANTS
from careapp.paging import DEFAULT_LIMIT, read_page
from careapp.views import Page, View

OUTCOMES = ("done", "seen", "refused")
MOST_EXPORTED = 10_000  # rows of one file
AT_A_TIME = 500
# What a row's details may say on a page: codes, counts and locators, and what administrators wrote about machinery.
SHOWN_DETAILS = frozenset({
    "code", "status", "roles", "scopes", "clinics", "sessions_ended", "event_id", "topic", "reason", "address",
    "before", "after",
    "step", "stage", "filter", "rows", "waiting", "count", "kind", "care_type", "clinic", "provider", "week", "day",
    "state", "slots", "ending", "factor", "way", "session_ended", "n", "hash", "by", "until",
})  # fmt: skip


@dataclass(frozen=True)
class AuditFilter:
    """What the log is searched by; None leaves one out. `since` is included, `until` is not."""

    patient: str | None = None
    actor: str | None = None
    purpose: str | None = None
    action: str | None = None
    outcome: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def given(self) -> dict[str, Any]:
        """The parts that are given, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


class AuditEntry(View):
    """One row of the log. `hidden` says that it has details that are not shown."""

    id: int
    at: datetime
    actor: str
    on_behalf_of: str | None
    purpose: str
    action: str
    outcome: str
    subject: str | None
    patients: tuple[str, ...]
    request_id: str | None
    detail: dict[str, Any]
    hidden: bool = False


@may_be_late
@query(Permission.AUDIT_VIEW)
def search_audit(
    actor: Actor, sought: AuditFilter, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[AuditEntry]:
    """The rows that meet all parts of the filter, newest first. Raises Invalid for a cursor that is not one of ours."""
    page = _page(actor, sought, limit, cursor)
    _record("audit.search", sought, len(page.items))
    return page


@may_be_late
@query(Permission.AUDIT_VIEW)
def export_audit(actor: Actor, sought: AuditFilter, *, most: int = MOST_EXPORTED) -> tuple[list[AuditEntry], bool]:
    """The newest rows that meet the filter, at most `most`, and whether there are more."""
    entries: list[AuditEntry] = []
    cursor: str | None = None
    for page in _pages(actor, sought, most):
        entries += page.items
        cursor = page.next_cursor
    _record("audit.export", sought, len(entries))
    return entries, cursor is not None


@may_be_late
@query(Permission.AUDIT_VIEW)
def export_page(actor: Actor, sought: AuditFilter, *, cursor: str | None = None) -> Page[AuditEntry]:
    """A part of an export without end, newest first; each part leaves a row. Raises Invalid for a foreign cursor."""
    page = _page(actor, sought, AT_A_TIME, cursor)
    _record("audit.export", sought, len(page.items))
    return page


@query(Permission.AUDIT_VIEW)
def audit_zone(actor: Actor) -> str:
    """The zone of the actor's tenant, on whose clock the log is read."""
    return str(db.session.execute(select(TENANTS.time_zone).where(TENANTS.id == actor.tenant_id)).scalar_one())


def _pages(actor: Actor, sought: AuditFilter, most: int) -> Iterator[Page[AuditEntry]]:
    """Page after page until the last, or until there are `most` rows."""
    left, cursor = most, None
    while left:
        page = _page(actor, sought, min(left, AT_A_TIME), cursor)
        yield page
        left, cursor = left - len(page.items), page.next_cursor
        if cursor is None:
            return


def _page(actor: Actor, sought: AuditFilter, limit: int, cursor: str | None) -> Page[AuditEntry]:
    given = sought.given()
    at, number = (AUDIT_PATIENTS.at, AUDIT_PATIENTS.event_id) if sought.patient else (AUDIT.at, AUDIT.id)
    return read_page(
        _statement(frozenset(given)), (at, number), _entries,
        of=("audit", given), limit=limit, cursor=cursor, newest_first=True,
        values={"tenant": actor.tenant_id, **{f"sought_{name}": value for name, value in given.items()}},
    )  # fmt: skip


@built_once
def _statement(names: frozenset[str]) -> Select[Any]:
    """The rows that meet a filter with these parts. By patient they are read from the log by patient, which has the
    times as well, so that its order is the order of the list.
    """
    by_patient = "patient" in names
    at = AUDIT_PATIENTS.at if by_patient else AUDIT.at
    conditions: dict[str, ColumnElement[bool]] = {
        "patient": AUDIT_PATIENTS.patient == bindparam("sought_patient"),
        "since": at >= bindparam("sought_since"),
        "until": at < bindparam("sought_until"),
    }
    conditions |= {name: AUDIT[name] == bindparam(f"sought_{name}") for name in names - set(conditions)}
    columns = [AUDIT[name] for name in AuditEntry.model_fields if name != "hidden"]
    statement = select(*columns).where(*(conditions[name] for name in sorted(names)))
    if not by_patient:
        return statement.where(AUDIT.tenant_id == bindparam("tenant"))
    same = (
        AUDIT.tenant_id == AUDIT_PATIENTS.tenant_id, AUDIT.at == AUDIT_PATIENTS.at, AUDIT.id == AUDIT_PATIENTS.event_id,
    )  # fmt: skip
    keys = (AUDIT_PATIENTS.at, AUDIT_PATIENTS.event_id)
    return statement.add_columns(*keys).where(AUDIT_PATIENTS.tenant_id == bindparam("tenant"), *same)


def _entries(rows: Sequence[Row[Any]]) -> list[AuditEntry]:
    return [_entry(row) for row in rows]


def _entry(row: Row[Any]) -> AuditEntry:
    """The row as it is shown: of its details only those that can hold no name of a patient."""
    found = dict(row._mapping)
    detail = {name: value for name, value in found["detail"].items() if name in SHOWN_DETAILS}
    shown = {name: found[name] for name in AuditEntry.model_fields if name not in ("detail", "hidden")}
    return AuditEntry(**shown, detail=detail, hidden=len(detail) < len(found["detail"]))


def _record(action: str, sought: AuditFilter, rows: int) -> None:
    """Audit the search: what for, and how many rows it showed."""
    told = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in sought.given().items()}
    record_read(
        action, sought.patient or sought.subject, patients=(sought.patient,) if sought.patient else (),
        filter=told, rows=rows,
    )  # fmt: skip
