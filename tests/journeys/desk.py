"""What journeys of front desk and clinicians share: a clinic whose day is under way, and hands that are counted."""

from datetime import date, timedelta
from typing import Any

from playwright.sync_api import Locator, Page, expect

from careapp import clock
from careapp.access import Actor
from careapp.commands import record, unit_of
from careapp.patients import history as facts
from careapp.patients.views import ContactPoint, HumanName, PatientView
from careapp.scheduling.views import AppointmentView
from tests import factories as make
from tests.journeys.people import Clinic, a_clinic_at_work
from tests.looking import id_of

# One of the two has a working day before it at any hour a test may run: its slots of the next hours are today's.
ZONES = ("Asia/Yangon", "America/Bogota")
EARLIEST, LATEST = 2, 16  # hours of the day


class Hands:
    """Somebody at a page, whose every interaction is counted: a click, a key, a word typed in one go."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def click(self, target: Locator) -> None:
        """Click."""
        self.count += 1
        target.click()

    def press(self, key: str) -> None:
        """Press a key, or several at a time, such as Alt+N."""
        self.count += 1
        self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.count += 1
        self.page.keyboard.type(text)


def a_clinic_by_day(actor: Actor) -> Clinic:
    """A clinic at work where it is day now, so that its doctor's six free slots are all of today."""
    hours = {zone: clock.local(clock.now(), zone).hour for zone in ZONES}
    return a_clinic_at_work(actor, time_zone=next(zone for zone in ZONES if EARLIEST <= hours[zone] <= LATEST))


def days_ahead(days: int) -> date:
    """A day to come, as a field for dates takes it."""
    return clock.now().date() + timedelta(days=days)


def a_patient(clinic: Clinic, family: str, *given: str, **fields: Any) -> PatientView:
    """Somebody invented, with a phone."""
    values: dict[str, Any] = {
        "name": HumanName(family=family, given=list(given or ("Daw",))), "birth_date": date(1980, 5, 17),
        "telecom": [ContactPoint(system="phone", value="09 555 0101")],
    }  # fmt: skip
    return make.a_patient(clinic.actor, **(values | fields))


def a_visit(clinic: Clinic, slot: int, family: str, *, status: str = "BOOKED") -> AppointmentView:
    """A visit of somebody of this name in one of the clinic's slots."""
    episode = make.an_episode(clinic.actor, a_patient(clinic, family))
    return make.an_appointment(clinic.actor, episode, clinic.slots[slot], status=status)


def a_visit_under_way(clinic: Clinic, family: str) -> AppointmentView:
    """A visit of somebody of this name whose time has begun."""
    slot = make.a_slot(clinic.actor, clinic.doctor, hours=-1, minutes=120, clinic=clinic.clinic)
    return make.an_appointment(
        clinic.actor, make.an_episode(clinic.actor, a_patient(clinic, family)), slot, status="BOOKED"
    )


def allergic(clinic: Clinic, patient: PatientView, text: str) -> None:
    """Put an allergy on the patient's record, as an import does."""
    with unit_of(clinic.actor, name="test"):
        facts.add_fact(
            clinic.actor, id_of(clinic.actor, "patients", patient.locator), kind="ALLERGY", text=text, code=None,
            system=None, status="active",
        )  # fmt: skip
        record("test.allergy")


def ready(field: Locator) -> None:
    """Wait until a field is there to be typed into, and the page's script listens: quicker hands than any person's
    would have typed all of a word before."""
    expect(field).to_be_focused()
    field.page.wait_for_load_state()
    expect(field.page.locator(".htmx-added")).to_have_count(0)


def rest(page: Page) -> None:
    """Wait as long as buttons are dead that have just come: nothing on the page tells when they begin to work."""
    page.wait_for_timeout(650)


def status_of(page: Page, locator: str) -> Locator:
    """The status in a row of today's list."""
    return page.locator(f"#{locator} [data-status]")


def expect_status(page: Page, locator: str, status: str) -> None:
    """Wait until a row of today's list has this status."""
    expect(status_of(page, locator)).to_have_attribute("data-status", status)
