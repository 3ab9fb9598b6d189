"""Words and limits that stand in a statement: what is none of the code is refused, before anything is made of it."""

import pytest
from sqlalchemy import Executable, Text, column, select
from sqlalchemy.dialects import postgresql

from careapp.db import at_most, written_out
from careapp.disclosure.rules import Kind, Who
from careapp.overviews.board_statements import Shape, cards, counts, news
from careapp.overviews.marks import mark_of_episode, mark_of_tenant

DESK, DOCTOR = Kind(Who.PERSON), Kind(Who.PERSON, provides=True, treats=True)


def test_words_stand_in_the_statement_and_nothing_is_bound() -> None:
    status = column("status", Text)
    made = select(status).where(status.in_(written_out(("IN_PROGRESS", "open")))).compile(dialect=postgresql.dialect())
    assert "status IN ('IN_PROGRESS', 'open')" in str(made)
    assert not made.params


@pytest.mark.parametrize("word", ["", "it's", "a b", "x;", "naïve", "1", "a'--"])
def test_anything_else_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="Only words of the code"):
        written_out(["fine", word])


@pytest.mark.parametrize("rows", ["5; DROP TABLE x", "ALL", None])
def test_a_limit_is_a_number(rows: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        at_most(rows)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "statement",
    [cards(Shape(), ("NEW", "IN_CARE"), 13), cards(Shape(provider=True), ("IN_CARE",), 13),
     cards(Shape(DOCTOR), ("NEW",), 13, later=True), counts(Shape(), ("NEW",)), counts(Shape(DESK), ("NEW",)),
     news(Shape()), news(Shape(DOCTOR)), mark_of_tenant(), mark_of_episode()],
)  # fmt: skip
def test_what_a_live_board_asks_can_be_planned_once(statement: Executable) -> None:
    made = str(statement.compile(dialect=postgresql.dialect()))  # type: ignore[attr-defined]
    assert "LIMIT" in made
    assert "LIMIT %(" not in made
