"""A slot that somebody has: who it is, how he is reached and what is done about it stand before all else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.patients.views import ContactPoint, HumanName
from careapp.scheduling import appointments, slots
from careapp.scheduling.queries import get_appointment
from careapp.scheduling.views import AppointmentView
from tests import factories as make
from tests.looking import audits, newest
from tests.web.conftest import Desk

PHONE = "09 555 0101"


@pytest.fixture
def provider(god: Actor) -> Any:
    """The provider of all slots."""
    return make.a_provider(god, clinic_locators=[make.a_clinic(god).locator])


@pytest.fixture
def booked(god: Actor, provider: Any) -> AppointmentView:
    """An appointment of Daw Nilar in two hours, in a slot of its own."""
    patient = make.a_patient(
        god, name=HumanName(family="Nilar", given=["Daw"]), telecom=[ContactPoint(system="phone", value=PHONE)]
    )
    return make.an_appointment(god, make.an_episode(god, patient), make.a_slot(god, provider), status="BOOKED")


def page_of(booked: AppointmentView) -> str:
    """Where a booked slot of the calendar leads."""
    return f"/slots/{booked.slot_locator}/book"


def offered(front: Desk, booked: AppointmentView) -> set[str]:
    """The moves of an appointment that its slot's page offers."""
    base = f"/slots/booked/{booked.locator}/"
    return {action.removeprefix(base) for action in front.forms(page_of(booked)) if action.startswith(base)}


def test_who_is_booked_stands_first_and_other_times_do_not_urge(
    god: Actor, front: Desk, provider: Any, booked: AppointmentView
) -> None:
    other = make.a_slot(god, provider, hours=9)
    before = newest(god)["audits"]
    page = front.get(page_of(booked)).text
    assert page.index("Daw Nilar") < page.index("This slot is full") < page.index(other.locator)
    assert f'<a href="tel:095550101">{PHONE}</a>' in page
    assert f'href="/calendar?move={booked.locator}"' in page
    assert "alert-warning" not in page
    assert f'<a class="btn btn-sm btn-quiet" href="/slots/{other.locator}/book">' in page
    assert offered(front, booked) == {"confirm", "arrive", "cancel", "undo"}  # it was accepted just now
    told = next(one for one in audits(god, after=before) if one.action == "slot.bookings")
    assert told.patients == [booked.party_locator]


def test_what_came_of_it_is_asked_once_it_has_begun(
    god: Actor, desk: Callable[..., Desk], booked: AppointmentView
) -> None:
    with clock.at(booked.starts_at):
        assert offered(desk(Role.FRONT_DESK), booked) == {"confirm", "arrive", "attend", "no-show", "cancel"}


def test_a_move_is_made_and_taken_back_on_the_slots_page(god: Actor, front: Desk, booked: AppointmentView) -> None:
    page, base = page_of(booked), f"/slots/booked/{booked.locator}"
    done = front.fill(page, f"{base}/arrive")
    assert (done.status_code, done.location) == (303, page)
    assert "Checked in by Ma Thandar Test" in front.get(page).text
    assert front.fill(page, f"{base}/undo").location == page
    assert get_appointment(god, booked.locator).status == "BOOKED"


def test_a_cancelled_one_leaves_the_slot_free_and_can_be_taken_back(
    god: Actor, front: Desk, desk: Callable[..., Desk], booked: AppointmentView
) -> None:
    page, base = page_of(booked), f"/slots/booked/{booked.locator}"
    assert front.fill(page, f"{base}/cancel").status_code == 422
    assert front.fill(page, f"{base}/cancel", reason="Has a fever", category="PATIENT").location == page
    free = front.get(page).text
    assert free.index('type="search"') < free.index("Daw Nilar")
    assert offered(front, booked) == {"undo"}
    with clock.at(clock.now() + timedelta(minutes=11)):
        assert "Daw Nilar" not in desk(Role.FRONT_DESK).get(page).text
    front.fill(page, f"{base}/undo")
    assert get_appointment(god, booked.locator).status == "BOOKED"


def test_who_comes_second_sees_the_slot_as_it_is_now(god: Actor, front: Desk, booked: AppointmentView) -> None:
    seen = front.forms(page_of(booked))[f"/slots/booked/{booked.locator}/confirm"]
    appointments.act(god, booked.locator, action="arrive")
    late = front.send(seen)
    assert late.status_code == 409
    assert 'data-status="ARRIVED"' in late.text


def test_a_slot_with_places_left_is_booked_first_of_all(god: Actor, front: Desk, provider: Any) -> None:
    slot = make.a_slot(god, provider, capacity=3)
    booked = make.an_appointment(god, slot=slot, status="BOOKED")
    page = front.get(f"/slots/{slot.locator}/book").text
    assert page.index('type="search"') < page.index(f'id="{booked.locator}"')


def test_who_seeks_a_time_for_somebody_is_told_first_that_this_one_is_taken(
    god: Actor, front: Desk, provider: Any, booked: AppointmentView
) -> None:
    other, patient = make.a_slot(god, provider, hours=9), make.a_patient(god)
    page = front.get(f"{page_of(booked)}?party={patient.locator}").text
    assert page.index("This slot is full") < page.index("Daw Nilar")
    assert f'<a class="btn btn-sm btn-primary" href="/slots/{other.locator}/book?party={patient.locator}">' in page


def test_a_blocked_slot_still_shows_whom_to_call(god: Actor, front: Desk, booked: AppointmentView) -> None:
    slots.act(god, booked.slot_locator, action="block", reason="Training")
    page = front.get(page_of(booked)).text
    assert page.index(PHONE) < page.index("Blocked: Training")
    assert "cancel" in offered(front, booked)
