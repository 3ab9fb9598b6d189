"""The PDF of a prescription: the sheet set on one page, A5 where it fits, else A4."""

from collections.abc import Sequence

from flask_babel import gettext as _

from careapp.errors import Conflict
from careapp.web.language import current_language
from careapp.web.pdf import Pen
from careapp.web.prescription_sheet import Sheet
from careapp.web.typesetting import Page, Part, set_on_first

BROWSER_WIDER = 1.2  # DejaVu Sans, the widest of the usual ones, against Noto Sans
MOST_LETTERS = 20  # that are named where there is no font for them
A5, A4 = (148, 210), (210, 297)  # millimetres
# From the size it is designed in (10 points) down to 8 on A5 and 7 on A4; smaller print would be misread.
PAGES = tuple(
    Page(width, height, scale)
    for (width, height), scales in ((A5, (1.0, 0.9, 0.8)), (A4, (1.0, 0.9, 0.8, 0.7)))
    for scale in scales
)


def pdf_of(sheet: Sheet) -> bytes:
    """The sheet as a PDF of one page. Raises Conflict for letters we have no font for, and for more text than one
    page takes: it is never cut."""
    parts = parts_of(sheet)
    with _pen(sheet) as pen:
        missing = pen.unprintable(text for part in parts for text in (part.text, part.label or ""))
        if missing:
            raise Conflict(_no_font(missing), code="NO_FONT")
        placed = set_on_first(PAGES, parts, pen.measure)
        if placed is None:
            raise Conflict(too_long(), code="TOO_LONG_FOR_ONE_PAGE")
        return pen.write(*placed, stamp=sheet.stamp)


def fit(sheet: Sheet) -> Page | None:
    """The page and size to print the sheet on by a browser, whose letters may be wider than ours; None where one page
    does not even take ours."""
    parts = parts_of(sheet)
    with _pen(sheet) as pen:
        if set_on_first(PAGES, parts, pen.measure) is None:
            return None
        placed = set_on_first(PAGES, parts, lambda text, bold: BROWSER_WIDER * pen.measure(text, bold))
    return placed[0] if placed else PAGES[-1]


def too_long() -> str:
    """What somebody is told whose prescription does not fit on one page."""
    return _("This is more than fits on one page: there is no PDF, and the print page takes two.")


def parts_of(sheet: Sheet) -> list[Part]:
    """The sheet from top to bottom."""
    first, *rest = sheet.patient
    return [
        Part(sheet.head, size=14, bold=True, gap=0),
        *(Part(line, size=9, gap=0) for line in sheet.head_lines),
        Part(f"{sheet.title} {sheet.locator}", size=13, bold=True, gap=2, rule=True),
        *([Part(sheet.warning, size=11, bold=True)] if sheet.warning else []),
        Part(sheet.issued.value, sheet.issued.label, size=9),
        Part(first.value, first.label, size=11, bold=True, gap=2, rule=True),
        *(Part(one.value, one.label, bold=one.strong, gap=0.5) for one in rest),
        Part(sheet.medicine, size=14, bold=True, gap=2, rule=True),
        *(Part(one.value, one.label, size=11, bold=one.strong) for one in sheet.order),
        Part(sheet.end, size=8, gap=2),
        Part(sheet.prescriber, sheet.signature, size=9, gap=16, rule=True, bottom=True),
        *([Part(sheet.entered.value, sheet.entered.label, size=9, gap=0.5, bottom=True)] if sheet.entered else []),
        Part(sheet.code.value, sheet.code.label, size=13, bold=True, gap=2, bottom=True),
        Part(sheet.where, size=8, gap=0.5, bottom=True),
        Part(sheet.printed, size=7.5, gap=1, bottom=True),
    ]


def _no_font(letters: Sequence[str]) -> str:
    signs = " ".join(letters[:MOST_LETTERS])
    return _("The PDF has no font for these letters: %(signs)s. Use the print page.", signs=signs)


def _pen(sheet: Sheet) -> Pen:
    return Pen(title=f"{sheet.title} {sheet.locator}", language=current_language())
