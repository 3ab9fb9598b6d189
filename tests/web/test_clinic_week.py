"""A clinic's week: each provider's days in a word, the first free times, days of any clock, live for one statement."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.providers import service as providers
from careapp.scheduling import appointments, slots
from careapp.web import clinic_week
from tests import factories as make
from tests.web.checks import parsed
from tests.web.conftest import Desk

WEEK = "2027-W10"  # from Monday, 8 March
POLL = {"X-Poll": "1"}


@pytest.fixture(autouse=True)
def early() -> Iterator[None]:
    """It is a week before the days of these tests."""
    with clock.at(datetime(2027, 3, 1, tzinfo=UTC)):
        yield


@pytest.fixture
def clinic(god: Actor) -> Any:
    return make.a_clinic(god)


def offer(god: Actor, provider: Any, clinic: Any, start: str, minutes: int = 30, capacity: int = 1) -> Any:
    """A slot of this provider from a moment on."""
    begin = datetime.fromisoformat(start)
    return slots.add_slot(
        god, provider.locator, start=begin, end=begin + timedelta(minutes=minutes), capacity=capacity,
        clinic_locator=clinic.locator,
    )  # fmt: skip


def rows(page: str) -> dict[str, list[str]]:
    """The text of each cell in one line, by the provider's name."""
    tree = parsed(page)
    return {
        "".join(row.find("th").itertext()).strip(): [" ".join("".join(td.itertext()).split()) for td in row.iter("td")]
        for row in tree.iter("tr")
        if row.find("td") is not None
    }


def version(page: str) -> str:
    """What the grid's polls say they have seen."""
    [section] = [one for one in parsed(page).iter("section") if one.get("id") == "calendar-grid"]
    return section.get("data-version") or ""


def test_a_day_is_told_in_a_word(god: Actor, desk: Callable[..., Desk], clinic: Any) -> None:
    names = ("Ann", "Ben", "Cho", "Dee", "Eve")
    free, blocked, full, gone, none = (
        make.a_provider(god, name=one, clinic_locators=[clinic.locator]) for one in names
    )
    start = "2027-03-10T04:00:00+00:00"  # a Wednesday, 10:30 in Yangon
    group = offer(god, free, clinic, start, capacity=3)
    make.an_appointment(god, slot=group)
    over = offer(god, free, clinic, "2027-03-08T04:00:00+00:00")
    slots.act(god, offer(god, blocked, clinic, start).locator, action="block", reason="Away")
    make.an_appointment(god, slot=offer(god, full, clinic, start))
    offer(god, gone, clinic, start)
    providers.act(god, gone.locator, action="deactivate")
    with clock.at(over.ends_at):
        page = desk(Role.FRONT_DESK).get(f"/calendar?clinic={clinic.locator}&week={WEEK}").text
    shown = rows(page)
    assert list(shown) == list(names)
    assert [shown[name][2] for name in names] == [
        "2 free Ann, Wed 10 Mar 2027, 10:30",
        "Blocked",
        "Full",
        "Full",
        "No slots",
    ]
    assert [shown["Ann"][number] for number in (0, 1)] == ["Past", "No slots"]
    assert f'href="/slots/{group.locator}/book"' in page
    assert none.locator in page


def test_six_free_times_are_shown_and_the_others_counted(god: Actor, front: Desk, clinic: Any) -> None:
    provider = make.a_provider(god, name='A & <slot> "B"', clinic_locators=[clinic.locator])
    made = [offer(god, provider, clinic, f"2027-03-10T{hour:02d}:00:00+00:00") for hour in reversed(range(1, 10))]
    page = front.get(f"/calendar?clinic={clinic.locator}&week={WEEK}").text
    name = 'A & <slot> "B", Wed 10 Mar 2027'
    times = [f"{name}, {hour:02d}:30" for hour in range(7, 13)]
    assert rows(page)[provider.name][2] == " ".join(["9 free", *times, f"3 more {name}"])
    links = [str(one.get("href")) for one in parsed(page).iter("a") if "slot" in str(one.get("class")).split()]
    assert links == [f"/slots/{slot.locator}/book" for slot in reversed(made[3:])]
    day = f"/calendar?clinic={clinic.locator}&day=2027-03-10&provider={provider.locator}"
    assert day in [one.get("href") for one in parsed(page).iter("a")]
    assert "more" not in rows(front.get(f"/calendar?clinic={clinic.locator}&week=2027-W11").text)[provider.name][2]


def test_a_free_time_is_where_a_visit_moves_to(god: Actor, front: Desk, clinic: Any) -> None:
    provider = make.a_provider(god, name="Ann & Ben", clinic_locators=[clinic.locator])
    visit = make.an_appointment(god, slot=offer(god, provider, clinic, "2027-03-09T04:00:00+00:00"))
    appointments.act(god, visit.locator, action="accept")
    slot = offer(god, provider, clinic, "2027-03-10T04:00:00+00:00")
    page = front.get(f"/calendar?clinic={clinic.locator}&week={WEEK}&move={visit.locator}").text
    [button] = [one for one in parsed(page).iter("button") if one.get("name") == "slot_locator"]
    assert button.get("value") == slot.locator
    assert "".join(button.itertext()) == "Move to Ann & Ben, Wed 10 Mar 2027, 10:30"


