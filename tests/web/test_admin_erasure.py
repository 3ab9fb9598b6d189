"""Pages of erasure: finding by number, holds, and erasing with the number typed once more."""

from collections.abc import Callable

import pytest

from careapp.access import Actor, Role
from careapp.patients import confidentiality
from careapp.patients import queries as patients
from careapp.patients.views import HumanName
from tests import factories as make
from tests.looking import execute
from tests.web.conftest import Desk


@pytest.fixture
def office(desk: Callable[..., Desk]) -> Desk:
    """An administrator's browser."""
    return desk(Role.ADMIN)


@pytest.fixture
def mistaken(god: Actor) -> str:
    """The locator of somebody who was registered by mistake."""
    return make.a_patient(god, name=HumanName(family="Mistaken")).locator


def test_a_patient_is_found_by_number_and_by_nothing_else(office: Desk, mistaken: str) -> None:
    form = office.forms("/admin/erasure")["/admin/erasure"]
    there = office.send(form, locator=mistaken.lower())
    assert (there.status_code, there.headers["Location"]) == (303, f"/admin/erasure/{mistaken}")
    for wrong in ("Mistaken", "PTY-2026-999999999", ""):
        assert office.send(form, locator=wrong).status_code == 422
    assert "Mistaken" in office.get(f"/admin/erasure/{mistaken}").text


def test_a_restricted_patient_is_a_number(office: Desk, god: Actor, mistaken: str) -> None:
    here = f"/admin/erasure/{mistaken}"
    confidentiality.restrict(god, mistaken, reason="Works here himself")
    assert office.send(office.forms(here)[f"{here}/hold"], reason="Suit 7").status_code == 303
    page = office.get(here).text
    assert mistaken in page
    assert "Mistaken" not in page
    confidentiality.lift(god, mistaken, reason="Left")
    assert "Mistaken" in office.get(here).text


def test_a_hold_is_set_and_lifted_and_refuses_meanwhile(office: Desk, god: Actor, mistaken: str) -> None:
    here = f"/admin/erasure/{mistaken}"
    assert office.send(office.forms(here)[f"{here}/hold"], reason="Suit 7").status_code == 303
    assert "Suit 7" in office.get(here).text
    sent = {"category": "ENTERED_IN_ERROR", "reason": "Entered twice", "typed": mistaken}
    refused = office.send(office.forms(here)[f"{here}/erase"], **sent)
    assert refused.status_code == 409
    assert "legal hold" in refused.text
    assert "Entered twice" in refused.text, "what was typed is kept"
    assert office.send(office.forms(here)[f"{here}/lift"]).status_code == 303
    refused = office.send(office.forms(here)[f"{here}/hold"], reason=" ")
    assert refused.status_code == 422
    assert '<a href="#hold-reason">Reason: Fill this in.</a>' in refused.text, "not to the reason of erasing"
    assert 'id="hold-reason-error"' in refused.text


def test_erasing_asks_for_the_number_and_leaves_nobody(office: Desk, god: Actor, mistaken: str) -> None:
    here = f"/admin/erasure/{mistaken}"
    form, sent = office.forms(here)[f"{here}/erase"], {"category": "ENTERED_IN_ERROR", "reason": "Entered twice"}
    other = office.send(form, **sent, typed="PTY-2026-000001x")
    assert other.status_code == 422
    assert "Nothing was erased" in other.text
    assert patients.get_patient(god, mistaken).name.family == "Mistaken"
    assert office.send(form, **sent, typed=mistaken.lower()).status_code == 303
    page = office.get(here).text
    assert "Erased patient" in page
    assert "Mistaken" not in page
    assert f"{here}/erase" not in page


def test_retention_is_told_with_its_day(office: Desk, god: Actor) -> None:
    locator = make.a_patient(god).locator
    here = f"/admin/erasure/{locator}"
    sent = {"category": "PATIENT_REQUEST", "reason": "Asked for it", "typed": locator}
    refused = office.send(office.forms(here)[f"{here}/erase"], **sent)
    assert refused.status_code == 409
    assert "has to be kept until" in refused.text


def test_erasing_and_lifting_ask_once_more_who_it_is(office: Desk, god: Actor, mistaken: str) -> None:
    here = f"/admin/erasure/{mistaken}"
    office.send(office.forms(here)[f"{here}/hold"], reason="Suit 7")
    forms = office.forms(here)
    execute(god, "UPDATE user_session SET confirmed_at = now() - interval '1 hour'")
    office.send(forms[f"{here}/erase"], category="ENTERED_IN_ERROR", reason="Twice", typed=mistaken)
    office.send(forms[f"{here}/lift"])
    assert patients.get_patient(god, mistaken).name.family == "Mistaken"
    page = office.get(here).text
    assert f"{here}/lift" in page, "the hold stands"
