"""Rows of the calendar's grids: where a slot stands in its column. Values in, values out.

Rows are classes (`at-1`, `for-2`), since the security policy forbids style attributes; the stylesheet has LAST_ROW of
each.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from careapp import clock
from careapp.overviews.slot_cells import SlotCell

LAST_ROW = 96
FEW_ROWS = 24  # up to so many can be tall
EVEN = (15, 20, 30, 60)  # minutes of a row where there are too many times for rows of their own; the last fits any day
HOUR = 60
CLOCK_TIMES_KEPT = 4096  # slots of providers side by side begin at the same times

Minutes = tuple[int, int]  # from the grid's beginning of the day to the slot's begin, and its length


@dataclass(frozen=True)
class Placed:
    """A slot and its rows: the first, and how many. `clock` is its begin on its own clock, unmistakable."""

    slot: SlotCell
    row: int
    rows: int
    clock: str


@dataclass(frozen=True)
class Hour:
    """A label beside the grid."""

    text: str
    row: int


@dataclass(frozen=True)
class Scale:
    """The minutes of the day at which rows begin, and at the end that of the last one's end.

    A row stands from one time that matters to the next: where a slot begins or ends, and each full hour inside one. So
    a quiet night or a lunch break takes one row, and slots of five and of sixty minutes stand side by side.
    """

    edges: Sequence[int]

    @classmethod
    def of(cls, spans: Sequence[Minutes]) -> "Scale":
        """The scale of some slots; of more times than there can be rows, one with even rows instead."""
        times = {minute for begin, length in spans for minute in (begin, begin + length)}
        full = {hour for begin, length in spans for hour in range(-(-begin // HOUR) * HOUR, begin + length, HOUR)}
        edges = sorted(times | full)
        if len(edges) <= LAST_ROW + 1:
            return cls(edges)
        first, last = edges[0] // HOUR * HOUR, edges[-1]
        step = next((one for one in EVEN if last - first <= one * LAST_ROW), EVEN[-1])
        return cls(range(first, last + step, step))

    @property
    def tall(self) -> bool:
        """Whether the rows are few enough to be tall."""
        return len(self.edges) <= FEW_ROWS

    def place(self, slot: SlotCell, span: Minutes) -> Placed:
        """The slot at its rows."""
        begin, length = span
        row = max(1, min(LAST_ROW, bisect_right(self.edges, begin)))
        rows = max(1, min(LAST_ROW + 1 - row, bisect_left(self.edges, begin + length) + 1 - row))
        return Placed(slot, row, rows, clock_time(slot.starts_at, slot.zone))

    def row_of(self, minute: int) -> int | None:
        """The row a minute lies in; None before the first and after the last."""
        row = bisect_right(self.edges, minute)
        return row if 0 < row < len(self.edges) and row <= LAST_ROW else None

    def hours(self, label: Callable[[int], str]) -> list[Hour]:
        """A label at each row that begins with a full hour, `label` giving the text for a minute of the day."""
        rows = list(enumerate(self.edges[:-1], 1))[:LAST_ROW]
        return [Hour(label(minute), row) for row, minute in rows if minute % HOUR == 0]


@lru_cache(maxsize=CLOCK_TIMES_KEPT)
def clock_time(moment: datetime, zone: str) -> str:
    """`01:30` on the clock of `zone`; with the name of its time where the clocks show that twice: `01:30 EST`."""
    shown = clock.local(moment, zone)
    twice = shown.utcoffset() != shown.replace(fold=1 - shown.fold).utcoffset()
    return f"{shown:%H:%M %Z}" if twice else f"{shown:%H:%M}"
