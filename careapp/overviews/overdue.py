"""Overdue: which open episodes somebody ought to look at, and why. Values in, a reason out."""

from datetime import datetime, timedelta
from enum import StrEnum

from careapp.scheduling.states import ACTIVE, ARRIVED, IN_PROGRESS

STAYS_OVER = timedelta(hours=2)  # a visit may take longer than its time before somebody asks whether it has ended
WAITS = timedelta(days=14)  # an episode nobody books or closes


class Overdue(StrEnum):
    """Why an episode is overdue."""

    VISIT_NOT_MARKED = "VISIT_NOT_MARKED"
    VISIT_NOT_ENDED = "VISIT_NOT_ENDED"
    NOT_BOOKED = "NOT_BOOKED"
    NOT_CLOSED = "NOT_CLOSED"


def why_overdue_visit(status: str, ends_at: datetime, now: datetime) -> Overdue | None:
    """Why an appointment is overdue: its time is over, and its status does not say what came of it."""
    if status in (ARRIVED, IN_PROGRESS):
        return Overdue.VISIT_NOT_ENDED if now > ends_at + STAYS_OVER else None
    return Overdue.VISIT_NOT_MARKED if status in ACTIVE and now > ends_at else None


def why_overdue(
    stage: str, *, now: datetime, opened_at: datetime, quiet_since: datetime | None = None,
    visit_status: str | None = None, visit_ends_at: datetime | None = None,
) -> Overdue | None:  # fmt: skip
    """Why an open episode is overdue. `visit…` is its earliest open appointment; `quiet_since` is when the last thing
    in a finished episode happened."""
    if visit_status and visit_ends_at:
        return why_overdue_visit(visit_status, visit_ends_at, now)
    if stage == "NEW" and now > opened_at + WAITS:
        return Overdue.NOT_BOOKED
    if stage == "READY_TO_CLOSE" and now > (quiet_since or opened_at) + WAITS:
        return Overdue.NOT_CLOSED
    return None
