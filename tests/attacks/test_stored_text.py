"""Text that tries to be markup, in every text column of a tenant that takes it: no page or paper makes more of it."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from xml.etree.ElementTree import Element

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from careapp import clock
from careapp.identity.actors import actor_of_email
from careapp.web.drawn import TOKEN_MARK
from tests.attacks.hostile_text import (
    SHOWN,
    SUM,
    TEXTS,
    WITHOUT,
    a_full_scene,
    as_a_browser_reads,
    born,
    in_the_log,
    poison,
    stood,
    vocabulary,
    where_it_stands,
)
from tests.database import TestDatabase
from tests.journeys.scene import TEN
from tests.rules.pages import ask, page_address, rules, signed_in_as

HTMX = {"HX-Request": "true"}
LARGEST_WALK = 400  # addresses; a page links on to others of its kind
Seen = dict[str, Element]


class Clinic:
    """A clinic with one of everything and somebody signed in who may do everything."""

    def __init__(self, app: APIFlask, database: TestDatabase, key: str) -> None:
        self.app = app
        self.scene = a_full_scene(app, database, key)
        with clock.at(TEN):
            made = [page_address(rule, self.scene.actor) for rule in rules(app, "GET")]
            somebody = actor_of_email(self.scene.everybody)
            assert somebody
            self.browser: FlaskClient = signed_in_as(app, somebody)
        self.addresses = [*where_it_stands(self.scene), *made]

    def get(self, address: str, **headers: str) -> TestResponse:
        """One page, at the scene's time; two thousand lines of its log would hide what a failure says."""
        with clock.at(TEN), redirect_stdout(StringIO()):
            return ask(self.app, self.browser, "GET", address, headers=headers)


@pytest.fixture(scope="module")
def clinic(app: APIFlask, database: TestDatabase) -> Iterator[Clinic]:
    """The clinic all tests of this file look at; what they put in stays in."""
    with app.app_context():
        yield Clinic(app, database, "stored-text")


def look(clinic: Clinic, *more: str) -> tuple[dict[str, set[tuple[str, str]]], set[str]]:
    """Every page, whole and as htmx asks for it: what it is made of, after looking for what it should not hold; and
    the columns whose text stood there.
    """
    seen, faults, places = {}, {}, set()
    for address in (*clinic.addresses, *more):
        for headers in ({}, HTMX):
            answer = clinic.get(address, **headers)
            assert answer.status_code < 500, (address, answer.status)
            if answer.mimetype != "text/html":
                harmless_file(answer)
                continue
            places |= stood(answer.text)
            tree = as_a_browser_reads(answer.text)
            faults.update({f"{address} {bool(headers)}": born(tree)} if born(tree) else {})
            assert SUM not in answer.text, address
            assert TOKEN_MARK not in answer.text, address
            assert "&amp;#" not in answer.text, "a sign that is told by its number, and escaped again"
            seen[f"{address} {bool(headers)}"] = vocabulary([tree])
    assert faults == {}
    return seen, places


def harmless_file(answer: TestResponse) -> None:
    """A paper, an export or a redirect: of a type no browser takes for a page."""
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if answer.mimetype == "application/pdf":
        assert not [word for word in (b"/JavaScript", b"/JS", b"/URI", b"/Launch") if word in answer.data]


def test_no_text_becomes_markup(clinic: Clinic, database: TestDatabase) -> None:
    before, _ = look(clinic)
    known = set().union(*before.values())
    for name, text in TEXTS.items():
        assert poison(database, clinic.scene.actor.tenant_id, text) == WITHOUT
        after, places = look(clinic, in_the_log(text))
        assert SHOWN - places == set(), name
        for address, made_of in after.items():
            assert made_of <= known, (name, address, made_of - known)
