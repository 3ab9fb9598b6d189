"""Refusals say what to put right, in the words of who sends JSON."""

from collections.abc import Callable

import pytest

from careapp.access import Actor
from tests import factories as make
from tests.api.client import Api, is_problem

Client = Callable[..., Api]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"name": 1, "name": 2}', "a key stands twice in one object"),
        (b'{"name": NaN}', "NaN is no JSON number"),
        (b"null", "null is no body"),
        (b'{"name": "a\\u0000"}', "a text holds NUL or half a character"),
        (b'{"name": ', "Expecting value: line 1 column 10"),
        (b'{"name": "\xff"}', "can't decode byte 0xff"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(api: Client, body: bytes, said: str) -> None:
    told = is_problem(api().raw("POST", "/patients", body, Content_Type="application/json"), 400, "MALFORMED_REQUEST")
    assert told["detail"].startswith("The body cannot be read as JSON: ")
    assert said in told["detail"]


def test_a_body_that_is_too_large_says_how_large_it_may_be(api: Client) -> None:
    body = b'{"name": "%s"}' % (b"x" * 1024 * 1024)
    told = is_problem(api().raw("POST", "/patients", body, Content_Type="application/json"), 413, "TOO_LARGE")
    assert told["detail"] == "The body is too large: up to 1,048,576 bytes are taken."


def test_a_field_is_refused_without_names_of_python(api: Client, god: Actor) -> None:
    slots = f"/providers/{make.a_provider(god).locator}/slots"
    [wrong] = is_problem(api().get(f"{slots}?from=2026-11-26T02:30:00+06:30"), 422)["errors"]
    assert wrong["detail"].startswith("send a time with offset, such as 2026-03-01T02:30:00Z"), "+ is a blank there"
    assert api().get(f"{slots}?from=2026-11-26T02:30:00%2B06:30").status_code == 200
    [whole] = is_problem(api().post("/patients", []), 422)["errors"]
    assert "PatientIn" not in whole["detail"] + str(is_problem(api().post("/patients", {"name": 1}), 422))


def test_who_sends_no_token_and_who_sends_a_bad_one_are_told_apart(api: Client) -> None:
    nobody = api(None)
    assert nobody.get("/clinics").headers["WWW-Authenticate"] == "Bearer"
    expired = nobody.raw("GET", "/clinics", None, Authorization="Bearer e30.e30.e30")
    is_problem(expired, 401, "UNAUTHENTICATED")
    assert expired.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_request_that_is_refused_for_a_field_uses_no_key_up(api: Client, god: Actor) -> None:
    sent = {"partyLocator": "PTY-2026-999999", "careType": "GP"}
    unknown = api().post("/episodes", sent, Idempotency_Key="once")
    assert [one["field"] for one in is_problem(unknown, 422, "VALIDATION_FAILED")["errors"]] == ["partyLocator"]
    right = {**sent, "partyLocator": make.a_patient(god).locator}
    made, again = (api().post("/episodes", right, Idempotency_Key="once") for _ in range(2))
    assert (made.status_code, again.data) == (201, made.data)
    is_problem(api().post("/episodes", sent, Idempotency_Key="once"), 422, "IDEMPOTENCY_KEY_REUSED")
