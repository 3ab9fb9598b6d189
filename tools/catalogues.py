"""Bring the catalogues of other languages up to date with the texts in the code: `make catalogues`.

New texts come into careapp/translations/<language>/LC_MESSAGES/messages.po untranslated, those that are gone leave it,
and the .mo file beside it, which the application reads, is written anew. A test says when this was forgotten.
"""

import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
CODE = ROOT / "careapp"
TRANSLATIONS = CODE / "translations"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]
KEYWORDS = {**DEFAULT_KEYWORDS, "_l": None, "Sentence": None, "lazy_gettext": None, "lazy_ngettext": (1, 2)}
HEAD = "# The texts of careapp in another language. `make catalogues` keeps this file in step with the code."
SINCE = datetime(2026, 11, 21, tzinfo=UTC)  # a date that never changes, so that the files change only with their texts
OPTIONS = {"templates/**.html": {"silent": "false"}}


def extracted() -> Catalog:
    """Every text of the code and the templates that is marked for translation."""
    texts = Catalog(project="careapp", charset="utf-8")
    for _, _, text, comments, context in extract_from_dir(
        str(CODE), METHODS, OPTIONS, KEYWORDS, strip_comment_tags=True,
        directory_filter=lambda folder: True,  # by itself it would leave out templates/_macros
    ):  # fmt: skip
        texts.add(text, auto_comments=comments, context=context)
    return texts


def catalogue(language: str) -> Catalog:
    """The translations of one language, brought up to date with the code; what is new has no translation yet."""
    path = po_file(language)
    before = read_po(BytesIO(path.read_bytes()), locale=language) if path.exists() else Catalog(locale=language)
    texts = Catalog(
        locale=language, project="careapp", version="1", header_comment=HEAD, fuzzy=False, last_translator="careapp",
        language_team="careapp", msgid_bugs_address="the issues of this project",
        creation_date=SINCE, revision_date=SINCE,
    )  # fmt: skip
    for one in extracted():
        if one.id:
            known = before.get(one.id, one.context)
            texts.add(one.id, known.string if known else "", context=one.context)
    return texts


def po_file(language: str) -> Path:
    """Where a language's translations stand."""
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


def compiled(texts: Catalog) -> bytes:
    """What the application reads of a catalogue."""
    out = BytesIO()
    write_mo(out, texts)
    return out.getvalue()


def untranslated(texts: Catalog) -> list[str]:
    """The texts of a catalogue without a translation, or with one that lacks a plural."""
    lacking = [one for one in texts if one.id and not all(_parts(one.string))]
    return [_parts(one.id)[0] for one in lacking]


def _parts(text: object) -> list[str]:
    return [str(part or "") for part in (text if isinstance(text, tuple | list) else [text])]


def main() -> None:
    """Write both files of every language there is."""
    for folder in sorted(TRANSLATIONS.iterdir()):
        texts = catalogue(folder.name)
        with po_file(folder.name).open("wb") as file:
            write_po(file, texts, width=120, sort_output=True, omit_header=False, no_location=True)
        po_file(folder.name).with_suffix(".mo").write_bytes(compiled(texts))
        lacking = untranslated(texts)
        sys.stdout.write(f"{folder.name}: {len(texts)} texts, {len(lacking)} without translation\n")


if __name__ == "__main__":
    main()
