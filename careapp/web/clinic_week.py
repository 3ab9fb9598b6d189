"""A clinic's week as a table: its providers by name, each with seven cells that hold some hundred links in all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

from markupsafe import Markup, escape

from careapp.overviews.calendar import Calendar
from careapp.overviews.clinic_week import CLOSED, FREE, FULL, OVER, Offer
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


@dataclass(frozen=True)
class Cell:
    """One provider's day: what it is on the whole, the first free slots and their starts, and how many more."""

    column: Column
    word: str
    slots: Sequence[str] = ()
    starts: Sequence[datetime] = ()
    more: int = 0


@dataclass(frozen=True)
class Row:
    """One provider's week."""

    locator: str
    name: str
    cells: Sequence[Cell]


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
        Row(locator, name, [_cell(one, offers.get((locator, day)), words) for day, one in enumerate(columns, 1)])
        for locator, name in sorted(names.items(), key=lambda pair: (pair[1], pair[0]))
    ]


def _cell(column: Column, offer: Offer | None, words: Mapping[str | None, str]) -> Cell:
    if offer is None:
        return Cell(column, words[None])
    word = words[offer.state] % {"count": offer.places}
    return Cell(column, word, offer.locators, offer.starts, offer.free - len(offer.locators))


# What a drawing has where cells differ. No escaped text has a "<", so none of these can stand in a name.
WORD, LINKS, SLOT, TIME, COUNT = (Markup(f"<{one}>") for one in ("word", "links", "slot", "time", "count"))
NAME, PROVIDER = Markup("<name>"), Markup("<provider>")


class Cells:
    """The cells of a page, which hold a thousand links. For each day the template draws one cell, a link to a free time
    and one to all others, with a mark wherever those of a day differ; each gets its own, escaped.
    """

    def __init__(
        self, cell: Callable[..., Markup], free: Callable[..., Markup], more: Callable[..., Markup], calendar: Calendar
    ) -> None:
        self._cell = cache(lambda column: str(cell(column, WORD, LINKS)))
        self._free = cache(lambda column: str(free(column, SLOT, TIME, NAME)))
        self._more = cache(lambda column: str(more(column, COUNT, NAME, PROVIDER)))
        self._time = cache(lambda moment: escape(local_time(moment, calendar.zone)))

    def __call__(self, row: Row) -> Markup:
        """The cells of a row."""
        name, locator = escape(row.name), escape(row.locator)
        return Markup("\n".join(self._drawn(one, name, locator) for one in row.cells))

    def _drawn(self, cell: Cell, name: Markup, locator: Markup) -> str:
        free = self._free(cell.column).replace(NAME, name)
        slots = str(escape(" ".join(cell.slots))).split()  # all at once, as there are so many
        links = [
            free.replace(SLOT, slot).replace(TIME, self._time(at)) for slot, at in zip(slots, cell.starts, strict=True)
        ]
        if cell.more:
            more = self._more(cell.column).replace(COUNT, str(cell.more))
            links.append(more.replace(PROVIDER, locator).replace(NAME, name))
        return self._cell(cell.column).replace(WORD, escape(cell.word)).replace(LINKS, " ".join(links))
