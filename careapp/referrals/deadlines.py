"""When a referral is overdue: a pure rule of states and times.

The limits are a rule of this house, by what the priorities promise; no standard sets them. A deadline is stored with
the referral when it comes into a state, so a changed limit holds for what happens from then on.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from careapp.referrals.states import BOOKED, REFERRED

TO_BE_BOOKED = {"STAT": timedelta(days=1), "URGENT": timedelta(days=7), "ROUTINE": timedelta(days=30)}
REPORT_EXPECTED = timedelta(days=2)  # after the day it was booked for, something should have come back
SOON = 4  # what has less than this part of its time left is due soon: a quarter


class Standing(StrEnum):
    """How an open referral stands against its deadline."""

    IN_TIME = "in-time"
    DUE_SOON = "due-soon"
    NOT_BOOKED = "not-booked"
    REPORT_MISSING = "report-missing"


def due_at(status: str, priority: str, *, since: datetime, scheduled_for: datetime | None) -> datetime | None:
    """When what comes next should have happened: the booking, or the report. None for what is over.

    `since` is when it came into this state. One booked without a date has as long as the booking itself may take.
    """
    if status == REFERRED:
        return since + TO_BE_BOOKED[priority]
    if status == BOOKED:
        return (scheduled_for or since + TO_BE_BOOKED[priority]) + REPORT_EXPECTED
    return None


def standing(status: str, priority: str, due: datetime | None, now: datetime) -> Standing:
    """How a referral in this state, due then, stands now."""
    if due is None or (status == BOOKED and now <= due):
        return Standing.IN_TIME
    if now > due:
        return Standing.REPORT_MISSING if status == BOOKED else Standing.NOT_BOOKED
    return Standing.DUE_SOON if due - now < TO_BE_BOOKED[priority] / SOON else Standing.IN_TIME
