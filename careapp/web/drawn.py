"""Drawn once: rows and cards of long lists, most of which are the same again when their page is asked next."""

from collections.abc import Callable
from functools import lru_cache, partial
from secrets import token_urlsafe
from sys import getsizeof
from typing import Any

from jinja2.runtime import Macro

from careapp import clock
from careapp.surface.csrf import form_token
from careapp.web.language import current_language

TOKEN_MARK = token_urlsafe()  # stands for the CSRF token in pieces; nobody can have typed it
_TOKEN_MARK = TOKEN_MARK.encode()
QUARTER = 15 * 60  # seconds
MOST_KEPT, LONGEST = 1024, 64_000  # pieces, the rows of three long lists; bytes of one
LONG_KEPT, LONGEST_LONG = 128, 200_000  # the same of columns and timelines, made of pieces or not


class _TooLong(Exception):
    """A piece that is not to be kept, as what is raised is not; `text` is all of it."""

    def __init__(self, text: str) -> None:
        self.text = text


class Drawn:
    """`drawn(macro)` in a template is the macro for this reader and quarter; what it makes of the same values is kept.

    A piece is a function of what it is known by: the macro, its values, the reader's language, and the quarter of an
    hour, since rows say ages and days: every zone's midnight begins one. What changes sooner, a wait, is a value. So
    nobody is shown what his own read did not return. A macro drawn so uses nothing else (tests/rules/test_drawn.py),
    and is imported without context, which makes it one object for all. It may have its parts drawn so: of a long piece
    in which one thing has changed the others are there still.
    Values are hashed and compared: views, texts, numbers, None, tuples of them. A value that equals another of its type
    must look like it. So types are told apart (markup equals the text that is to be escaped), and a moment is shown on
    the clock of a zone that is a value too (or for machines, as an instant). A piece takes 4 to 10 KB and its values as
    much again; the choices of a filter with hundreds of names, tens of KB. One of more than `longest` bytes, as where
    somebody wrote pages into each of fifty fields, is drawn whenever it is asked for: what is kept has an end.
    """

    def __init__(self, most: int = MOST_KEPT, longest: int = LONGEST) -> None:
        self._quarter = 0
        self._longest = longest
        self.piece = lru_cache(maxsize=most, typed=True)(self._draw)

    def __call__(self, macro: Macro) -> Callable[..., str]:
        """The macro, to be called with its values by place."""
        quarter = int(clock.now().timestamp()) // QUARTER
        if quarter != self._quarter:  # nothing of the one before is asked for again, and it holds names of patients
            self._quarter = quarter
            self.piece.cache_clear()
        return partial(self._of, macro, current_language(), quarter)

    def _of(self, *known_by: Any) -> str:
        try:
            return self.piece(*known_by)
        except _TooLong as long:
            return long.text

    def _draw(self, macro: Macro, language: str, quarter: int, *given: Any) -> str:
        text = macro(*given)
        if getsizeof(text) > self._longest:
            raise _TooLong(text)
        return text


def with_token(body: bytes) -> bytes:
    """A page with the CSRF token of this request's forms in the places that its pieces have for it."""
    return body.replace(_TOKEN_MARK, form_token().encode()) if _TOKEN_MARK in body else body
