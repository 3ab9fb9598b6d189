"""Calls to another service: what counts as an answer, and what is tried again."""

from http.server import BaseHTTPRequestHandler

import pytest

from careapp.errors import Upstream
from careapp.upstream import FAILURES_TO_OPEN, LARGEST_ANSWER, TRIES, Service
from tests.upstream.server import Other, answer

pytestmark = pytest.mark.usefixtures("patient")


def unsigned(path: str) -> dict[str, str]:
    return {}


def ask(other: Other) -> object:
    return Service(other.address).get_json("/thing", lambda path: {"X-Who": f"me for {path}"})


def test_it_reads_an_object(other: Other) -> None:
    other.behave = lambda request: answer(request, {"a": [1, "မြ"]})
    assert ask(other) == {"a": [1, "မြ"]}
    assert other.asked == ["/thing"]
    assert other.headers[0]["X-Who"] == "me for /thing"


def test_nothing_there_is_an_answer(other: Other) -> None:
    other.behave = lambda request: answer(request, {}, 404)
    service = Service(other.address)
    for _ in range(FAILURES_TO_OPEN + 1):
        assert service.get_json("/thing", unsigned) is None
    assert not service.breaker.open


def test_a_short_failure_is_tried_again(other: Other) -> None:
    def fail_twice(request: BaseHTTPRequestHandler) -> None:
        answer(request, {"good": True}, 200 if len(other.asked) == TRIES else 503)

    other.behave = fail_twice
    assert ask(other) == {"good": True}
    assert len(other.asked) == TRIES


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_long_one_is_not_tried_for_ever(other: Other, status: int) -> None:
    other.behave = lambda request: answer(request, {}, status)
    with pytest.raises(Upstream):
        ask(other)
    assert len(other.asked) == TRIES


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(other: Other, status: int) -> None:
    other.behave = lambda request: answer(request, {}, status, {"Location": f"{other.address}/elsewhere"})
    with pytest.raises(Upstream):
        ask(other)
    assert other.asked == ["/thing"]


@pytest.mark.parametrize("status", [204, 400, 401, 403, 429])
def test_no_other_status_is_an_answer(other: Other, status: int) -> None:
    other.behave = lambda request: answer(request, b"", status)
    with pytest.raises(Upstream):
        ask(other)
    assert other.asked == ["/thing"], "asking again would not help"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"a": "' + b"x" * LARGEST_ANSWER + b'"}',
    ],
    ids=["nothing", "text", "list", "null", "string", "bytes", "depth", "size"],
)
def test_what_is_no_object_is_no_answer(other: Other, body: bytes) -> None:
    other.behave = lambda request: answer(request, body)
    with pytest.raises(Upstream):
        ask(other)


def test_nobody_there() -> None:
    with pytest.raises(Upstream):
        Service("http://127.0.0.1:1").get_json("/thing", unsigned)


def test_a_service_that_is_down_is_soon_left_alone_and_found_again(other: Other) -> None:
    now = [0.0]
    service = Service(other.address, clock=lambda: now[0])
    other.behave = lambda request: answer(request, {}, 401)
    for _ in range(FAILURES_TO_OPEN + 5):
        with pytest.raises(Upstream):
            service.get_json("/thing", unsigned)
    assert len(other.asked) == FAILURES_TO_OPEN
    other.behave = lambda request: answer(request, {"well": "again"})
    now[0] = 60.0
    assert service.get_json("/thing", unsigned) == {"well": "again"}
