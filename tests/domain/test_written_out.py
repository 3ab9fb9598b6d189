"""Words that stand in a statement: what is no word of the code is refused, before anything could be made of it."""

import pytest
from sqlalchemy import Text, column, select
from sqlalchemy.dialects import postgresql

from careapp.db import written_out


def test_words_stand_in_the_statement_and_nothing_is_bound() -> None:
    status = column("status", Text)
    made = select(status).where(status.in_(written_out(("IN_PROGRESS", "open")))).compile(dialect=postgresql.dialect())
    assert "status IN ('IN_PROGRESS', 'open')" in str(made)
    assert not made.params


@pytest.mark.parametrize("word", ["", "it's", "a b", "x;", "naïve", "1", "a'--"])
def test_anything_else_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="Only words of the code"):
        written_out(["fine", word])
