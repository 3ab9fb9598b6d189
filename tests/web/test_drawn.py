"""Rows and cards that are drawn once: every page is byte for byte what it would be with nothing kept."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from flask import g
from markupsafe import Markup

from careapp import clock
from careapp.access import Actor, Role
from careapp.patients.views import HumanName
from careapp.scheduling import appointments, slots
from careapp.scheduling.views import AppointmentView
from careapp.web.drawn import LONGEST, LONGEST_LONG, MOST_KEPT, Drawn
from tests import factories as make
from tests.web.conftest import Desk

NINE = datetime(2027, 3, 10, 2, 30, tzinfo=UTC)  # 09:00 in Yangon
LANGUAGES = ("en", "my")
CALENDARS = ("day", "week")
QUARTERS = (NINE + timedelta(minutes=14), NINE + timedelta(minutes=15))


@pytest.fixture(autouse=True)
def at_nine() -> Iterator[None]:
    with clock.at(NINE):
        yield


class Kept:
    """What an application keeps of what was drawn, long pieces and short ones."""

    def __init__(self, app: APIFlask) -> None:
        drawn: list[Drawn] = [app.jinja_env.globals[name] for name in ("drawn", "drawn_long")]  # type: ignore[misc]
        self.short, self.long = drawn
        self.forget()

    def forget(self) -> None:
        """Keep nothing of it."""
        self.short.piece.cache_clear()
        self.long.piece.cache_clear()

    def found(self) -> tuple[int, int]:
        """How often something was found there, and how often not."""
        hits, misses, *_ = zip(self.short.piece.cache_info(), self.long.piece.cache_info(), strict=True)
        return sum(hits), sum(misses)


@pytest.fixture
def kept(app: APIFlask) -> Kept:
    """What this application keeps, emptied."""
    return Kept(app)


@pytest.fixture
def visits(god: Actor) -> list[AppointmentView]:
    """Visits of one clinic's day, each in another state, in one episode and in others."""
    clinic, made = make.a_clinic(god), []
    with clock.at(NINE - timedelta(days=2)):
        episode = make.an_episode(god, make.a_patient(god, name=HumanName(family="<Mya> & Co", given=["Daw"])))
        make.a_prescription(god, episode)
        make.a_referral(god, episode)
        for number, status in enumerate(("PENDING", "CONFIRMED", "ARRIVED", "NO_SHOW")):
            start = NINE + timedelta(hours=number)
            slot = slots.add_slot(
                god, make.a_provider(god).locator, start=start, end=start + timedelta(minutes=30),
                clinic_locator=clinic.locator,
            )  # fmt: skip
            made.append(make.an_appointment(god, episode if number % 2 else make.an_episode(god), slot, status=status))
    return made


def address(page: str, visits: list[AppointmentView]) -> str:
    """The page of this name."""
    return {
        "board": "/episodes",
        "stage": "/episodes?stage=SCHEDULED",
        "today": f"/today?clinic={visits[0].clinic_locator}",
        "episode": f"/episodes/{visits[1].episode_locator}",
        "day": f"/calendar?clinic={visits[0].clinic_locator}&day=2027-03-10",
        "week": f"/calendar?provider={visits[1].provider_locator}&week=2027-W10",
    }[page]


def shown(desk: Desk, url: str, language: str, at: datetime) -> str:
    """A page as somebody sees it, without what is new at each look: his CSRF token, and numbers of forms."""
    with clock.at(at):
        page = desk.open("GET", url, headers={"Accept-Language": language}).text
    token = page.split('<meta name="csrf-token" content="')[1].split('"')[0]
    assert page.count(f'value="{token}"') == page.count('name="csrf_token"') > 1, "the reader's own in every form"
    return re.sub(r'name="submission" value="[^"]+"', "", page.replace(token, ""))


@pytest.mark.parametrize("page", ["board", "stage", "today", "episode", *CALENDARS])
def test_a_page_is_what_it_would_be_with_nothing_kept(
    desk: Callable[..., Desk], visits: list[AppointmentView], kept: Kept, page: str
) -> None:
    url, readers = address(page, visits), (desk(Role.FRONT_DESK), desk(Role.CLINICIAN, name="Ko Reader Test"))
    asked = [(reader, url, language, at) for at in QUARTERS for language in LANGUAGES for reader in readers]
    pages = [shown(*one) for one in asked]
    drawn = []
    for one in asked:
        kept.forget()
        drawn.append(shown(*one))
    assert pages == drawn
    assert len(set(drawn)) >= 4, "two readers, two languages"


@pytest.mark.parametrize("page", ["board", "today", "episode", "day"])
def test_what_one_reader_was_shown_is_not_drawn_again_for_the_next(
    desk: Callable[..., Desk], visits: list[AppointmentView], kept: Kept, page: str
) -> None:
    shown(desk(Role.CLINICIAN), address(page, visits), "en", NINE)
    found, drawn = kept.found()
    shown(desk(Role.CLINICIAN), address(page, visits), "en", NINE)
    hits, misses = kept.found()
    assert hits > found
    assert misses == drawn > 1


@pytest.mark.parametrize("page", ["board", "today", "episode", *CALENDARS])
def test_a_change_shows_at_once(god: Actor, front: Desk, visits: list[AppointmentView], kept: Kept, page: str) -> None:
    url, visit = address(page, visits), visits[1]
    before = shown(front, url, "en", NINE)
    with clock.at(NINE):
        appointments.act(god, visit.locator, action="arrive")
    after = shown(front, url, "en", NINE)
    kept.forget()
    assert before != after == shown(front, url, "en", NINE)


@pytest.fixture
def said(app: APIFlask) -> Any:
    """A macro that says what it is given."""
    return app.jinja_env.from_string("{% macro said(one) %}{{ one }}{% endmacro %}").module.said


def test_a_piece_is_known_by_language_and_quarter_of_an_hour(app: APIFlask, kept: Kept, said: Any) -> None:
    for language in LANGUAGES * 2:
        with app.test_request_context():
            g.language = language
            kept.short(said)("x")
    assert kept.short.piece.cache_info()[:2] == (2, 2)
    with clock.at(NINE + timedelta(minutes=15)):
        kept.short(said)("x")
    assert kept.short.piece.cache_info().currsize == 1, "what another quarter has drawn is given up"


def test_values_that_are_equal_and_of_another_kind_are_others(kept: Kept, said: Any) -> None:
    """Above all markup, which equals the text that is to be escaped."""
    drawn = [kept.short(said)(one) for one in (Markup("<b>"), "<b>", 1, True, 1.0)]
    assert drawn == ["<b>", "&lt;b&gt;", "1", "True", "1.0"]


def test_what_is_kept_is_bounded(kept: Kept, said: Any) -> None:
    for number in range(MOST_KEPT + 5):
        kept.short(said)(number)
    assert kept.short.piece.cache_info().currsize == MOST_KEPT


def test_what_is_too_long_is_drawn_and_not_kept(kept: Kept, said: Any) -> None:
    """Pages of text in each of fifty fields, and the number of pieces alone would bound nothing."""
    for drawn, longest in ((kept.short, LONGEST), (kept.long, LONGEST_LONG)):
        for length, number in ((longest // 2, 1), (longest + 1, 0)):
            drawn.piece.cache_clear()
            assert [drawn(said)("x" * length) for _ in range(2)] == ["x" * length] * 2
            assert drawn.piece.cache_info().currsize == number
