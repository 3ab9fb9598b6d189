"""What a transaction has collected on its way, audit rows and events, and how it is written at its end."""

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Result, text

from careapp.access import Actor
from careapp.audit import writer as audit
from careapp.audit.writer import AuditRow
from careapp.errors import Refusal, Restricted
from careapp.kept import keep
from careapp.outbox import writer as outbox
from careapp.outbox.events import Event
from careapp.replica import note_write
from careapp.transactions import Asked

LONGEST_SUBJECT = 64  # characters of what was asked for that an audit row keeps
PATIENT = re.compile(r"PTY-[0-9]{4}-[0-9]{6,19}")

POSITION = "pg_current_xact_id()::text::bigint"  # as replica.note_write() takes it
_BOTH = keep(
    text(
        f"WITH {audit.WRITTEN}, found_by AS ({audit.FOUND_BY}), {outbox.PUBLISHED} {outbox.QUEUED} RETURNING {POSITION}"
    )
)


@dataclass
class Unit:
    """One transaction on its way: who does it, and what will be written at its end."""

    actor: Actor
    writes: bool
    events: list[Event] = field(default_factory=list)
    audits: list[AuditRow] = field(default_factory=list)
    causes: list[Event] = field(default_factory=list)
    depth: int = 0
    command: str | None = None  # the outermost one, for the figures
    grounds: dict[int, str | None] = field(default_factory=dict)  # what disclosure has found out, by patient
    in_emergency: set[str] = field(default_factory=set)  # patients whose record is open by emergency access alone


def written_by(actor: Actor, rows: list[AuditRow], events: list[Event]) -> Asked | None:
    """The statement that writes the audit rows and the events of a transaction, and its values; None for neither."""
    told = audit.given(actor.tenant_id, actor.name, rows, on_behalf_of=actor.on_behalf_of, purpose=actor.purpose)
    if events:
        return _BOTH, {**told, **outbox.given(actor.tenant_id, actor.tenant_key, events)}
    return (audit.WRITE, told) if rows else None


def remember(written: Result[Any] | None) -> None:
    """Remember the number of a transaction that has changed something, from what that statement returned; also where a
    kept answer is only given again: whoever gets it shall read what it tells.
    """
    positions = written.scalars().all() if written else []
    if positions:
        note_write(positions[-1])


def refusal_row(name: str, refusal: Refusal, asked_for: tuple[object, ...]) -> AuditRow:
    """The audit row of what was refused.

    The subject is the locator that was asked for, whether or not there is such a thing in this tenant; where it is a
    patient's, or belongs to a restricted patient, the row stands in the log of that patient as well.
    """
    subject = next((text[:LONGEST_SUBJECT] for text in asked_for if isinstance(text, str)), None)
    patients = (subject,) if subject and PATIENT.fullmatch(subject) else ()
    if isinstance(refusal, Restricted):
        patients = (refusal.party,)
    return AuditRow(name, "refused", subject, patients, {"code": refusal.code, "status": refusal.status})
