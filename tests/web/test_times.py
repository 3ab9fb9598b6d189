"""Times on a clinic's clock, and the week grid's geometry: values in, values out."""

from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from careapp import clock
from careapp.errors import Invalid
from careapp.web import times
from careapp.web.grid_rows import LAST_ROW, Scale, clock_time
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


def a_slot_at(zone: str = YANGON) -> Any:
    """A slot as far as a grid looks at it."""
    return SimpleNamespace(starts_at=MOMENT, zone=zone)


def test_a_row_stands_from_one_time_that_matters_to_the_next() -> None:
    spans = [(540, 30), (630, 60), (990, 30)]  # 09:00, 10:30 for an hour, 16:30
    scale = Scale.of(spans)
    assert scale.edges == [540, 570, 630, 660, 690, 990, 1020]
    placed = [scale.place(a_slot_at(), span) for span in spans]
    assert [(one.row, one.rows) for one in placed] == [(1, 1), (3, 2), (6, 1)]
    assert [(hour.text, hour.row) for hour in scale.hours(str)] == [("540", 1), ("660", 4)]


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 5), (1435, 5)],
        [(0, 1440)],
        [(1320, 240)],
        [(minute, 5) for minute in range(0, 1500, 5)],  # a day of 25 hours, cut as finely as it goes
    ],
)
def test_rows_stay_within_the_stylesheet(spans: list[tuple[int, int]]) -> None:
    scale = Scale.of(spans)
    for one in (scale.place(a_slot_at(), span) for span in spans):
        assert 1 <= one.row <= LAST_ROW
        assert 1 <= one.rows <= LAST_ROW + 1 - one.row


def test_a_grid_without_slots_has_no_rows() -> None:
    assert Scale.of([]).hours(str) == []


def test_a_time_that_comes_twice_names_its_zone() -> None:
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert clock_time(first, NEW_YORK) == "01:30 EDT"
    assert clock_time(first + timedelta(hours=1), NEW_YORK) == "01:30 EST"
    assert clock_time(MOMENT, NEW_YORK) == "03:00"
