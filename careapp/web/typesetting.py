"""Typesetting: text broken into lines of a width, and parts put under each other on one page; pure arithmetic.

Widths are in em, so that one measurement serves every size: a width in em times the size is a width on paper.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

MM_OF_POINT = 25.4 / 72
BURMESE = re.compile("[\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f]")
# Burmese is written without blanks; a line may break before each syllable: a consonant or a vowel with a form of its
# own, neither stacked under the one before it nor closing its syllable (virama, asat).
_SYLLABLE = re.compile("(?<=[\u1000-\u109f])(?<!\u1039)(?=[\u1000-\u102a\u103f\u104c-\u104f](?!\u1037?[\u103a\u1039]))")
_UNSEEN = ("Cc", "Cf")  # control and format: they print nothing
JOINERS = "\u200c\u200d"  # of those, the two that say which form the letters beside them take
AFTER_RULE, BETWEEN = 1.5, 2  # millimetres: under a rule, and between a label and its text
LABEL_SIZE = 9  # points, at most
LEADING, BURMESE_LEADING = 1.3, 1.7  # line heights in em; Burmese stacks signs above and below

Measure = Callable[[str, bool], float]


@dataclass(frozen=True)
class Part:
    """A paragraph, beside a label if it has one. Sizes are points; `gap`, before it, and widths are millimetres.

    `bottom` parts stand at the page's foot. `rule` draws a line above.
    """

    text: str
    label: str | None = None
    size: float = 10
    bold: bool = False
    gap: float = 1.5
    rule: bool = False
    bottom: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a part at its place: left and top in millimetres from the page's corner."""

    text: str
    left: float
    top: float
    size: float
    bold: bool
    height: float


@dataclass(frozen=True)
class Set:
    """A page that is set: its lines, and the height of each ruled line."""

    lines: Sequence[Line]
    rules: Sequence[float]


@dataclass(frozen=True)
class Page:
    """A page's format in millimetres, and how much smaller or larger than designed the text on it is."""

    width: float
    height: float
    scale: float
    margin: float = 12
    labels: float = 30


def set_on_first(pages: Sequence[Page], parts: Sequence[Part], measure: Measure) -> tuple[Page, Set] | None:
    """The first of the pages that takes all parts, and the parts set on it; None where none does."""
    for page in pages:
        done = set_on(page, parts, measure)
        if done is not None:
            return page, done
    return None


def set_on(page: Page, parts: Sequence[Part], measure: Measure) -> Set | None:
    """The parts on one page, from its top down, those of the foot at the bottom; None where there is no room."""
    upper, lower = _Stack(page, measure, page.margin), _Stack(page, measure, 0)
    for part in parts:
        (lower if part.bottom else upper).put(part)
    down = page.height - page.margin - lower.end
    if upper.end > down:
        return None
    foot = [replace(line, top=line.top + down) for line in lower.lines]
    return Set([*upper.lines, *foot], [*upper.rules, *(rule + down for rule in lower.rules)])


class _Stack:
    """Parts under each other; `end` is where the last one ends."""

    def __init__(self, page: Page, measure: Measure, top: float) -> None:
        self.page, self.measure, self.end = page, measure, top
        self.lines: list[Line] = []
        self.rules: list[float] = []

    def put(self, part: Part) -> None:
        """Put one more under those before it."""
        page = self.page
        self.end += part.gap * page.scale
        if part.rule:
            self.rules.append(self.end)
            self.end += AFTER_RULE * page.scale
        top, size, left = self.end, part.size * page.scale, page.margin
        if part.label is not None:
            small = min(size, LABEL_SIZE * page.scale)
            self._column(part.label, left, page.labels - BETWEEN, top, small, False)
            left += page.labels
        self._column(part.text, left, page.width - page.margin - left, top, size, part.bold)

    def _column(self, text: str, left: float, width: float, top: float, size: float, bold: bool) -> None:
        em = size * MM_OF_POINT
        for line in broken(text, width / em, lambda piece: self.measure(piece, bold)):
            height = em * (BURMESE_LEADING if BURMESE.search(line) else LEADING)
            self.lines.append(Line(line, left, top, size, bold, height))
            top += height
        self.end = max(self.end, top)


def broken(text: str, width: float, measure: Callable[[str], float]) -> Iterator[str]:
    """The lines of a text that are at most `width` wide, broken between words, Burmese between syllables.

    A word that is too wide is broken between its letters. What was typed as a new line stays one.
    """
    for paragraph in clean(text).split("\n"):
        line, used = "", 0.0
        for piece in _narrow(pieces(paragraph), width, measure):
            if line and used + measure(piece.rstrip()) > width:
                yield line.rstrip()
                line, used = "", 0.0
            line, used = line + piece, used + measure(piece)
        yield line.rstrip()


def pieces(paragraph: str) -> Iterator[str]:
    """Words with the blanks after them; a Burmese one in its syllables."""
    for word in re.findall(r"\S+\s*", paragraph):
        yield from _SYLLABLE.split(word)


def _narrow(all_pieces: Iterator[str], width: float, measure: Callable[[str], float]) -> Iterator[str]:
    """The same pieces, those wider than a line in parts that are not."""
    for piece in all_pieces:
        part = ""
        for letter in letters(piece) if measure(piece.rstrip()) > width else (piece,):
            if part and measure(part + letter.rstrip()) > width:
                yield part
                part = ""
            part += letter
        yield part


def letters(word: str) -> list[str]:
    """The letters of a word, each with the marks that stand on it."""
    all_letters: list[str] = []
    for sign in word:
        if all_letters and (unicodedata.category(sign).startswith("M") or sign in JOINERS):
            all_letters[-1] += sign
        else:
            all_letters.append(sign)
    return all_letters


def clean(text: str) -> str:
    """A text with one kind of line break and blank, composed (NFC), without what prints nothing."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    seen = "".join(one for one in text if one.isspace() or one in JOINERS or unicodedata.category(one) not in _UNSEEN)
    return re.sub(r"[^\S\n]+", " ", seen).strip()
