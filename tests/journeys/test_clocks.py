"""Times are the clinic's: in a browser that is elsewhere, and on days on which the clinic's clocks change."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from playwright.sync_api import Page, expect

from careapp import clock
from careapp.access import Actor, Role
from careapp.overviews.today import EVERYBODY
from careapp.scheduling import appointments, slots
from tests import factories as make
from tests.identity.people import a_user
from tests.journeys.people import sign_in
from tests.journeys.scene import Scene, StoppedClock

ELSEWHERE = "This is not the time zone of your device."
MINUTES = timedelta(minutes=1)
# When the clocks of a place change in 2027 (UTC), and what they show for each half hour from an hour before on.
CHANGES = {
    "London, spring": ("Europe/London", datetime(2027, 3, 28, 1, tzinfo=UTC), ["00:00", "00:30", "02:00", "02:30"]),
    "London, autumn": (
        "Europe/London", datetime(2027, 10, 31, 1, tzinfo=UTC), ["01:00 BST", "01:30 BST", "01:00 GMT", "01:30 GMT"],
    ),
    "New York, spring": (
        "America/New_York", datetime(2027, 3, 14, 7, tzinfo=UTC), ["01:00", "01:30", "03:00", "03:30"],
    ),
    "New York, autumn": (
        "America/New_York", datetime(2027, 11, 7, 6, tzinfo=UTC), ["01:00 EDT", "01:30 EDT", "01:00 EST", "01:30 EST"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("device", "told"), [("America/New_York", True), ("Asia/Yangon", False), ("Asia/Rangoon", False)]
)
def test_times_are_the_clinics_wherever_the_browser_is(
    scene: Scene, scene_url: str, new_page: Callable[..., Page], device: str, told: bool
) -> None:
    page = new_page(timezone_id=device)
    sign_in(page, scene_url, scene.emails[Role.FRONT_DESK])
    inside = f"/episodes/{scene.visits[1].episode_locator}"
    for address in (
        f"/today?clinic={scene.clinic.locator}", f"/calendar?clinic={scene.clinic.locator}&day=2027-03-10",
        f"/calendar?provider={scene.doctors[0].locator}&week=2027-W10", "/episodes", inside,
        f"/walk-in?clinic={scene.clinic.locator}", f"/next-free?clinic={scene.clinic.locator}",
        f"/slots/{scene.free[0].locator}/book", f"/dashboard?clinic={scene.clinic.locator}",
        f"/slots/{scene.free[0].locator}/book", f"/dashboard?clinic={scene.clinic.locator}",
    ):  # fmt: skip
        page.goto(scene_url + address)
        expect(page.locator("main :visible", has_text="Asia/Yangon, UTC+06:30").first).to_be_visible()
        lines = page.get_by_text(ELSEWHERE)
        assert lines.count() == 1, address
        expect(lines).to_be_visible() if told else expect(lines).to_be_hidden()
    starts = scene.visits[1].starts_at
    page.goto(f"{scene_url}/today?clinic={scene.clinic.locator}")
    row = page.locator(f"#{scene.visits[1].locator}")
    expect(row.locator(".at time")).to_have_text(f"{clock.local(starts, 'Asia/Yangon'):%H:%M}")
    expect(row.locator(".at time")).to_have_attribute("datetime", starts.isoformat())


class Night:
    """A clinic with four half hours around the moment its clocks change, the second and third of them booked."""

    def __init__(self, actor: Actor, zone: str, change: datetime) -> None:
        self.actor, self.zone, self.change = actor, zone, change
        with clock.at(change - timedelta(days=2)):
            self.clinic = make.a_clinic(actor, time_zone=zone)
            self.doctor = make.a_provider(actor, clinic_locators=[self.clinic.locator])
            starts = [change + 30 * half * MINUTES for half in (-2, -1, 0, 1)]
            self.slots = [
                slots.add_slot(
                    actor, self.doctor.locator, start=one, end=one + 30 * MINUTES, clinic_locator=self.clinic.locator
                )
                for one in starts
            ]
            self.visits = [make.an_appointment(actor, slot=one, status="CONFIRMED") for one in self.slots[1:3]]
            self.patient = make.a_patient(actor)
            self.email = a_user(actor, Role.FRONT_DESK, Role.CLINICIAN).email

    @property
    def day(self) -> str:
        """The day of the change on the clinic's clock."""
        return f"{clock.local(self.change, self.zone):%Y-%m-%d}"


