"""Versions over HTTP: ETag, If-Match and the body's version, where one is needed and where it is optional."""

from collections.abc import Callable

import pytest

from careapp.access import Actor
from careapp.api.moves import VERSION_OPTIONAL
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, is_problem
from tests.looking import newest

Client = Callable[..., Api]
MOVES = sorted(
    name
    for name in CALLS
    if name.startswith(
        ("api.episode_", "api.appointment_", "api.slot_", "api.prescription_", "api.referral_", "api.provider_")
    )
)


def role_for(name: str) -> str:
    """Somebody who may make the move."""
    return {"api.slot": "front_desk", "api.provider": "admin"}.get(name.split("_")[0], "clinician")


def is_optional(name: str) -> bool:
    """Whether the move is one of care-service's own, whose clients send no version."""
    entity, move = name.removeprefix("api.").split("_", 1)
    return move.replace("_", "-") in VERSION_OPTIONAL.get(entity, ())


def test_the_optional_ones_are_care_services_own() -> None:
    assert sum(map(is_optional, MOVES)) == 12


@pytest.mark.parametrize("name", MOVES)
def test_without_a_version_a_move_is_refused_unless_it_is_care_services_own(api: Client, god: Actor, name: str) -> None:
    call = CALLS[name](god)
    before = newest(god)
    answer = api(role_for(name)).patch(call.path, call.body)
    if is_optional(name):
        assert answer.status_code == 200
    else:
        is_problem(answer, 428, "VERSION_REQUIRED")
        assert newest(god)["history"] == before["history"]


@pytest.mark.parametrize("name", MOVES)
def test_a_stale_version_is_refused_in_header_and_body(api: Client, god: Actor, name: str) -> None:
    call = CALLS[name](god)
    version = int(call.headers["If_Match"].strip('"'))
    client, before = api(role_for(name)), newest(god)
    is_problem(client.patch(call.path, call.body, If_Match=f'"{version + 1}"'), 409, "STALE_VERSION")
    is_problem(client.patch(call.path, {**(call.body or {}), "version": version + 7}), 409, "STALE_VERSION")
    assert newest(god)["history"] == before["history"]
    done = client.patch(call.path, {**(call.body or {}), "version": version})
    assert (done.status_code, done.headers["ETag"]) == (200, f'"{done.json["version"]}"')
    assert done.json["version"] > version


@pytest.mark.parametrize(
    "tag", ["", "1", '"', '""', '"0"', '"01"', 'W/"1"', "*", '"1", "2"', "'1'", '"٣"', '"9999999999"', '"-1"', '"1e0"']
)
def test_an_if_match_that_is_no_version_is_422(api: Client, god: Actor, tag: str) -> None:
    booked = make.an_appointment(god)
    answer = api().patch(f"/appointments/{booked.locator}/confirm", If_Match=tag)
    assert [error["field"] for error in is_problem(answer, 422, "VALIDATION_FAILED")["errors"]] == ["If-Match"]


def test_header_and_body_must_not_contradict_each_other(api: Client, god: Actor) -> None:
    booked = make.an_appointment(god)
    path = f"/appointments/{booked.locator}/confirm"
    answer = api().patch(path, {"version": 7}, If_Match='"1"')
    assert [error["field"] for error in is_problem(answer, 422)["errors"]] == ["version"]
    assert api().patch(path, {"version": 1}, If_Match='"1"').status_code == 200


@pytest.mark.parametrize("version", [0, -1, "1", 1.5, True, [1], {}, 2**31, 10**30])
def test_a_version_in_the_body_is_a_whole_number(api: Client, god: Actor, version: object) -> None:
    booked = make.an_appointment(god)
    answer = api().patch(f"/appointments/{booked.locator}/confirm", {"version": version})
    assert [error["field"] for error in is_problem(answer, 422)["errors"]] == ["version"]


def test_an_empty_body_is_fine_where_nothing_is_required(api: Client, god: Actor) -> None:
    for data in (None, b"", b"{}", b" \n"):
        booked = make.an_appointment(god)
        answer = api().raw("PATCH", f"/appointments/{booked.locator}/confirm", data, Content_Type="application/json")
        assert answer.status_code == 200
    booked = make.an_appointment(god)
    assert api().raw("PATCH", f"/appointments/{booked.locator}/confirm", None).status_code == 200
    is_problem(api().patch(f"/episodes/{make.an_episode(god).locator}/close"), 422, "VALIDATION_FAILED")
