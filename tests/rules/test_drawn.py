"""What is drawn once may say nothing that differs from reader to reader: each such macro, read from its template."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from jinja2 import BaseLoader, DictLoader, Environment, FileSystemLoader, meta, nodes

TEMPLATES = Path(__file__).resolve().parents[2] / "careapp" / "templates"

# What such a macro may use besides its values. A piece is known by language and quarter of an hour, too (web/drawn.py).
GLOBALS = {
    "_": "a text in the reader's language",
    "arranged": "moves put in order, by their values",
    "drawn": "a piece of the piece",
    "ngettext": "the same, with a number",
    "tone_of": "a table in the code",
}
FILTERS = {
    "age": "of a birth date, on this day",
    "day": "a day",
    "done_by": "of a visit, its zone and the day there",
    "label": "of a move, in the reader's language",
    "length": "of a list",
    "local_date": "of a moment and its zone",
    "local_datetime": "of a moment and its zone",
    "local_time": "of a moment and its zone",
    "lower": "of a text",
    "near_date": "of a moment and its zone, on this day",
    "near_datetime": "of a moment and its zone, on this day",
    "of_visit": "of buttons with marks and a visit",
    "short_day": "of a day",
    "truncate": "of a text",
    "urlencode": "of a text",
    "words": "of a code, in the reader's language",
    "written_in": "of a text",
}
DRAWN = {"drawn", "drawn_long"}
REFUSED = (nodes.Include, nodes.Extends, nodes.Block, nodes.ContextReference, nodes.DerivedContextReference)

Piece = tuple[str, str]  # a template and a macro in it


class Reading:
    """The templates of a loader as Jinja reads them, without any global: what they use is all undeclared then."""

    def __init__(self, loader: BaseLoader) -> None:
        self.env = Environment(loader=loader, autoescape=True)
        self.env.globals.clear()
        self.tree = cache(self._tree)

    def _tree(self, template: str) -> nodes.Template:
        assert self.env.loader is not None
        return self.env.parse(self.env.loader.get_source(self.env, template)[0], template)

    def drawn(self, template: str) -> Iterator[Piece]:
        """The macros this template has drawn once. One of its own would be another object at each rendering, and so
        would one imported with context."""
        imported = self._imported(template)
        for call in self.tree(template).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in DRAWN:
                (given,) = call.args
                assert isinstance(given, nodes.Name), f"{template}: drawn() of what is no name"
                assert given.name in imported, f"{template}: {given.name} is not imported without context"
                yield imported[given.name]

    def bad(self, piece: Piece) -> set[str]:
        """All that a macro uses, and those it calls, which is neither its own nor on the lists."""
        template, name = piece
        tree = self.tree(template)
        here = {one.name: one for one in tree.body if isinstance(one, nodes.Macro)}
        others = self._imported(template) | {one: (template, one) for one in here}
        macro = here[name]
        filters = {one.name for one in macro.find_all(nodes.Filter)}
        self.env.filters |= dict.fromkeys(filters - self.env.filters.keys(), str)  # so that they are known by name
        used = meta.find_undeclared_variables(nodes.Template([macro], lineno=1).set_environment(self.env)) - {name}
        found = (used - GLOBALS.keys() - others.keys()) | (filters - FILTERS.keys())
        found |= {type(one).__name__ for one in macro.find_all(REFUSED)}
        found |= {"import" for _ in macro.find_all((nodes.Import, nodes.FromImport))}
        return found.union(*(self.bad(others[one]) for one in used & others.keys()))

    def _imported(self, template: str) -> dict[str, Piece]:
        """What a template imports without context, by the names it calls it."""
        found: dict[str, Piece] = {}
        for one in self.tree(template).find_all(nodes.FromImport):
            if not one.with_context and isinstance(one.template, nodes.Const):
                for name in one.names:
                    theirs, ours = name if isinstance(name, tuple) else (name, name)
                    found[ours] = (one.template.value, theirs)
        return found


OURS = Reading(FileSystemLoader(TEMPLATES))
PIECES = sorted({
    piece for path in TEMPLATES.rglob("*.html") for piece in OURS.drawn(path.relative_to(TEMPLATES).as_posix())
})  # fmt: skip


@pytest.mark.parametrize("piece", PIECES, ids=str)
def test_what_is_drawn_once_says_the_same_to_everybody(piece: Piece) -> None:
    assert OURS.bad(piece) == set()


def test_the_rows_of_long_lists_are_among_them() -> None:
    assert {name for _, name in PIECES} >= {
        "board_card", "buttons_of", "column_of", "open_appointment", "open_referral", "referral_card",
        "timeline", "timeline_entry", "unfilled", "visit_row",
    }  # fmt: skip


CARD = "{% macro card(one) %}BODY{% endmacro %}"
LIST = '{% from "card" import card %}{{ drawn(card)(one) }}'


def bad(body: str, shown: str = LIST) -> set[str]:
    reading = Reading(DictLoader({"card": body if "macro" in body else CARD.replace("BODY", body), "list": shown,
                                  "other": "{% macro other(one) %}{{ csrf_token() }}{% endmacro %}"}))  # fmt: skip
    (piece,) = reading.drawn("list")
    return reading.bad(piece)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("{{ csrf_token() }}", "csrf_token"),
        ('{% if one %}{% for x in one %}{% if may("episode.open") %}x{% endif %}{% endfor %}{% endif %}', "may"),
        ("{{ actor.label }}", "actor"),
        ("{{ request.path }}", "request"),
        ("{{ current_user.name }}", "current_user"),
        ("{{ g.language }}", "g"),
        ("{{ moves_of('appointment', one.status) }}", "moves_of"),
        ("{{ one|random }}", "random"),
        ('{% include "other" %}', "Include"),
        ('{% from "other" import other %}{{ other(one) }}', "import"),
        ("{% macro card(one, who=actor) %}{{ who }}{% endmacro %}", "actor"),
        ("{% set said = csrf_token() %}{% macro card(one) %}{{ said }}{% endmacro %}", "said"),
        ('{% from "other" import other as it %}{% macro card(one) %}{{ it(one) }}{% endmacro %}', "csrf_token"),
        ('{% from "other" import other with context %}{% macro card(one) %}{{ other(one) }}{% endmacro %}', "other"),
        ("{% macro button() %}{{ actor }}{% endmacro %}{% macro card(one) %}{{ button() }}{% endmacro %}", "actor"),
        ("{% macro in(x) %}{{ caller() }}{% endmacro %}"
         "{% macro card(one) %}{% call in(1) %}{{ session.sid }}{% endcall %}{% endmacro %}", "session"),
    ],
)  # fmt: skip
def test_the_rule_sees(body: str, what: str) -> None:
    assert bad(body) == {what}


def test_the_rule_lets_pass() -> None:
    assert bad("{% set it = one.name|lower %}{% for x in one.all if x %}{{ loop.index }}{{ it }}{% endfor %}") == set()
    assert (
        bad("{{ _('Hello') }}{% macro card(one, more=none) %}{{ more or one.at.isoformat() }}{% endmacro %}") == set()
    )


@pytest.mark.parametrize(
    "shown",
    [LIST.replace("import card", "import card with context"), "{% macro card(one) %}{% endmacro %}{{ drawn(card)(1) }}",
     LIST.replace("drawn(card)", "drawn(cards.card)")],
)  # fmt: skip
def test_the_rule_wants_macros_that_stay_the_same_object(shown: str) -> None:
    with pytest.raises(AssertionError):
        bad("{{ one }}", shown)
