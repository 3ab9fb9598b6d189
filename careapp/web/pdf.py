"""PDF: one page of set text, written with our own fonts, Burmese shaped by HarfBuzz (ADR 8)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from careapp import clock
from careapp.web.typesetting import BURMESE as BURMESE_SIGN
from careapp.web.typesetting import JOINERS, MM_OF_POINT, Page, Set, clean

if TYPE_CHECKING:
    from fpdf.fonts import TTFFont

FONTS = Path(__file__).parents[1] / "fonts"
LATIN, BURMESE = "noto-sans-2.004", "padauk-5.000"
BURMESE_SIZE = 1.1  # its letters are drawn smaller than Latin ones of the same size
UNIT = 100  # points at which text is measured, so that a width is in em
STAMP_COLOUR, STAMP_OPACITY, STAMP_ANGLE = (176, 42, 55), 0.3, 35
STAMP_WIDTH = 0.85  # of the page


class Pen:
    """What measures text and then writes the page of one document. Its fonts' files are open until its block ends."""

    def __init__(self, *, title: str, language: str) -> None:
        from fpdf import FPDF  # here: it takes a sixth of a server's start, and few ask for a PDF at once

        self._pdf = FPDF(unit="mm")
        self._pdf.set_auto_page_break(False)
        self._pdf.c_margin = 0
        for family in (LATIN, BURMESE):
            self._pdf.add_font(family, "", FONTS / f"{family}-regular.ttf")
            self._pdf.add_font(family, "B", FONTS / f"{family}-bold.ttf")
        self._pdf.set_text_shaping(True)
        self._pdf.set_title(title)
        self._pdf.set_lang(language)
        self._pdf.set_creation_date(clock.now())
        self._widths: dict[tuple[str, bool], float] = {}

    def __enter__(self) -> "Pen":
        return self

    def __exit__(self, *_: object) -> None:
        for font in self._fonts():
            font.close()

    def measure(self, text: str, bold: bool) -> float:
        """How wide a text is, in em."""
        if (text, bold) not in self._widths:
            self._widths[text, bold] = sum(width for *_, width in self._runs(text, bold, UNIT)) / (UNIT * MM_OF_POINT)
        return self._widths[text, bold]

    def unprintable(self, texts: Iterable[str]) -> Sequence[str]:
        """The letters, each once, that no font of ours has: they would be printed as empty boxes."""
        known = {code for font in self._fonts() for code in font.cmap}
        signs = dict.fromkeys("".join(clean(text) for text in texts))
        return [sign for sign in signs if ord(sign) not in known and sign != "\n"]

    def write(self, page: Page, done: Set, *, stamp: str | None = None) -> bytes:
        """The document with this one page; a stamp stands across it, large, with all text still to be read."""
        self._pdf.add_page(format=(page.width, page.height))
        for top in done.rules:
            self._pdf.line(page.margin, top, page.width - page.margin, top)
        for line in done.lines:
            self._write(line.text, line.left, line.top, size=line.size, bold=line.bold, height=line.height)
        if stamp:
            self._stamp(page, stamp)
        return bytes(self._pdf.output())

    def _write(self, text: str, left: float, top: float, *, size: float, bold: bool, height: float) -> None:
        for family, run, width in self._runs(text, bold, size):
            self._set_font(family, bold, size)
            self._pdf.set_xy(left, top)
            self._pdf.cell(h=height, text=run)
            left += width

    def _stamp(self, page: Page, text: str) -> None:
        """Write the stamp from corner to corner, as large as it fits."""
        across = STAMP_WIDTH * page.width
        size = min(UNIT, across / (self.measure(text, True) * MM_OF_POINT))
        em = size * MM_OF_POINT
        left, top = (page.width - self.measure(text, True) * em) / 2, page.height / 2 - em
        with (
            self._pdf.rotation(STAMP_ANGLE, page.width / 2, page.height / 2),
            self._pdf.local_context(fill_opacity=STAMP_OPACITY, text_color=STAMP_COLOUR),
        ):
            self._write(text, left, top, size=size, bold=True, height=2 * em)

    def _runs(self, text: str, bold: bool, size: float) -> Iterator[tuple[str, str, float]]:
        """A text in parts of one font each, with the font and the width in millimetres.

        fpdf2 could choose fonts by itself, but then takes the last one for granted where the next text begins.
        """
        for burmese, signs in groupby(_families(text), key=lambda one: one[0]):
            family, run = BURMESE if burmese else LATIN, "".join(sign for _, sign in signs)
            self._set_font(family, bold, size)
            yield family, run, self._pdf.get_string_width(run)

    def _fonts(self) -> "list[TTFFont]":
        from fpdf.fonts import TTFFont

        return [font for font in self._pdf.fonts.values() if isinstance(font, TTFFont)]

    def _set_font(self, family: str, bold: bool, size: float) -> None:
        self._pdf.set_font(family, "B" if bold else "", size * (BURMESE_SIZE if family == BURMESE else 1))


def _families(text: str) -> Iterator[tuple[bool, str]]:
    """Each letter, and whether it is written with the Burmese font; blanks and joiners stay with what they follow."""
    burmese = False
    for sign in text:
        if sign not in JOINERS and not sign.isspace():
            burmese = bool(BURMESE_SIGN.match(sign))
        yield burmese, sign
