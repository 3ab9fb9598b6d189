"""Audit writer: all audit rows of a transaction in one statement, just before it commits."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from careapp.audit.models import AuditEvent
from careapp.db import insert_many

request_id: ContextVar[str | None] = ContextVar("careapp_request_id", default=None)


@dataclass(frozen=True)
class AuditRow:
    """What one act or look was: an action's name, its outcome, the locator it was about and the patients it touched.

    `detail` holds codes, counts and search text, never a clinical value.
    """

    action: str
    outcome: str = "done"
    subject: str | None = None
    patients: tuple[str, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)


def write(tenant_id: int, actor: str, rows: list[AuditRow], *, on_behalf_of: str | None = None) -> None:
    """Insert the rows in the present transaction; without them, no data leaves and no change is kept."""
    insert_many(
        AuditEvent,
        [
            {
                "tenant_id": tenant_id,
                "actor": actor,
                "on_behalf_of": on_behalf_of,
                "action": row.action,
                "outcome": row.outcome,
                "subject": row.subject,
                "patients": list(row.patients),
                "request_id": request_id.get(),
                "detail": row.detail,
            }
            for row in rows
        ],
    )
