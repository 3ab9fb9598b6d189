"""Curves over time as an SVG picture: one panel under the other, each with its own scale and one line a series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 860, 120, 60, 190, 30, 44
COLOURS = ("#0b5fa5", "#c2410c", "#15803d", "#7e22ce", "#57534e")


@dataclass(frozen=True)
class Panel:
    """A panel: what it shows with its unit, and each series' values, as many as there are moments; None: no value."""

    title: str
    series: Mapping[str, Sequence[float | None]]


def picture(title: str, minutes: Sequence[float], panels: Sequence[Panel]) -> str:
    """The whole picture; `minutes` are the moments that values were read at, the first at the left edge."""
    height = TOP + len(panels) * (PANEL + GAP) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
        f' font-size="12" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, minutes, TOP + 20 + number * (PANEL + GAP))
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, minutes: Sequence[float], top: float) -> list[str]:
    """A panel's frame, its highest value, its time axis and its lines; the lowest value is always nought."""
    highest = max((value for line in panel.series.values() for value in line if value is not None), default=0) or 1.0
    span, right, bottom = minutes[-1] or 1.0, WIDTH - RIGHT, top + PANEL

    def point(moment: float, value: float) -> str:
        return f"{LEFT + (right - LEFT) * moment / span:.1f},{bottom - PANEL * value / highest:.1f}"

    parts = [
        f'<text x="{LEFT}" y="{top - 5}">{escape(panel.title)}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{right - LEFT}" height="{PANEL}" fill="none" stroke="#d6d3d1"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{highest:.3g}</text>',
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{right}" y="{bottom + 15}" text-anchor="end">{span:.3g} minutes</text>',
    ]
    for number, (name, values) in enumerate(panel.series.items()):
        colour = COLOURS[number % len(COLOURS)]
        there = [(moment, value) for moment, value in zip(minutes, values, strict=True) if value is not None]
        points = " ".join(point(moment, value) for moment, value in there)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.4" points="{points}"/>')
        parts.append(f'<text x="{right + 10}" y="{top + 12 + 16 * number}" fill="{colour}">{escape(name)}</text>')
    return parts
