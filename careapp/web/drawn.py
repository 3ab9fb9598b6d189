"""Drawn once: rows and cards of long lists, most of which are the same again when their page is asked next."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from jinja2.runtime import Macro

from careapp import clock
from careapp.web.language import current_language

MOST_KEPT = 1024  # pieces; the rows of three long lists


class Drawn:
    """`drawn(macro)` in a template is the macro for this reader and minute; what it makes of the same values is kept.

    A piece is a function of what it is known by: the macro, its values, the reader's language, and the minute, since
    rows say ages, days and waits. So nobody is shown what his own read did not return. A macro drawn so uses nothing
    else (tests/rules/test_drawn.py), and is imported without context, which makes it one object for all.
    Values are hashed and compared: views, texts, numbers, None, tuples of them. A value that equals another of its type
    must look like it. So types are told apart (markup equals the text that is to be escaped), and a moment is shown on
    the clock of a zone that is a value too (or for machines, as an instant). What is kept takes 10 MB at most, 4 to 10
    KB a piece.
    """

    def __init__(self) -> None:
        self._minute = 0
        self.piece = lru_cache(maxsize=MOST_KEPT, typed=True)(_draw)

    def __call__(self, macro: Macro) -> Callable[..., str]:
        """The macro, to be called with its values by place."""
        minute = int(clock.now().timestamp()) // 60
        if minute != self._minute:  # nothing of the minute before is asked for again, and it holds names of patients
            self._minute = minute
            self.piece.cache_clear()
        return partial(self.piece, macro, current_language(), minute)


def _draw(macro: Macro, language: str, minute: int, *given: Any) -> str:
    return macro(*given)
