"""When a referral is due and how it stands: values in, values out."""

from datetime import UTC, datetime, timedelta

import pytest

from careapp.access import Actor
from careapp.referrals import service
from careapp.referrals.deadlines import Standing, due_at, standing
from tests import factories as make
from tests.looking import rows

NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "priority", "scheduled_for", "due"),
    [
        ("REFERRED", "STAT", None, NOW + DAY),
        ("REFERRED", "URGENT", None, NOW + 7 * DAY),
        ("REFERRED", "ROUTINE", None, NOW + 30 * DAY),
        ("BOOKED", "STAT", NOW + 3 * DAY, NOW + 5 * DAY),
        ("BOOKED", "URGENT", None, NOW + 9 * DAY),
        ("COMPLETED", "STAT", NOW, None),
        ("CANCELLED", "STAT", NOW, None),
    ],
)
def test_what_is_due_when(status: str, priority: str, scheduled_for: datetime | None, due: datetime | None) -> None:
    assert due_at(status, priority, since=NOW, scheduled_for=scheduled_for) == due


@pytest.mark.parametrize(
    ("status", "priority", "left", "stands"),
    [
        ("REFERRED", "STAT", 7 * HOUR, Standing.IN_TIME),
        ("REFERRED", "STAT", 5 * HOUR, Standing.DUE_SOON),
        ("REFERRED", "STAT", timedelta(0), Standing.DUE_SOON),
        ("REFERRED", "STAT", -HOUR, Standing.NOT_BOOKED),
        ("REFERRED", "ROUTINE", 8 * DAY, Standing.IN_TIME),
        ("REFERRED", "ROUTINE", 7 * DAY, Standing.DUE_SOON),
        ("BOOKED", "STAT", HOUR, Standing.IN_TIME),
        ("BOOKED", "STAT", -HOUR, Standing.REPORT_MISSING),
        ("COMPLETED", "STAT", None, Standing.IN_TIME),
    ],
)
def test_how_it_stands(status: str, priority: str, left: timedelta | None, stands: Standing) -> None:
    assert standing(status, priority, None if left is None else NOW + left, NOW) is stands


def test_each_move_sets_it(god: Actor) -> None:
    made, when = make.a_referral(god), make.soon(50)
    kept = []
    for action, given in (("book", {"scheduled_for": when}), ("complete", {})):
        service.act(god, made.locator, action=action, **given)
        kept += [rows(god, "SELECT due_at, status_at, referred_at FROM diagnostics_referrals")[0]]
    assert [row.due_at for row in kept] == [when + 2 * DAY, None]
    assert kept[0].referred_at < kept[0].status_at < kept[1].status_at
