"""Typesetting and PDF: fonts are the listed ones, lines fit, Burmese is shaped and broken between syllables."""

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import uharfbuzz
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from careapp.web import pdf
from careapp.web.number_words import burmese, english
from careapp.web.pdf import Pen
from careapp.web.typesetting import Page, Part, broken, clean, letters, pieces, set_on, set_on_first

A5 = Page(148, 210, 1.0)
BURMESE = "ဒေါ်ခင်ဝင်းကြည် ကျွန်ုပ်တို့ အင်္ဂလိပ် ဥက္ကဋ္ဌ ညွှန်ကြားချက်"


@pytest.fixture(scope="module")
def pen() -> Iterator[Pen]:
    with Pen(title="Sample", language="en") as one:
        yield one


def page_of(*parts: Part, stamp: str | None = None) -> PdfReader:
    """The parts as a document, read back."""
    with Pen(title="Sample", language="en") as writer:
        done = set_on(A5, parts, writer.measure)
        assert done
        return PdfReader(io.BytesIO(writer.write(A5, done, stamp=stamp)))


def embedded(reader: PdfReader) -> Iterator[tuple[str, TTFont]]:
    """The fonts of the first page: name without the subset's tag, and the font inside."""
    for font in reader.pages[0]["/Resources"]["/Font"].values():
        inner = font.get_object()["/DescendantFonts"][0].get_object()
        data = inner["/FontDescriptor"].get_object()["/FontFile2"].get_data()
        yield str(inner["/BaseFont"]).split("+")[1], TTFont(io.BytesIO(data))


def outlines(font: TTFont) -> dict[str, list[object]]:
    """How each glyph is drawn, by its name; those drawn as nothing left out."""
    glyphs, drawn = font.getGlyphSet(), {}
    for name in font.getGlyphOrder():
        recording = DecomposingRecordingPen(glyphs)
        glyphs[name].draw(recording)
        if recording.value:
            drawn[name] = recording.value
    return drawn


def test_fonts_are_the_listed_ones() -> None:
    listed = dict(re.findall(r"^\| `([^`]+\.ttf)` .* `([\w+/]{64})` \|$", (pdf.FONTS / "README.md").read_text(), re.M))
    found = {
        path.name: base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()
        for path in pdf.FONTS.glob("*.ttf")
    }
    assert listed == found
    for name in listed:
        assert Path(pdf.FONTS / f"{name.rsplit('-', 1)[0]}.LICENSE.txt").read_text().count("SIL OPEN FONT LICENSE")


@pytest.mark.parametrize("bold", [False, True])
def test_burmese_is_written_with_the_glyphs_that_harfbuzz_chooses(bold: bool) -> None:
    file = pdf.FONTS / f"{pdf.BURMESE}-{'bold' if bold else 'regular'}.ttf"
    original, font = outlines(TTFont(file)), uharfbuzz.Font(uharfbuzz.Face(file.read_bytes()))
    names, wanted = TTFont(file).getGlyphOrder(), []
    for word in BURMESE.split():
        buffer = uharfbuzz.Buffer()
        buffer.add_str(word)
        buffer.guess_segment_properties()
        uharfbuzz.shape(font, buffer)
        wanted += [names[info.codepoint] for info in buffer.glyph_infos]
    assert len(set(wanted)) != len(set(BURMESE)), "shaped: stacked and joined forms have glyphs of their own"
    inside = dict(embedded(page_of(Part(BURMESE, bold=bold))))["PadaukBold" if bold else "Padauk"]
    drawn = list(outlines(inside).values())
    for name in set(wanted) & original.keys():
        assert original[name] in drawn, name


def test_latin_and_vietnamese_can_be_read_back() -> None:
    names = "Nguyễn Thị Ánh Tuyết, Łukasz Żółć, Renée Ünal, µg ½"
    assert page_of(Part(names)).pages[0].extract_text() == names


def test_a_font_is_not_taken_for_granted_after_another_one() -> None:
    text = page_of(Part("မြန်မာ", size=9), Part("+95 1 234 567", size=9), Part("မြန်မာ 24")).pages[0].extract_text()
    assert "+95 1 234 567" in text
    assert "24" in text


