"""Every text a page may show is in the catalogue of every language, translated, with its placeholders."""

import re
from io import BytesIO

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo

from careapp.identity.states import LANGUAGES
from careapp.overviews.lifecycles import LIFECYCLES
from careapp.web.words import LABELS, WORDS
from tools.catalogues import catalogue, po_file, untranslated

OTHERS = [language for language in LANGUAGES if language != "en"]
PLACEHOLDER = re.compile(r"%\((\w+)\)")


@pytest.fixture(scope="module", params=OTHERS)
def texts(request: pytest.FixtureRequest) -> Catalog:
    """A language's catalogue, as the code asks it to be."""
    return catalogue(request.param)


def test_nothing_is_untranslated(texts: Catalog) -> None:
    assert untranslated(texts) == [], "`make catalogues`, then translate these"


def test_placeholders_are_the_same_in_both_languages(texts: Catalog) -> None:
    for one in texts:
        for english, translated in zip(_all(one.id), _all(one.string), strict=True) if one.id else ():
            assert set(PLACEHOLDER.findall(translated)) == set(PLACEHOLDER.findall(english)), english


def test_what_the_application_reads_is_up_to_date(texts: Catalog) -> None:
    path = po_file(str(texts.locale)).with_suffix(".mo")
    read = read_mo(BytesIO(path.read_bytes()))
    # a plural is stored under its singular, and all its forms as one list
    kept = {_first(one.id): list(_all(one.string)) for one in read if one.id}
    assert kept == {_first(one.id): list(_all(one.string)) for one in texts if one.id}, "run `make catalogues`"


def test_every_code_and_move_has_a_word() -> None:
    for lifecycle in LIFECYCLES.values():
        assert set(lifecycle.states) <= set(WORDS), lifecycle.entity
        assert {move.label for move in lifecycle.transitions} <= set(map(str, LABELS)), lifecycle.entity
        assert {move.name for move in lifecycle.transitions} <= set(WORDS), lifecycle.entity


def _first(text: str | tuple[str, ...] | list[str]) -> str:
    return text if isinstance(text, str) else text[0]


def _all(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)