@pytest.mark.parametrize(
    ("zone", "week", "days"),
    [
        ("America/New_York", "2027-W10", {"2027-03-08T05:00": 0, "2027-03-15T03:30": 6, "2027-03-15T04:00": None}),
        ("Atlantic/Azores", "2027-W43", {"2027-10-31T00:30": 6, "2027-10-31T01:30": 6, "2027-11-01T01:00": None}),
        ("Asia/Beirut", "2027-W12", {"2027-03-27T21:30": 5, "2027-03-27T22:00": 6, "2027-03-28T21:00": None}),
        ("Asia/Yangon", "2027-W10", {"2027-03-07T17:00": None, "2027-03-07T17:30": 0, "2027-03-14T17:00": 6}),
    ],
)  # in the Azores midnight comes twice that Sunday, in Beirut never
def test_days_are_those_of_the_clinics_clock(
    god: Actor, front: Desk, zone: str, week: str, days: dict[str, int | None]
) -> None:
    clinic = make.a_clinic(god, time_zone=zone)
    provider = make.a_provider(god, name="Ann", clinic_locators=[clinic.locator])
    address = f"/calendar?clinic={clinic.locator}&week={week}"
    for start, day in days.items():
        slot = offer(god, provider, clinic, f"{start}:00+00:00")
        page = front.get(address).text
        at = clock.local(slot.starts_at, zone)
        found = [number for number, cell in enumerate(rows(page)["Ann"]) if f"{at:%H:%M}" in cell]
        assert found == ([] if day is None else [day]), start
        poll = front.open("GET", address, htmx=True, headers={**POLL, "X-Seen": version(page)})
        assert poll.status_code == 204, "the page and its poll count the same slots"
        slots.act(god, slot.locator, action="block", reason="One at a time")


def test_a_poll_costs_one_query_until_something_changes(
    god: Actor, desk: Callable[..., Desk], clinic: Any, statements: Callable[[], Any]
) -> None:
    provider = make.a_provider(god, name="Ann", specialty="CARDIOLOGY", clinic_locators=[clinic.locator])
    slot = offer(god, provider, clinic, "2027-03-10T04:00:00+00:00")
    front = desk(Role.FRONT_DESK)
    address = f"/calendar?clinic={clinic.locator}&week={WEEK}"

    def poll(seen: str, at: str = address) -> int:
        return front.open("GET", at, htmx=True, headers={**POLL, "X-Seen": seen}).status_code

    for act in (
        lambda: make.an_appointment(god, slot=slot),
        lambda: slots.act(god, slot.locator, action="block", reason="Away"),
        lambda: offer(god, provider, clinic, "2027-03-11T04:00:00+00:00"),
        lambda: providers.act(god, provider.locator, action="deactivate"),
    ):
        seen = version(front.get(address).text)
        assert poll(seen) == 204
        act()
        assert poll(seen) == 200
    seen = version(front.get(address).text)
    with clock.at(clock.now() + timedelta(seconds=2)), statements() as sent:  # what is remembered is a second old
        assert poll(seen) == 204
    assert len([one for one in sent if one.lstrip().startswith("SELECT") and "set_config" not in one]) == 1
    with clock.at(slot.ends_at):  # the session from before is over by then
        later = desk(Role.FRONT_DESK)
        assert later.open("GET", address, htmx=True, headers={**POLL, "X-Seen": seen}).status_code == 200
    narrowed = f"{address.partition('&')[0]}&specialty=CARDIOLOGY&week={WEEK}"
    assert poll(version(front.get(narrowed).text), narrowed) == 204
    assert poll(version(front.get(narrowed).text), narrowed.replace("CARDIOLOGY", "GP")) == 200


def test_a_row_that_is_kept_is_what_it_would_be_drawn_anew(god: Actor, front: Desk, clinic: Any) -> None:
    """In each language, for who only looks and for who books, before a change and after it."""
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    first, _ = (offer(god, provider, clinic, f"2027-03-10T{hour:02d}:00:00+00:00") for hour in (3, 4))
    episode = make.an_episode(god)
    address = f"/calendar?clinic={clinic.locator}&week={WEEK}"

    def grids() -> list[str]:
        asked = [
            (url, language) for url in (address, f"{address}&episode={episode.locator}") for language in ("en", "my")
        ]
        pages = [front.open("GET", url, headers={"Accept-Language": language}).text for url, language in asked]
        return [page.split("<tbody>")[1].split("</tbody>")[0] for page in pages]

    clinic_week._cells.cache_clear()
    drawn = grids()
    assert grids() == drawn
    assert clinic_week._cells.cache_info()[:2] == (4, 4), "of each four ways to look at it, the second time from memory"
    make.an_appointment(god, slot=first)
    changed = grids()
    assert all(first.locator in before and first.locator not in now for before, now in zip(drawn, changed, strict=True))
    clinic_week._cells.cache_clear()
    assert grids() == changed
