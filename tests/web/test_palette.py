"""The palette: places one may go to, patients as one types, and the list of keys."""

from collections.abc import Callable

import pytest

from careapp.access import Actor, Role
from careapp.patients.views import HumanName
from tests import factories as make
from tests.web.conftest import Desk


def test_the_palette_has_the_places_of_the_role(front: Desk, desk: Callable[..., Desk]) -> None:
    mine = front.get("/palette", htmx=True).text
    assert 'href="/patients/new"' in mine
    assert 'href="/admin/users"' not in mine
    assert "<html" not in mine
    others = desk(Role.AUDITOR).get("/palette", htmx=True).text
    assert 'href="/admin/audit"' in others
    assert 'action="/palette"' not in others, "who may see no patients is offered no search for them"


@pytest.mark.parametrize("htmx", [True, False])
def test_patients_are_found_as_one_types(front: Desk, god: Actor, htmx: bool) -> None:
    patient = make.a_patient(god, name=HumanName(family="Phyu", given=("Ei",)))
    answer = front.fill("/palette", q="phy", htmx=htmx)
    assert f'href="/patients/{patient.locator}"' in answer.text
    assert patient.locator in front.fill("/palette", q=patient.locator, htmx=htmx).text


@pytest.mark.parametrize("typed", ["", "p", " "])
def test_a_letter_finds_nobody(front: Desk, god: Actor, typed: str) -> None:
    patient = make.a_patient(god, name=HumanName(family="Phyu", given=("Ei",)))
    assert patient.locator not in front.fill("/palette", q=typed, htmx=True).text


def test_the_keys_are_listed(front: Desk) -> None:
    assert "Keyboard shortcuts" in front.get("/keys").text
    assert "<kbd>g t</kbd>" in front.get("/keys", htmx=True).text


def test_what_is_found_says_for_what(front: Desk) -> None:
    """The page script then opens nobody by Enter who was found for something else."""
    assert 'data-found-for="ei &amp; phy"' in front.fill("/palette", q="ei & phy", htmx=True).text


def test_a_single_digit_is_a_patient_number_here_as_everywhere(front: Desk, god: Actor) -> None:
    patient = make.a_patient(god)
    number = str(int(patient.locator[-6:]))
    found = [front.fill(page, q=number, htmx=True).text for page in ("/palette", "/patients")]
    assert all(patient.locator in text for text in found)
