"""Views of rows: one by one, and those of a list together."""

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Row
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

from careapp.views import Page, View


class Visit(View):
    """A view with a name that is another one outside."""

    locator: str
    patient_name: str | None
    version: int


def rows(*values: tuple[Any, ...]) -> list[Row[Any]]:
    """Rows with a column that the view does not show."""
    return list(IteratorResult(SimpleResultMetaData(["id", "locator", "patient_name", "version"]), iter(values)).all())


TWO = ((1, "APT-1", "Daw Mya", 3), (2, "APT-2", None, 1))


def test_views_of_a_list_are_those_of_its_rows() -> None:
    assert Visit.of_each(rows(*TWO)) == [Visit.of(row) for row in rows(*TWO)]
    assert Visit.of_each([]) == []


def test_changes_are_those_of_each_row() -> None:
    made = Visit.of_each(rows(*TWO), lambda row: {"patient_name": None} if row.version > 1 else {"version": 9})
    assert [(one.patient_name, one.version) for one in made] == [(None, 3), (None, 9)]


def test_a_row_that_is_no_such_view_is_refused() -> None:
    with pytest.raises(ValidationError, match="version"):
        Visit.of_each(rows((1, "APT-1", None, "many")))


def test_a_page_is_written_as_its_items_are() -> None:
    made = Page(items=tuple(Visit.of_each(rows(*TWO))), next_cursor="x")
    outside = '{{"locator":"{}","patientName":{},"version":{}}}'
    items = ",".join([outside.format("APT-1", '"Daw Mya"', 3), outside.format("APT-2", "null", 1)])
    assert made.model_dump_json(by_alias=True) == f'{{"items":[{items}],"nextCursor":"x"}}'
