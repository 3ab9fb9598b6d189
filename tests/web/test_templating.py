"""Templates by language: what is compiled in is what that language says, and what is put into it is escaped."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from apiflask import APIFlask
from jinja2 import DictLoader, Template, UndefinedError
from markupsafe import Markup

from careapp.web.templating import SharedGlobals, template_in
from careapp.web.times import short_day
from careapp.web.words import words

TEXTS = {
    "plain.html": '{{ _("Today") }}',
    "value.html": '{{ _("since %(day)s", day=day) }}',
    "unused.html": '{{ _("Today", day=day) }}',
    "attribute.html": "<a title=\"{{ _('Today') }}\">",
    "twice.html": '{{ _("Day sheet: %(clinic)s, %(day)s", clinic=day, day=day) }}',
    "numbers.html": '{{ ngettext("%(num)s visit on this day.", "%(num)s visits on this day.", n) }}',
    "chosen.html": "{{ _(text) }}",
    "word.html": '{{ "BOOKED"|words }} {{ code|words }}',
    "macros.html": '{% set title = _("Today") %}{% macro said(what) %}{{ title }} {{ what }}{% endmacro %}',
    "user.html": '{% from "macros.html" import said %}{{ said("<b>") }}',
    "around.html": '{% set seen = 1 %}{% for one in (2, 3) %}{% include "within.html" %}{% endfor %}',
    "within.html": "{{ seen }}{{ one }}{{ day }} ",
    "missing.html": "{{ nothing }}",
    "plain.txt": '{{ _("since %(day)s", day=day) }}',
}
SPOKEN = {"en": ("Today", "since &lt;b&gt;"), "my": ("ယနေ့", "&lt;b&gt;")}


@contextmanager
def reader(app: APIFlask, language: str) -> Iterator[None]:
    """A request of somebody whose browser asks for a language."""
    with app.app_context(), app.test_request_context("/", headers={"Accept-Language": language}):
        yield


def rendered(app: APIFlask, language: str, name: str, **values: Any) -> str:
    """A template of TEXTS in the application's environment, as a reader of this language gets it."""
    environment = app.jinja_env
    assert isinstance(environment, SharedGlobals)
    with reader(app, language):
        spoken = environment.speaking(language)
        loader, kept = spoken.loader, spoken._kept
        spoken.loader, spoken._kept = DictLoader(TEXTS), {}
        try:
            return environment.get_template(name).render(**values)
        finally:
            spoken.loader, spoken._kept = loader, kept


@pytest.mark.parametrize("language", ["en", "my"])
def test_a_text_is_said_in_the_language_of_the_reader_and_its_values_are_escaped(app: APIFlask, language: str) -> None:
    today, since = SPOKEN[language]
    assert rendered(app, language, "plain.html") == today
    assert since in rendered(app, language, "value.html", day="<b>")
    assert "<b>" in rendered(app, language, "value.html", day=Markup("<b>"))
    assert rendered(app, language, "twice.html", day="<b>").count("&lt;b&gt;") == 2
    assert "3" in rendered(app, language, "numbers.html", n=3)
    assert rendered(app, language, "numbers.html", n=3) != rendered(app, language, "numbers.html", n=1)
    assert rendered(app, language, "unused.html", day="<b>") == today
    assert rendered(app, language, "attribute.html") == f'<a title="{today}">'
    assert rendered(app, language, "chosen.html", text="Today") == today
    assert rendered(app, language, "user.html") == f"{today} &lt;b&gt;"
    assert "<b>" in rendered(app, language, "plain.txt", day="<b>")


def test_words_are_said_in_the_language_of_the_template(app: APIFlask) -> None:
    english, burmese = (rendered(app, one, "word.html", code="FOLLOW_UP") for one in ("en", "my"))
    assert english == "Booked Follow up"
    with reader(app, "my"):
        assert burmese == f"{words('BOOKED')} {words('FOLLOW_UP')}" != english


def test_what_is_included_sees_what_is_set_where_it_stands(app: APIFlask) -> None:
    assert rendered(app, "en", "around.html", day="<b>") == "12&lt;b&gt; 13&lt;b&gt; "


def test_a_name_that_is_nowhere_is_a_fault(app: APIFlask) -> None:
    with pytest.raises(UndefinedError):
        rendered(app, "en", "missing.html")


def test_a_template_is_made_once_for_each_language(app: APIFlask) -> None:
    def asked(language: str) -> Template:
        with reader(app, language):
            return app.jinja_env.get_template("base.html")

    assert asked("en") is asked("en") is not asked("my")
    with reader(app, "my"):
        assert template_in("en", "base.html") is asked("en")


def test_a_filter_asks_no_language(app: APIFlask) -> None:
    environment = app.jinja_env
    assert isinstance(environment, SharedGlobals)
    spoken = environment.speaking("my")
    assert spoken.filters["short_day"] is not short_day
    assert spoken.filters["upper"] is environment.filters["upper"]
