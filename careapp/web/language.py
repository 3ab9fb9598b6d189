"""Language: which one a page speaks, and the catalogues its texts come from."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

from babel import Locale
from flask import Flask, g, has_request_context, request
from flask_babel import Babel, get_domain, get_locale  # type: ignore[attr-defined]  # its stubs lack get_domain
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

from careapp.errors import Sentence
from careapp.identity.preferences import Preferences
from careapp.identity.states import LANGUAGES
from careapp.surface.sessions import signed_in_preferences
from careapp.web.templating import in_ascii

SOURCE = "en"  # the language the code is written in; it needs no catalogue
NOBODY = Preferences()
MOST_KEPT = 4096  # texts of one kind, in all languages together

A = ParamSpec("A")
T = TypeVar("T")


def init_language(app: Flask) -> None:
    """Give templates gettext, and let each page speak the language of who reads it."""
    Babel(
        app, default_locale=SOURCE, default_timezone="UTC", default_translation_directories="translations",
        locale_selector=_language_of_reader,
    )  # fmt: skip
    app.jinja_env.install_gettext_callables(_said, _said_number, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.globals["_"] = _in_template


def once_a_language(say: Callable[A, T]) -> Callable[A, T]:
    """Keep what a function says of constants in each language: a long page asks some thousand times."""

    @lru_cache(maxsize=MOST_KEPT)
    def kept(language: str, *constants: Any) -> T:
        return say(*constants)  # type: ignore[call-arg]

    @wraps(say)
    def ask(*constants: A.args, **none: A.kwargs) -> T:
        return kept(current_language(), *constants)

    return ask


@once_a_language
def _said(text: str) -> str:
    return str(get_domain().get_translations().ugettext(text))


@once_a_language
def _said_number(one: str, many: str, number: int) -> str:
    return str(get_domain().get_translations().ungettext(one, many, number))


@once_a_language
def _marked(text: str) -> Markup:
    said = _said(text)
    return Markup(in_ascii(said) if current_language() == SOURCE else said)


@pass_eval_context
def _in_template(about: EvalContext, text: str, /, **values: object) -> str:
    """A text of a template, as Jinja's gettext says it, with its values escaped, in a third of the time."""
    said = _marked(text) if about.autoescape else _said(text)
    return said % values if "%" in said else said


def gettext(text: str, /, **values: object) -> str:
    """A text in the reader's language, as flask_babel's, for what stands in every row of a long list."""
    return _said(text) % values if values else _said(text)


def in_words_of_reader(text: str) -> str:
    """A sentence of the domain in the language of who reads; another text as it is."""
    return gettext(text.template, **text.values) if isinstance(text, Sentence) else text


def ngettext(one: str, many: str, number: int) -> str:
    """The same for a text with a number (`num`) in it."""
    return _said_number(one, many, number) % {"num": number}


def current_preferences() -> Preferences:
    """How the signed-in user likes pages; the defaults where nobody is signed in."""
    return signed_in_preferences() or NOBODY


def current_language() -> str:
    """The language of this answer, such as `my`; English outside a request."""
    if not has_request_context():
        return SOURCE
    here = g._get_current_object()  # a long page asks so often that a proxy's part counts
    language: str | None = here.get("language")
    if language is None:
        locale = get_locale()
        language = here.language = locale.language if locale else SOURCE
    return language


def current_locale() -> Locale:
    """The same, as Babel wants it for names of days and months."""
    return Locale.parse(current_language())


def _language_of_reader() -> str:
    """What he chose himself, else what his clinic has set for all, else the best his browser asks for."""
    mine = current_preferences()
    return mine.language or mine.tenant_language or request.accept_languages.best_match(LANGUAGES) or SOURCE
