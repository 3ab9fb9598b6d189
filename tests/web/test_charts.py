"""Charts: coordinates from values, without a page."""

from itertools import pairwise

import pytest

from careapp.web import charts


def test_columns_stand_on_the_ground_and_the_tallest_fills_the_height() -> None:
    low, tall = charts.stacked_columns([{"done": 1, "due": 1}, {"done": 3, "due": 1}], 100)
    assert (tall.top, tall.height) == (charts.HEAD, 100)
    assert (low.top, low.height) == (charts.HEAD + 50, 50)
    assert [(one.kind, one.start, one.size) for one in tall.parts] == [
        ("done", charts.HEAD + 25, 75), ("due", charts.HEAD, 25),
    ]  # fmt: skip


def test_columns_stand_side_by_side_within_the_picture() -> None:
    columns = charts.stacked_columns([{"due": 1}] * 24, 100)
    for one, after in pairwise(columns):
        assert one.left + one.width < after.left
        assert one.left < one.centre < one.left + one.width
    assert columns[0].left > 0
    assert columns[-1].left + columns[-1].width < 100


def test_a_kind_without_a_value_has_no_part_and_a_thin_one_no_number() -> None:
    [column] = charts.stacked_columns([{"done": 99, "missed": 0, "due": 1}], 120)
    assert [(one.kind, one.labelled) for one in column.parts] == [("done", True), ("due", False)]


def test_nothing_to_show_is_no_error() -> None:
    assert charts.stacked_columns([], 100) == []
    [empty] = charts.stacked_columns([{"due": 0}], 100)
    assert (empty.height, empty.parts) == (0, [])
    assert charts.rate_columns([], 100) == []
    assert charts.bar({"due": 0}, 0) == []


def test_no_rate_is_no_column_and_zero_is_a_flat_one() -> None:
    none, zero, most = charts.rate_columns([None, 0.0, 0.5], 100)
    assert none is None
    assert zero is not None
    assert (zero.top, zero.height) == (charts.HEAD + 100, 0)
    assert most is not None
    assert (most.top, most.height) == (charts.HEAD, 100)


def test_small_rates_stay_small() -> None:
    [column] = charts.rate_columns([0.02], 100)
    assert column is not None
    assert column.height == pytest.approx(20)


def test_a_level_stands_where_a_column_of_its_rate_would_end() -> None:
    rates = [0.1, None, 0.4, 0.2]
    level = charts.level(rates, 2, 4, 0.2, 100)
    column = charts.rate_columns(rates, 100)[3]
    assert level is not None
    assert column is not None
    assert (level.left, level.right, level.top) == (50, 100, column.top)
    assert charts.level(rates, 0, 2, None, 100) is None


def test_bars_begin_where_the_part_before_ends() -> None:
    parts = charts.bar({"free": 1, "taken": 3}, 8, left=10, width=40)
    assert [(one.kind, one.start, one.size) for one in parts] == [("free", 10, 5), ("taken", 15, 15)]
    assert [one.labelled for one in parts] == [False, True]
    assert parts[1].middle == 22.5
