"""Values that have the right type and make no sense: absurd times, dates, zones, names and texts."""

from collections.abc import Callable
from typing import Any

import pytest

from careapp.access import Actor
from tests import factories as make
from tests.api.client import Api, is_problem

Client = Callable[..., Api]
Digest = Callable[[], dict[str, Any]]
TIMES = (
    "yesterday",
    "2027-01-01",
    "2027-01-01T09:00:00",
    "2027-01-01T09:00Z",
    "2027-02-30T09:00:00Z",
    "2027-01-01T25:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "1899-12-31T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2201-01-01T00:00:00Z",
    "2027-01-01T09:00:00+24:00",
    "2027-01-01T09:00:00+99:99",
    "+2027-01-01T09:00:00Z",
    "2027-01-01T09:00:00Z\n",
    "２０２７-01-01T09:00:00Z",
    1_800_000_000,
    1.5,
    True,
    None,
    [],
    {},
    "P1D",
    "2027-W01-1T09:00:00Z",
    "x" * 5000,
)


DAYS = (
    "2999-01-01",
    "1799-12-31",
    "1800-01-01",
    "0000-00-00",
    "2027-02-30",
    "17-05-1980",
    "1980-5-7",
    "1980-05-17T00:00:00Z",
    "",
    "1980-05-17 ",
    "١٩٨٠-٠٥-١٧",
    19800517,
    True,
)
ZONES = ("Mars/Base", "America", "../../etc/passwd", "/etc/passwd", ".", "posix", "asia/yangon/x", "é", "a" * 200)


@pytest.mark.parametrize("field", ["start", "end"])
def test_absurd_times_of_a_slot(api: Client, god: Actor, everything_stored: Digest, field: str) -> None:
    provider = make.a_provider(god).locator
    good = {"start": "2190-03-01T09:00:00+06:30", "end": "2190-03-01T10:00:00+06:30"}
    before = everything_stored()
    for value in TIMES:
        answer = api("front_desk").post(f"/providers/{provider}/slots", {**good, field: value})
        assert [error["field"] for error in is_problem(answer, 422)["errors"]] == [field], value
    assert everything_stored() == before


def test_slots_that_make_no_sense(api: Client, god: Actor, everything_stored: Digest) -> None:
    provider = make.a_provider(god).locator
    before = everything_stored()
    for start, end in (
        ("2190-03-01T10:00:00Z", "2190-03-01T10:00:00Z"),
        ("2190-03-01T10:00:00Z", "2190-03-01T09:00:00Z"),
        ("2190-03-01T10:00:00+06:30", "2190-03-01T10:00:00+07:30"),
        ("2020-03-01T10:00:00Z", "2020-03-01T11:00:00Z"),
        ("2190-03-01T10:00:00Z", "2190-03-03T10:00:00Z"),
        ("2190-03-01T10:00:00Z", "2199-03-03T10:00:00Z"),
    ):
        answer = api("front_desk").post(f"/providers/{provider}/slots", {"start": start, "end": end})
        assert [error["field"] for error in is_problem(answer, 422)["errors"]] == ["end"], (start, end)
    assert everything_stored() == before


@pytest.mark.parametrize("offset", ["+16:00", "-23:59", "Z"])
def test_offsets_that_postgresql_does_not_know_are_still_times(api: Client, god: Actor, offset: str) -> None:
    provider = make.a_provider(god).locator
    slot = {"start": f"2190-03-01T09:00:00{offset}", "end": f"2190-03-01T10:00:00{offset}"}
    assert api("front_desk").post(f"/providers/{provider}/slots", slot).status_code == 201


@pytest.mark.parametrize("day", DAYS, ids=repr)
def test_absurd_birth_dates(api: Client, god: Actor, everything_stored: Digest, day: object) -> None:
    before = everything_stored()
    answer = api().post("/patients", {"name": {"family": "Aung"}, "birthDate": day})
    assert [error["field"] for error in is_problem(answer, 422)["errors"]] == ["birthDate"]
    assert everything_stored() == before


@pytest.mark.parametrize("zone", ZONES, ids=repr)
def test_zones_that_are_none(api: Client, zone: str) -> None:
    answer = api("admin").post("/clinics", {"name": "Hill Clinic", "timeZone": zone})
    assert [error["field"] for error in is_problem(answer, 422)["errors"]] == ["timeZone"]


def test_names_without_a_letter(api: Client) -> None:
    for name in ({}, {"family": "--"}, {"given": []}, {"given": ["."]}, {"family": None}):
        answer = api().post("/patients", {"name": name})
        assert [error["field"] for error in is_problem(answer, 422)["errors"]] == ["name"], name


def test_texts_at_their_limits(api: Client, god: Actor) -> None:
    party = make.a_patient(god).locator
    for reason, status in (
        ("x" * 4000, 201),
        ("𝔘" * 4000, 201),
        ("  x  ", 201),
        ("x" * 4001, 422),
        ("\u200b", 201),
        ("\u2003", 422),
    ):
        answer = api().post("/episodes", {"partyLocator": party, "careType": "GP", "reason": reason})
        assert answer.status_code == status, (reason[:9], answer.text)
        if status == 201:
            assert answer.json["reason"] == reason.strip(" ")


def test_texts_are_kept_as_they_are(api: Client, god: Actor) -> None:
    party = make.a_patient(god).locator
    for reason in (
        "'; DROP TABLE episodes; --",
        "<script>alert(1)</script>",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "မင်္ဂလာပါ 👩‍⚕️",
        "a\r\nb\tc",
        "%s%n",
        "\\u0000",
    ):
        sent = {"partyLocator": party, "careType": "GP", "reason": reason}
        made = api().post("/episodes", sent)
        assert made.status_code == 201
        assert api().get(made.headers["Location"]).json["reason"] == reason
