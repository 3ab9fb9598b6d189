"""Calls to another service that says nothing, or too little: nobody waits without end."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from careapp import upstream
from careapp.errors import Upstream
from careapp.surface import jwks
from careapp.surface.oidc import way
from careapp.upstream import BUDGET, CONNECT, ONE_TRY, Service
from tests.upstream.server import Other
from tests.upstream.test_service import ask, unsigned

NAME = "other.example"
GAVE_UP = (TimeoutError, httpx.TimeoutException)  # the second where a machine stood still past both limits
BOOKING, ITS_OWN = 3.0, 0.5  # seconds a booking may take while the other side hangs, and what of it is not waiting


class Names:
    """A name server: `asked` are the names it was asked for, and it says nothing before `over` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.over, self.told = threading.Event(), threading.Event()

    def look_up(self, host: Any, *rest: Any, **more: Any) -> Any:
        """What the system does, for another name at once, and for this one in the end."""
        if host not in (NAME, NAME.encode()):
            return REAL_LOOK_UP(host, *rest, **more)
        self.asked.append(NAME)
        self.over.wait(60)
        self.told.set()
        return REAL_LOOK_UP("127.0.0.1", *rest, **more)


REAL_LOOK_UP = socket.getaddrinfo


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """A name server that hangs, until the test is over."""
    hanging = Names()
    monkeypatch.setattr(socket, "getaddrinfo", hanging.look_up)
    yield hanging
    hanging.over.set()
    assert not hanging.asked or hanging.told.wait(60)


def test_the_limits_leave_a_booking_its_three_seconds() -> None:
    """Measured in test_provider_port.py; here it is held without a clock."""
    assert BUDGET + ITS_OWN <= BOOKING
    assert max(ONE_TRY, CONNECT) < BUDGET


def test_a_service_that_hangs_is_left(other: Other) -> None:
    other.behave = other.hang
    with pytest.raises(Upstream):
        ask(other)


def test_a_service_that_drips_is_left(other: Other) -> None:
    """No single read of it takes long, so only a limit on the whole call ends it."""
    other.behave = other.drip
    with pytest.raises(Upstream):
        ask(other)


def test_a_name_that_is_looked_up_without_end_is_not_waited_for(
    names: Names, other: Other, request: pytest.FixtureRequest
) -> None:
    service = Service(other.address.replace("127.0.0.1", NAME))
    for _ in range(2):
        with pytest.raises(Upstream):
            service.get_json("/thing", unsigned)
    assert not names.told.is_set(), "the refusal came while the name was still looked up"
    assert names.asked == [NAME], "what hangs does not pile up"
    names.over.set()
    request.getfixturevalue("patient")  # it answers now, and a machine may stand still
    assert service.get_json("/thing", unsigned) == {}, "and when the name is known again, it is found"


def test_where_no_thread_is_to_be_had_the_name_is_asked_for_again_later(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.over.set()
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", none_is_left)
        with pytest.raises(OSError, match="no thread"):
            upstream._look_up(NAME, 80)
    assert upstream._look_up(NAME, 80).result(30)


def none_is_left(thread: threading.Thread) -> None:
    """What starting one does when the system has no more."""
    raise RuntimeError("can't start new thread")


def provider() -> Any:
    """A look at what an identity provider publishes about itself."""
    return way.run(way.get(f"https://{NAME}/keys"))


def keys() -> Any:
    """A look at the keys of tokens."""
    return jwks._fetched(f"https://{NAME}/keys", 0.5)


@pytest.mark.parametrize("ask_it", [provider, keys])
def test_the_identity_providers_name_is_not_waited_for_either(
    names: Names, monkeypatch: pytest.MonkeyPatch, ask_it: Callable[[], Any]
) -> None:
    monkeypatch.setattr(way, "WHOLE", 0.5)
    with pytest.raises(GAVE_UP):
        ask_it()
    assert names.asked
    assert not names.told.is_set()


def test_keys_that_drip_are_left(other: Other) -> None:
    other.behave = other.drip
    with pytest.raises(GAVE_UP):
        jwks._fetched(f"{other.address}/keys", 0.5)
