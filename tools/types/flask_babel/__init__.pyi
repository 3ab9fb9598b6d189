# The types of what we use of Flask-Babel, which brings none of its own.
from collections.abc import Callable
from typing import Any

from babel import Locale
from flask import Flask

class Babel:
    def __init__(
        self,
        app: Flask | None = None,
        default_locale: str = "en",
        default_timezone: str = "UTC",
        default_translation_directories: str = "translations",
        *,
        locale_selector: Callable[[], str | None] | None = None,
        **kwargs: Any,
    ) -> None: ...

class LazyString(str): ...

def gettext(string: str, **variables: Any) -> str: ...
def ngettext(singular: str, plural: str, num: int, **variables: Any) -> str: ...
def lazy_gettext(string: str, **variables: Any) -> LazyString: ...
def lazy_ngettext(singular: str, plural: str, num: int, **variables: Any) -> LazyString: ...
def get_locale() -> Locale | None: ...
def force_locale(locale: str) -> Any: ...
