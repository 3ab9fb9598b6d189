"""What is measured: each case makes its requests, the same for every way of measuring."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote
from uuid import uuid4

from bench.clients import Order
from bench.scene import Scene
from bench.statements import Values

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """One HTTP request, and the values in it that its statements need."""

    method: str
    path: str
    headers: dict[str, str]
    inputs: Values
    body: bytes = b""

    def order(self, case: str) -> Order:
        """The request as bytes for the application, and as the bare function of that case takes it."""
        bare = json.dumps(self.inputs).encode()
        return Order(
            _raw(self.method, self.path, self.headers, self.body),
            _raw("POST", f"/{case}", {"Host": HOST, "Content-Type": "application/json"}, bare),
            self.inputs,
        )


@dataclass(frozen=True)
class Credentials:
    """What the application knows the benchmark's user by."""

    token: str
    cookie: str

    def bearer(self) -> dict[str, str]:
        """Headers of a request to the API."""
        return {"Host": HOST, "Authorization": f"Bearer {self.token}"}

    def session(self) -> dict[str, str]:
        """Headers of a request for a page."""
        return {"Host": HOST, "Cookie": self.cookie}


@dataclass(frozen=True)
class Case:
    """One kind of request. `once`: each request may be sent a single time, so a round ends when all are done."""

    name: str
    title: str
    requests: Callable[[Scene, Credentials], list[Request]] = field(repr=False)
    once: bool = False


def bookings(scene: Scene, credentials: Credentials) -> list[Request]:
    """A booking of every slot of a new day, by the API."""
    return [_booking(episode, slot, credentials.bearer()) for episode, slot in scene.add_day()]


def keyed_bookings(scene: Scene, credentials: Credentials) -> list[Request]:
    """The same with an Idempotency-Key each."""
    keyed = [(episode, slot, str(uuid4())) for episode, slot in scene.add_day()]
    return [
        _booking(episode, slot, {**credentials.bearer(), "Idempotency-Key": key}, key=key)
        for episode, slot, key in keyed
    ]


def slot_lists(scene: Scene, credentials: Credentials) -> list[Request]:
    """Seven days of each provider's slots, by the API."""
    start, end = (quote(moment.isoformat()) for moment in scene.calendar())
    query = f"from={start}&to={end}&limit=200"
    return [
        Request("GET", f"/api/v1/providers/{locator}/slots?{query}", credentials.bearer(), {"provider": locator})
        for locator in scene.provider_locators
    ]


def board_pages(scene: Scene, credentials: Credentials) -> list[Request]:
    """The episode board, as a page."""
    return [Request("GET", "/episodes", credentials.session(), {})]


CASES = (
    Case("booking", "POST an appointment", bookings, once=True),
    Case("booking-with-key", "POST an appointment with an Idempotency-Key", keyed_bookings, once=True),
    Case("slot-list", "GET a provider's slots of 7 days (168 slots)", slot_lists),
    Case("board", "GET the episode board (48 cards)", board_pages),
)


def _booking(episode: str, slot: str, headers: dict[str, str], **inputs: str) -> Request:
    body = json.dumps({"slotLocator": slot, "type": "FOLLOW_UP", "reason": "Follow-up"}).encode()
    return Request(
        "POST", f"/api/v1/episodes/{episode}/appointments", {**headers, "Content-Type": "application/json"},
        {"episode": episode, "slot": slot, **inputs}, body,
    )  # fmt: skip


def _raw(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