def test_letters_without_a_font_are_named(pen: Pen) -> None:
    assert pen.unprintable(["Nguyễn 山田 ဒေါ်\u200b\n", "ကခ\u200d😀"]) == ["山", "田", "😀"]


def test_a_stamp_stands_across_the_page() -> None:
    reader = page_of(Part("Amoxicillin"), stamp="VOID")
    assert set("VOID") <= set(reader.pages[0].extract_text())
    assert reader.pages[0]["/Resources"]["/ExtGState"], "it lets the text through"


@pytest.mark.parametrize(
    ("word", "syllables"),
    [
        ("မြန်မာဘာသာ", ["မြန်", "မာ", "ဘာ", "သာ"]),
        ("ကျွန်ုပ်တို့", ["ကျွန်ုပ်", "တို့"]),
        ("သင်္ဃာ", ["သင်္ဃာ"]),
        ("ဥက္ကဋ္ဌ", ["ဥက္ကဋ္ဌ"]),
        ("စိန့်ကောင်", ["စိန့်", "ကောင်"]),
        ("၂၁လုံး", ["၂၁", "လုံး"]),
        ("paracetamol", ["paracetamol"]),
    ],
)
def test_burmese_breaks_between_syllables(word: str, syllables: list[str]) -> None:
    assert list(pieces(clean(word))) == [clean(one) for one in syllables]


@given(st.text(alphabet="ab W.\n မြန်ာက္ဌလိပ့း၂", max_size=120), st.integers(1, 12))
def test_lines_keep_every_letter_and_their_width(text: str, width: int) -> None:
    lines = list(broken(text, width, len))
    blank = re.compile(r"\s+")
    assert blank.sub("", "".join(lines)) == blank.sub("", clean(text))
    for line in lines:
        assert len(line) <= width or len(letters(line)) == 1, line


def test_lines_as_set_are_no_wider_than_their_column(pen: Pen) -> None:
    text = f"{BURMESE.replace(' ', '')} take one capsule slowly with water " * 12 + "W" * 200
    done = set_on(A5, [Part(text, "Dosage", size=11)], pen.measure)
    assert done
    right = A5.width - A5.margin
    assert max(one.left + pen.measure(one.text, False) * one.size * 25.4 / 72 for one in done.lines) <= right + 0.5


def test_parts_of_the_foot_stand_at_the_bottom_and_what_is_too_much_takes_the_next_page() -> None:
    parts = [Part("x\n" * 45), Part("foot", bottom=True)]
    pages = [A5, Page(210, 297, 1.0)]
    placed = set_on_first(pages, parts, lambda text, _: float(len(text)))
    assert placed
    assert placed[0] is pages[1]
    foot = placed[1].lines[-1]
    assert (foot.text, round(foot.top + foot.height, 3)) == ("foot", 285)
    assert set_on_first(pages, [Part("x\n" * 600)], lambda text, _: float(len(text))) is None


@pytest.mark.parametrize(
    ("number", "in_english", "in_burmese"),
    [
        (0, "zero", "သုည"), (7, "seven", "ခုနစ်"), (10, "ten", "တစ်ဆယ်"), (14, "fourteen", "တစ်ဆယ့်လေး"),
        (20, "twenty", "နှစ်ဆယ်"), (21, "twenty-one", "နှစ်ဆယ့်တစ်"), (100, "one hundred", "တစ်ရာ"),
        (105, "one hundred and five", "တစ်ရာ့ငါး"), (1_000, "one thousand", "တစ်ထောင်"),
        (1_005, "one thousand and five", "တစ်ထောင့်ငါး"),
        (2_530, "two thousand five hundred and thirty", "နှစ်ထောင့်ငါးရာ့သုံးဆယ်"),
        (100_000, "one hundred thousand", "တစ်သိန်း"),
    ],
)  # fmt: skip
def test_numbers_in_words(number: int, in_english: str, in_burmese: str) -> None:
    assert (english(number), burmese(number)) == (in_english, in_burmese)


@given(st.integers(0, 100_000))
def test_every_quantity_has_words_of_its_own(number: int) -> None:
    assert english(number) != english(number + 1)
    assert burmese(number) != burmese(number + 1)