@pytest.fixture(params=CHANGES)
def night(request: pytest.FixtureRequest, god: Actor) -> tuple[Night, list[str]]:
    """A clinic in the night its clocks change, and what they show."""
    zone, change, shown = CHANGES[request.param]
    return Night(god, zone, change), shown


@pytest.fixture
def night_clock(app: APIFlask, night: tuple[Night, list[str]]) -> StoppedClock:
    """The application twenty-five minutes after the change."""
    return StoppedClock(app, night[0].change + 25 * MINUTES)


@pytest.fixture
def night_url(night_clock: StoppedClock, serving: Callable[[Any], Any]) -> Iterator[str]:
    """Where it answers."""
    with serving(night_clock) as address:
        yield address


def test_calendars_of_the_day_the_clocks_change(
    night: tuple[Night, list[str]], night_clock: StoppedClock, night_url: str, new_page: Callable[..., Page]
) -> None:
    here, shown = night
    night_clock.moment = here.change - timedelta(hours=12)
    page = new_page(timezone_id="Asia/Yangon")
    sign_in(page, night_url, here.email)
    week = f"{clock.local(here.change, here.zone):%G-W%V}"
    for address in (
        f"/calendar?clinic={here.clinic.locator}&day={here.day}",
        f"/calendar?provider={here.doctor.locator}&week={week}",
    ):
        page.goto(night_url + address)
        texts = [one.inner_text() for one in page.locator("#calendar-grid a.slot").all()]
        assert [re.search(r"\d\d:\d\d(?: [A-Z]{3})?", text)[0] for text in texts] == shown, texts  # type: ignore[index]


def test_who_waits_while_the_clocks_change(
    night: tuple[Night, list[str]], night_url: str, new_page: Callable[..., Page]
) -> None:
    here, shown = night
    with clock.at(here.change - 10 * MINUTES):
        appointments.act(here.actor, here.visits[0].locator, action="arrive")
    page = new_page(timezone_id="Asia/Yangon")
    sign_in(page, night_url, here.email)
    page.goto(f"{night_url}/today?clinic={here.clinic.locator}&provider={EVERYBODY}")
    expect(page.locator("#today-list tr[id] .at time")).to_have_text([one.partition(" ")[0] for one in shown[1:3]])
    expect(page.locator(f"#{here.visits[0].locator} .remark")).to_contain_text("35 min")
    expect(page.locator(f"#{here.visits[1].locator} .remark")).to_contain_text("25 min late")


def test_booking_across_the_change(
    night: tuple[Night, list[str]], night_url: str, new_page: Callable[..., Page]
) -> None:
    here, shown = night
    page = new_page()
    sign_in(page, night_url, here.email)
    page.goto(f"{night_url}/calendar?clinic={here.clinic.locator}&day={here.day}&party={here.patient.locator}")
    page.locator("a.slot-free").first.click()
    expect(page.locator("h1")).to_contain_text(shown[3].partition(" ")[0])
    page.get_by_label("Care type").select_option("GP")
    page.locator("#choice button[type=submit]").first.click()
    expect(page.locator("#notices")).to_contain_text("The appointment is booked.")
    page.goto(f"{night_url}/today?clinic={here.clinic.locator}&provider={EVERYBODY}")
    last = page.locator("#today-list tr[id] .at time").last
    expect(last).to_have_attribute("datetime", (here.change + 30 * MINUTES).isoformat())
