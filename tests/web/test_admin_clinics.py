"""Pages of clinics and settings: entering, changing, the warning about a zone, and two people at once."""

from collections.abc import Callable
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.clinics import service as clinics
from careapp.operations.settings import change_settings, get_settings
from tests import factories as make
from tests.looking import audits, one
from tests.web.conftest import Desk


@pytest.fixture
def office(desk: Callable[..., Desk]) -> Desk:
    """An administrator's browser."""
    return desk(Role.ADMIN)


def changed(clinic: Any, **changes: Any) -> dict[str, Any]:
    """What the clinic's form sends, with changes; the box about the zone is not ticked."""
    return {
        "version": clinic.version,
        "name": clinic.name,
        "time_zone": clinic.time_zone,
        "address": "",
        "phone": "",
        **changes,
    }


def post(desk: Desk, url: str, **fields: Any) -> Any:
    """Send a page's form with these fields and no others but its token."""
    return desk.open("POST", url, data={"csrf_token": desk.forms(url)[url].values["csrf_token"], **fields})


def test_a_clinic_is_entered_once_and_listed(office: Desk, god: Actor, statements: Callable[[], Any]) -> None:
    form = office.forms("/admin/clinics/new")["/admin/clinics/new"]
    typed = {"name": "Hill Clinic", "time_zone": "Asia/Yangon", "address": "1 Hill Road\nBagan", "phone": "+95 1 234"}
    first, again = office.send(form, **typed), office.send(form, **typed)
    assert (first.status_code, again.headers["Location"]) == (303, first.headers["Location"])
    assert one(god, "SELECT count(*) FROM clinics") == 1
    with statements() as seen:
        page = office.get("/admin/clinics").text
    assert len(seen) == 1, seen
    assert "Hill Clinic" in page
    assert "1 Hill Road\nBagan" in page
    assert "Asia/Yangon, UTC+06:30" in page


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("time_zone", "Asia/Atlantis", "Use an IANA time zone"),
        ("time_zone", "America", "Use an IANA time zone"),
        ("name", "  ", "Fill this in."),
        ("address", "x" * 501, "Use at most 500 characters."),
    ],
)
def test_what_a_clinic_cannot_be_is_said_and_the_rest_kept(office: Desk, field: str, value: str, text: str) -> None:
    typed = {"name": "Hill Clinic", "time_zone": "Asia/Yangon", "phone": "+95 1 234", field: value}
    answer = office.fill("/admin/clinics/new", **typed)
    assert answer.status_code == 422
    assert text in answer.text
    assert 'value="+95 1 234"' in answer.text


def test_another_zone_is_asked_about_where_appointments_lie_ahead(office: Desk, god: Actor) -> None:
    clinic = make.a_clinic(god)
    url = f"/admin/clinics/{clinic.locator}"
    for hours in (1, 3):
        make.an_appointment(god, slot=make.a_slot(god, hours=hours, clinic=clinic))
    make.an_appointment(god, slot=make.a_slot(god, hours=5, clinic=clinic), status="CANCELLED")
    assert "2 appointments lie ahead here." in office.get(url).text
    asked = post(office, url, **changed(clinic, time_zone="Asia/Bangkok"))
    assert asked.status_code == 422
    assert "2 appointments lie ahead here. They stay at their moments" in asked.text
    assert 'value="Asia/Bangkok"' in asked.text
    assert one(god, "SELECT time_zone FROM clinics") == "Asia/Yangon"
    assert post(office, url, **changed(clinic, time_zone="Asia/Bangkok", zone_meant="y")).status_code == 303
    [row] = [row for row in audits(god) if row.action == "clinic.change"]
    assert row.detail == {"before": {"time_zone": "Asia/Yangon"}, "after": {"time_zone": "Asia/Bangkok"}}


def test_another_zone_is_not_asked_about_where_nothing_lies_ahead(office: Desk, god: Actor) -> None:
    clinic = make.a_clinic(god)
    assert post(office, f"/admin/clinics/{clinic.locator}", **changed(clinic, time_zone="UTC")).status_code == 303


def test_two_change_a_clinic(office: Desk, god: Actor) -> None:
    clinic = make.a_clinic(god)
    newer = clinics.change_clinic(
        god, clinic.locator, version=clinic.version, name="By Another", time_zone="Asia/Yangon", address=None,
        phone=None,
    )  # fmt: skip
    url = f"/admin/clinics/{clinic.locator}"
    refused = post(office, url, **changed(clinic, name="Typed By Me"))
    assert refused.status_code == 409
    assert "By Another" in refused.text
    assert 'value="Typed By Me"' in refused.text
    assert post(office, url, **changed(clinic, version=newer.version, name="Typed By Me")).status_code == 303


def test_settings_hold_for_the_next_booking_and_the_next_page(office: Desk, god: Actor) -> None:
    answer = office.fill("/admin/settings", name="Hill Clinics", buffer_minutes="25", language="my")
    assert answer.status_code == 303
    page = office.get("/admin/settings").text
    assert "Hill Clinics" in page
    assert '<html lang="my"' in page
    make.an_appointment(god)
    assert one(god, "SELECT busy_until - ends_at = interval '25 minutes' FROM appointments")
    [row] = [row for row in audits(god) if row.action == "settings.change"]
    assert row.detail["after"] == {"name": "Hill Clinics", "buffer_minutes": 25, "language": "my"}
    assert row.detail["before"]["buffer_minutes"] == 0


def test_what_settings_cannot_be(office: Desk, god: Actor) -> None:
    for field, value in (("buffer_minutes", "241"), ("buffer_minutes", ""), ("name", ""), ("language", "xx")):
        assert office.fill("/admin/settings", **{field: value}).status_code == 422, (field, value)
    assert get_settings(god).version == 1


def test_two_change_the_settings(office: Desk, god: Actor) -> None:
    form = office.forms("/admin/settings")["/admin/settings"]
    change_settings(god, version=1, name="By Another", buffer_minutes=5, language=None)
    refused = office.send(form, name="Typed By Me")
    assert refused.status_code == 409
    assert "By Another" in refused.text
    assert 'value="Typed By Me"' in refused.text
    assert 'name="version" value="2"' in refused.text
