"""A clinic's week as a table: its providers by name, each with seven cells that hold some hundred links in all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import NamedTuple

from markupsafe import Markup

from careapp.overviews.calendar import Calendar
from careapp.overviews.clinic_week import CLOSED, FREE, FULL, OVER, Offer, first_of
from careapp.web.language import gettext as _
from careapp.web.times import day, local_time, near_day
from careapp.web.week_grid import days_of


@dataclass(frozen=True)
class Column:
    """One day: its name in the table's head, its whole name, and the address of that day alone."""

    label: str
    name: str
    address: str
    is_today: bool


class Cell(NamedTuple):
    """One provider's day: what it is on the whole, how many slots are free, and the first of them as in an Offer."""

    column: Column
    word: str
    free: int = 0
    locators: str = ""
    starts: str = ""


class Row(NamedTuple):
    """One provider's week."""

    locator: str
    name: str
    cells: tuple[Cell, ...]


def columns_of(calendar: Calendar, address_of: Callable[[date], str]) -> list[Column]:
    """The days of a clinic's week."""
    return [Column(near_day(one), day(one), address_of(one), one == calendar.today) for one in days_of(calendar)]


def rows_of(calendar: Calendar, columns: Sequence[Column]) -> list[Row]:
    """The clinic's providers by name, and who else offers something there, each with a cell a column."""
    names = {offer.provider_locator: offer.provider_name for offer in calendar.offers}
    if calendar.clinic:
        names |= {one.locator: one.name for one in calendar.at_hand}
    offers = {(offer.provider_locator, offer.day): offer for offer in calendar.offers}
    words = {
        FREE: _("%(count)s free"), OVER: _("Past"), CLOSED: _("Blocked"), FULL: _("Full"), None: _("No slots"),
    }  # fmt: skip
    return [
        Row(locator, name, tuple(_cell(one, offers.get((locator, day)), words) for day, one in enumerate(columns, 1)))
        for locator, name in sorted(names.items(), key=lambda pair: (pair[1], pair[0]))
    ]


def _cell(column: Column, offer: Offer | None, words: Mapping[str | None, str]) -> Cell:
    if offer is None:
        return Cell(column, words[None])
    word = words[offer.state] % {"count": offer.places}
    return Cell(column, word, offer.free, offer.locators, offer.starts)


# What a drawing has where cells differ. No escaped text has a "<", so neither can stand in a name.
GAP, NAME = Markup("<gap>"), Markup("<name>")
ROWS_KEPT = 256  # of some 15 KB


class Frame(NamedTuple):
    """What cells of a day have in common, each drawn with gaps: a cell, a link to a free time, one to all others."""

    cell: Markup
    free: Markup
    more: Markup


class Cells:
    """The cells of a page, which hold a thousand links. For each day the template draws its frame; each cell gets what
    is its own, escaped as Markup does, and a row that is the same again is kept.
    """

    def __init__(
        self, cell: Callable[..., Markup], free: Callable[..., Markup], more: Callable[..., Markup], calendar: Calendar
    ) -> None:
        self._draw, self._zone = (cell, free, more), calendar.zone
        self._frame = cache(self._drawn)

    def __call__(self, row: Row) -> Markup:
        """The cells of a row."""
        return _cells(tuple(self._frame(one.column) for one in row.cells), row, self._zone)

    def _drawn(self, column: Column) -> Frame:
        cell, free, more = self._draw
        return Frame(cell(column, GAP, GAP), free(column, GAP, GAP, NAME), more(column, GAP, NAME, GAP))


@lru_cache(maxsize=ROWS_KEPT)
def _cells(frames: tuple[Frame, ...], row: Row, zone: str) -> Markup:
    """A function of its values alone; what a reader's language or purpose changes stands in the frames."""
    pairs = zip(frames, row.cells, strict=True)
    return Markup("").join(piece for frame, cell in pairs for piece in _pieces(frame, row, cell, zone))


def _pieces(frame: Frame, row: Row, cell: Cell, zone: str) -> list[str]:
    begin, word_ends, end = frame.cell.split(GAP)
    pieces = [begin, cell.word, word_ends]
    first = first_of(cell.locators, cell.starts)
    if first:
        before, middle, after = frame.free.replace(NAME, row.name).split(GAP)
        between = after + Markup(" ") + before
        for slot, at in first:
            pieces += (before, slot, middle, local_time(at, zone))
            before = between
        pieces.append(after)
    if cell.free > len(first):
        before, middle, after = frame.more.split(GAP)
        more = str(cell.free - len(first))
        pieces += (" ", before, row.locator, middle, more, after.replace(NAME, row.name))
    return [*pieces, end]
