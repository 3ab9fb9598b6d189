"""A care team runs an imported patient's episode in the browser, and its events are read back from Kafka."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from apiflask import APIFlask
from playwright.sync_api import Page, expect

from careapp.access import Actor, Role
from careapp.imports.run import import_files
from careapp.outbox.kafka_sender import KafkaSender
from careapp.outbox.relay import Relay
from careapp.patients.queries import list_patients
from careapp.patients.views import HumanName
from tests import factories as make
from tests.conftest import TestTenant
from tests.imports.build import History
from tests.jobs.history import Reader
from tests.journeys.desk import a_clinic_by_day, days_ahead, rest
from tests.journeys.people import Clinic, sign_in


@pytest.fixture
def clinic(god: Actor) -> Clinic:
    """A clinic at work, in this test's tenant."""
    return a_clinic_by_day(god)


def test_from_open_to_closed_and_read_from_kafka(
    app: APIFlask, clinic: Clinic, tenant: TestTenant, live_url: str, new_page: Callable[..., Page], kafka_address: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    import_files([History().write(tmp_path)], tenant_key=tenant.key, progress=lambda document: None)
    patient = list_patients(clinic.actor).items[0]
    with closing(KafkaSender(kafka_address, partitions=6, replication_factor=1)) as sender:
        sender.connect()  # makes the topics
        with closing(Reader(kafka_address)) as reader:
            front = new_page()
            sign_in(front, live_url, clinic.emails[Role.FRONT_DESK])
            episode = _open_and_book(front, live_url, patient.name.text.split()[0])
            doctor = new_page()
            sign_in(doctor, live_url, clinic.emails[Role.CLINICIAN])
            _treat_and_close(doctor, f"{live_url}/episodes/{episode}")
            relay = Relay(app.config["DATABASE_RELAY_URL"], sender)
            while relay.run_pass():
                pass
            assert relay.failures == 0
            heard = [one for one in reader.read(tenant) if one.key == episode]
            relay.close()
    assert {
        "care.episode.opened", "care.appointment.booked", "care.appointment.attended", "care.prescription.issued",
        "care.referral.referred", "care.referral.booked", "care.referral.completed", "care.episode.closed",
    } <= {one.topic for one in heard}  # fmt: skip
    assert sorted(int(one.envelope["sequence"]) for one in heard) == list(range(1, len(heard) + 1))
    assert "Peña" not in str([one.envelope for one in heard])


def _open_and_book(page: Page, url: str, name: str) -> str:
    """The front desk finds the patient, opens his episode and books him from the calendar; returns the episode."""
    page.goto(f"{url}/patients")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Open episode for").click()
    page.get_by_label("Care type").select_option("Urgent care")
    page.get_by_label("Reason for the visit").fill("Pain on the right side")
    page.get_by_role("button", name="Open episode").click()
    expect(page.locator("#notices")).to_contain_text("The episode is open.")
    expect(page.get_by_role("region", name="Patient")).to_contain_text("Allergies: Allergy to penicillin")
    locator = page.url.rsplit("/", 1)[1]
    page.get_by_role("link", name="Book appointment").click()
    page.locator("a.slot-free").first.click()
    page.get_by_role("button", name="Book ").click()
    expect(page.locator("#notices")).to_contain_text("The appointment is booked.")
    page.wait_for_load_state()  # the focus is moved by the script
    page.get_by_role("button", name="Check in").click()
    expect(page.locator("[data-status=ARRIVED]")).to_be_focused()
    return locator


def _treat_and_close(page: Page, address: str) -> None:
    """The clinician attends, prescribes, refers, is refused to close, sees to the referral, and closes."""
    page.goto(address)
    page.get_by_label("Summary").fill("Appendix removed years ago; muscular pain.")
    page.get_by_role("button", name="Attended").click()
    expect(page.locator("[data-status=ATTENDED]")).to_be_visible()
    expect(page.get_by_label("Summary")).to_have_value("Appendix removed years ago; muscular pain.")
    page.get_by_label("Summary").fill("")
    page.on("dialog", lambda dialog: dialog.accept())  # leaving a form that holds something asks first
    page.get_by_role("link", name="Prescribe").click()
    page.get_by_label("Medicine", exact=True).fill("Ibuprofen 400 mg tablet")
    page.get_by_text("In your own words instead").click()
    page.get_by_label("Dosage in your own words").fill("1 tablet three times a day for 3 days")
    page.get_by_role("button", name="Issue prescription").click()
    page.get_by_label("I have looked at this myself").check()  # it is not coded, so nothing could be checked
    page.get_by_role("button", name="Issue prescription").click()
    expect(page.locator("#notices")).to_contain_text("The prescription is issued.")
    page.get_by_role("link", name="Refer", exact=True).click()
    page.get_by_label("Kind").select_option("Imaging")
    page.get_by_label("Reason").fill("Ultrasound of the abdomen")
    page.get_by_role("button", name="Make referral").click()
    expect(page.locator("#notices")).to_contain_text("The referral is made.")
    page.get_by_label("Summary").fill("Muscular pain, ultrasound to be sure.")
    page.get_by_role("button", name="Close episode").click()
    expect(page.locator("[data-error-summary]").get_by_role("link")).to_contain_text(": Imaging")
    expect(page.get_by_label("Summary")).to_have_value("Muscular pain, ultrasound to be sure.")
    page.wait_for_load_state()
    page.locator("summary", has_text="Book").click()
    page.get_by_label("When").fill(f"{days_ahead(10)}T10:30")
    page.get_by_label("Where").fill("City Imaging")
    page.get_by_role("button", name="Book REF").click()
    expect(page.locator("[data-status=BOOKED]")).to_be_focused()
    expect(page.get_by_label("Summary")).to_have_value("Muscular pain, ultrasound to be sure.")
    page.locator("summary", has_text="Complete").click()
    page.get_by_label("Outcome").fill("Nothing found")
    rest(page)
    page.get_by_role("button", name="Complete REF").click()
    expect(page.locator("[data-status=COMPLETED]")).to_be_visible()
    rest(page)
    page.get_by_role("button", name="Close episode").click()
    expect(page.locator("#notices")).to_contain_text("The episode is closed.")
    expect(page.locator("[data-status=CLOSED]")).to_be_visible()


def test_booking_without_javascript(clinic: Clinic, live_url: str, no_js_page: Page) -> None:
    patient = make.a_patient(clinic.actor)
    page = no_js_page
    sign_in(page, live_url, clinic.emails[Role.FRONT_DESK])
    page.get_by_role("link", name="Calendar", exact=True).click()
    page.locator("a.slot-free").first.click()
    page.get_by_label("Name").fill(patient.name.family)
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("radio", name="New episode")).to_be_checked()
    page.get_by_label("Care type of a new episode").select_option("Preventive")
    page.get_by_role("button", name="Book ").click()
    expect(page.locator("#notices")).to_contain_text("The appointment is booked.")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("[data-status=CONFIRMED]")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-status=BOOKED]")).to_be_visible()
    page.locator("summary", has_text="Cancel visit").click()
    page.get_by_label("Reason").first.fill("Cannot come")
    page.get_by_role("button", name="Cancel visit").click()
    expect(page.locator("[data-status=CANCELLED]")).to_be_visible()


