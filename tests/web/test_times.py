"""Times on a clinic's clock, and the week grid's geometry: values in, values out."""

from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from careapp import clock
from careapp.errors import Invalid
from careapp.web import times
from careapp.web.week_grid import LAST_ROW, LONGEST, week_grid
from careapp.web.words import words

NEW_YORK, YANGON = "America/New_York", "Asia/Yangon"
MOMENT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def test_moments_are_told_on_the_clinics_clock() -> None:
    assert times.local_datetime(MOMENT, YANGON) == "Fri 20 Nov 2026, 14:30"
    assert times.local_datetime(MOMENT, NEW_YORK) == "Fri 20 Nov 2026, 03:00"
    with clock.at(MOMENT):
        assert times.near_datetime(MOMENT, YANGON) == "Fri 20 Nov, 14:30"
        assert times.near_datetime(MOMENT + timedelta(days=60), YANGON) == "Tue 19 Jan 2027, 14:30"
        assert times.zone_name(YANGON) == "Asia/Yangon, UTC+06:30"
        assert times.zone_name(NEW_YORK) == "America/New_York, UTC-05:00"


@pytest.mark.parametrize(
    ("born", "told"),
    [(date(1980, 11, 20), "46 years"), (date(1980, 11, 21), "45 years"), (date(2026, 4, 20), "7 months"),
     (date(2024, 11, 21), "23 months"), (date(2026, 11, 19), "0 months"), (date(2026, 10, 20), "1 month")],
)  # fmt: skip
def test_age(born: date, told: str) -> None:
    with clock.at(MOMENT):
        assert times.age(born) == told


def test_weeks() -> None:
    assert times.parse_week("2026-W47") == date(2026, 11, 16)
    assert times.week_name(date(2026, 11, 20)) == "2026-W47"
    assert times.week_name(date(2027, 1, 2)) == "2026-W53"
    assert times.parse_week(None) is None
    for text in ("2025-W53", "2026-W00", "2026-47", "9999-W01", "now"):
        with pytest.raises(Invalid):
            times.parse_week(text)


def test_spans_of_a_day_on_which_the_clocks_change() -> None:
    usual = times.spans(date(2026, 11, 20), time(0), time(4), 60, NEW_YORK)
    shorter = times.spans(date(2026, 3, 8), time(0), time(4), 60, NEW_YORK)
    longer = times.spans(date(2026, 11, 1), time(0), time(4), 60, NEW_YORK)
    assert [len(usual), len(shorter), len(longer)] == [4, 3, 5]
    assert all(end - begin == timedelta(hours=1) for begin, end in longer)
    assert times.spans(date(2026, 11, 20), time(9), time(11, 15), 30, YANGON)[0][0].isoformat() == (
        "2026-11-20T02:30:00+00:00"
    )
    assert times.spans(date(2026, 11, 20), time(9), time(9, 20), 30, YANGON) == []


def test_words() -> None:
    assert (words("NO_SHOW"), words("FOLLOW_UP"), words("GP"), words(None)) == (
        "No-show", "Follow up", "General practice", "",
    )  # fmt: skip


def a_calendar(*slots: tuple[str, int], zone: str = YANGON) -> Any:
    """A week of slots given as (local start, minutes)."""
    offered = []
    for number, (text, minutes) in enumerate(slots):
        start = datetime.fromisoformat(text).replace(tzinfo=clock.zone(zone)).astimezone(UTC)
        end = start + timedelta(minutes=minutes)
        offered.append(SimpleNamespace(locator=f"SLT-{number}", starts_at=start, ends_at=end, zone=zone))
    return SimpleNamespace(monday=date(2026, 11, 16), today=date(2026, 11, 18), zone=zone, slots=offered)


def test_rows_of_the_grid() -> None:
    grid = week_grid(a_calendar(("2026-11-16T09:00", 30), ("2026-11-16T10:30", 60), ("2026-11-20T16:30", 30)))
    monday, friday = grid.days[0].slots, grid.days[4].slots
    assert [(one.row, one.rows) for one in monday] == [(1, 1), (4, 2)]
    assert [(one.row, one.rows) for one in friday] == [(16, 1)]
    assert [(hour.text, hour.row) for hour in grid.hours][:2] == [("09:00", 1), ("10:00", 3)]
    assert [one.is_today for one in grid.days] == [False, False, True, False, False, False, False]


@pytest.mark.parametrize(
    "slots",
    [(("2026-11-16T00:00", 5), ("2026-11-16T23:55", 5)), (("2026-11-16T00:00", 1440),), (("2026-11-16T22:00", 240),)],
)
def test_rows_stay_within_the_stylesheet(slots: tuple[tuple[str, int], ...]) -> None:
    for one in (placed for day in week_grid(a_calendar(*slots)).days for placed in day.slots):
        assert 1 <= one.row <= LAST_ROW
        assert 1 <= one.rows <= LONGEST


def test_an_empty_week_has_a_grid() -> None:
    assert [len(day.slots) for day in week_grid(a_calendar()).days] == [0] * 7
