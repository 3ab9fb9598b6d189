"""Language: which one a page speaks, and the catalogues its texts come from."""

from babel import Locale
from flask import Flask, has_request_context, request
from flask_babel import Babel, get_locale

from careapp.identity.preferences import Preferences
from careapp.identity.states import LANGUAGES
from careapp.surface.sessions import signed_in_preferences

SOURCE = "en"  # the language the code is written in; it needs no catalogue
NOBODY = Preferences()


def init_language(app: Flask) -> None:
    """Give templates gettext, and let each page speak the language of who reads it."""
    Babel(
        app, default_locale=SOURCE, default_timezone="UTC", default_translation_directories="translations",
        locale_selector=_language_of_reader,
    )  # fmt: skip


def current_preferences() -> Preferences:
    """How the signed-in user likes pages; the defaults where nobody is signed in."""
    return signed_in_preferences() or NOBODY


def current_language() -> str:
    """The language of this answer, such as `my`; English outside a request."""
    locale = get_locale() if has_request_context() else None
    return locale.language if locale else SOURCE


def current_locale() -> Locale:
    """The same, as Babel wants it for names of days and months."""
    return Locale.parse(current_language())


def _language_of_reader() -> str:
    """What he chose himself, else what his clinic has set for all, else the best his browser asks for."""
    mine = current_preferences()
    return mine.language or mine.tenant_language or request.accept_languages.best_match(LANGUAGES) or SOURCE