def test_three_interactions_from_a_free_slot_and_one_after_a_lost_race(
    clinic: Clinic, live_url: str, page: Page
) -> None:
    patient = make.a_patient(clinic.actor, name=HumanName(family="Owusu", given=["Ama"]))
    make.an_episode(clinic.actor, patient)
    sign_in(page, live_url, clinic.emails[Role.FRONT_DESK])
    page.goto(f"{live_url}/slots/{clinic.slots[0].locator}/book")
    expect(page.get_by_label("Name")).to_be_focused()  # the cursor stands in the search already
    page.keyboard.type("owus")
    page.keyboard.press("Enter")
    expect(page.locator("#choice input:checked")).to_have_count(1)
    make.an_appointment(clinic.actor, slot=clinic.slots[0])
    rest(page)
    page.get_by_role("button", name="Book ").click()
    expect(page.get_by_text("Just taken.")).to_be_visible()
    page.get_by_role("button", name="Dr Thiri Aung").first.click()
    expect(page.locator("#notices")).to_contain_text("The appointment is booked.")


def test_a_long_column_leads_to_the_page_of_its_stage(clinic: Clinic, live_url: str, page: Page) -> None:
    for _ in range(15):
        make.an_episode(clinic.actor)
    sign_in(page, live_url, clinic.emails[Role.CLINICIAN])
    page.goto(f"{live_url}/episodes")
    column = page.get_by_role("region", name="New")
    expect(column.get_by_role("listitem")).to_have_count(12)
    column.get_by_role("link", name="All of “New”").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New")
    expect(column.get_by_role("listitem")).to_have_count(15)


def test_two_people_on_one_appointment(
    clinic: Clinic, live_url: str, page: Page, new_page: Callable[..., Page]
) -> None:
    booked = make.an_appointment(clinic.actor, slot=clinic.slots[0], status="BOOKED")
    address = f"{live_url}/episodes/{booked.episode_locator}"
    other = new_page()
    for one in (page, other):
        sign_in(one, live_url, clinic.emails[Role.FRONT_DESK])
        one.goto(address)
    page.get_by_role("button", name="Check in").click()
    expect(page.locator("[data-status=ARRIVED]")).to_be_visible()
    other.get_by_role("button", name="Check in").click()
    expect(other.locator("#alerts")).to_contain_text("somebody else changed this")
    expect(other.locator("[data-status=ARRIVED]")).to_be_visible()
    rest(page)
    page.locator("#notices").get_by_role("button", name="Undo").click()
    expect(page.locator("[data-status=BOOKED]")).to_be_visible()
