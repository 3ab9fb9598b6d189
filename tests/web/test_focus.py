"""Where a page with one form puts the focus: into its first field, and after a refusal on what there is to correct."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask

from careapp.access import Actor, Role
from tests import factories as make
from tests.web.checks import parsed
from tests.web.conftest import Desk

FIRST = {
    "/patients/new": "given",
    "/slots/new": "provider_locator",
    "/slots/block": "provider_locator",
    "/account/password": "old_password",
    "/admin/users/new": "email",
    "/admin/clients/new": "name",
    "/admin/clinics/new": "name",
    "/admin/providers/new": "name",
}


def focused(html: str) -> list[str | None]:
    """The names of what has the focus by itself."""
    return [one.get("name") for one in parsed(html).iter() if one.get("autofocus") is not None]


@pytest.mark.parametrize("address", FIRST)
def test_the_first_field_has_the_focus_until_a_refusal_takes_it(desk: Callable[..., Desk], address: str) -> None:
    admin = desk(Role.ADMIN)
    assert focused(admin.get(address).text) == [FIRST[address]]
    refused = admin.fill(address)
    assert refused.status_code == 422
    assert "data-error-summary" in refused.text
    assert focused(refused.text) == []


def test_the_sign_in_page_begins_with_the_address(app: APIFlask) -> None:
    assert focused(app.test_client().get("/sign-in").text) == ["email"]


def test_forms_inside_an_episode_begin_with_the_field_unless_something_is_to_be_read(god: Actor, doctor: Desk) -> None:
    patient = make.a_patient(god)
    opening = f"/episodes/new?party={patient.locator}"
    assert focused(doctor.get(opening).text) == ["care_type"]
    episode = make.an_episode(god, patient)
    assert focused(doctor.get(opening).text) == [], "what is open already comes first"
    referring = f"/episodes/{episode.locator}/referrals/new"
    assert focused(doctor.get(referring).text) == ["type"]
    make.a_referral(god, episode)
    assert focused(doctor.get(referring).text) == []


def test_a_record_that_is_changed_has_no_first_field(god: Actor, front: Desk) -> None:
    assert focused(front.get(f"/patients/{make.a_patient(god).locator}/edit").text) == []
