"""Charts: where the parts of a picture stand. Values in, coordinates out; the templates draw them as SVG.

Widths are percentages of the picture, heights are pixels: a chart then fills a phone and a wide screen alike, and its
text keeps its size. Every column and bar carries its number, so no scale is drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEAD = 16.0  # px above the tallest column, for its number
LABEL = 13  # px a number in a column needs
SHARE_OF_STEP = 0.78  # of the room a column has, its own width
LABEL_SHARE = 7  # percent a number in a bar needs, on the narrowest screen
LEAST_TOP_RATE = 0.1  # a chart of small rates is not blown up: one missed visit in fifty must not look like a mountain


@dataclass(frozen=True)
class Part:
    """A part of a column (`start`, `size` in px from the top) or of a bar (in percent from the left).

    `value` stands in its middle, where `labelled` says that there is room for it.
    """

    kind: str
    value: int
    start: float
    size: float
    labelled: bool

    @property
    def middle(self) -> float:
        """Where its number stands."""
        return _round(self.start + self.size / 2)


@dataclass(frozen=True)
class Column:
    """A column: `left` and `width` in percent, `top` and `height` in px. A column without parts is all of one kind."""

    left: float
    width: float
    top: float
    height: float
    parts: Sequence[Part] = ()

    @property
    def centre(self) -> float:
        """Where its labels stand."""
        return _round(self.left + self.width / 2)


@dataclass(frozen=True)
class Level:
    """A line across several columns: from `left` to `right` in percent, at `top` px."""

    left: float
    right: float
    top: float


def stacked_columns(values: Sequence[Mapping[str, int]], height: int) -> list[Column]:
    """One column for each mapping of kinds to counts, the first kind at the foot; the tallest is `height` px."""
    tallest = max((sum(one.values()) for one in values), default=0)
    return [_stack(place, one, height, tallest) for place, one in zip(places(len(values)), values, strict=True)]


def rate_columns(rates: Sequence[float | None], height: int) -> list[Column | None]:
    """One column for each rate between 0 and 1: a flat one for zero, and None, no column at all, for no rate."""
    tallest = top_rate(rates)
    return [
        None if rate is None else Column(*place, rate_top(rate, tallest, height), _round(height * rate / tallest))
        for place, rate in zip(places(len(rates)), rates, strict=True)
    ]


def level(rates: Sequence[float | None], first: int, last: int, rate: float | None, height: int) -> Level | None:
    """A line at `rate` over the columns from `first` to before `last` of a chart of these rates; None for no rate."""
    if rate is None:
        return None
    step = 100 / len(rates)
    return Level(_round(first * step), _round(last * step), rate_top(rate, top_rate(rates), height))


def top_rate(rates: Sequence[float | None]) -> float:
    """The rate a chart of these rates reaches up to."""
    return max([LEAST_TOP_RATE, *(rate for rate in rates if rate is not None)])


def rate_top(rate: float, tallest: float, height: int) -> float:
    """Where a rate stands, in px from the top."""
    return _round(HEAD + height * (1 - rate / tallest))


def bar(values: Mapping[str, int], longest: int, *, left: float = 0, width: float = 100) -> list[Part]:
    """The parts of a bar that begins at `left` percent; `longest` is `width` percent long. No part for zero."""
    parts, start = [], left
    for kind, value in values.items():
        size = width * value / longest if longest else 0.0
        if value:
            parts.append(Part(kind, value, _round(start), _round(size), size >= LABEL_SHARE))
        start += size
    return parts


def places(count: int) -> list[tuple[float, float]]:
    """Left and width, in percent, of so many columns or cells side by side, with room between them."""
    step = 100 / count if count else 0.0
    gap = step * (1 - SHARE_OF_STEP) / 2
    return [(_round(number * step + gap), _round(step - 2 * gap)) for number in range(count)]


def _stack(place: tuple[float, float], values: Mapping[str, int], height: int, tallest: int) -> Column:
    parts, foot = [], HEAD + height
    for kind, value in values.items():
        size = height * value / tallest if tallest else 0.0
        foot -= size
        if value:
            parts.append(Part(kind, value, _round(foot), _round(size), size >= LABEL))
    return Column(*place, top=_round(foot), height=_round(HEAD + height - foot), parts=parts)


def _round(value: float) -> float:
    """Two digits are finer than any screen, and short to send."""
    return round(value, 2)
