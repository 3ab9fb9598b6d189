"""What is measured: each case makes its requests, the same for every way of measuring."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from bench.clients import Order
from bench.scene import NAMES, WEEK, Scene
from bench.statements import Values

HOST = "127.0.0.1"
NEW_PATIENTS = 100  # at a time


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
    """What the application knows the benchmark's callers by; `mark` asks it for the board's mark as it is now, and each
    of `screens` is the cookie of somebody who only looks at one.
    """

    token: str
    cookie: str
    screens: tuple[str, ...]
    portal: str
    mark: Callable[[], str] = field(repr=False)

    def bearer(self) -> dict[str, str]:
        """Headers of a request to the API."""
        return {"Host": HOST, "Authorization": f"Bearer {self.token}"}

    def session(self) -> dict[str, str]:
        """Headers of a request for a page."""
        return {"Host": HOST, "Cookie": self.cookie}

    def internal(self) -> dict[str, str]:
        """Headers of a request of the member portal."""
        return {"Host": HOST, "X-Internal-Token": self.portal}


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


def cancellations(scene: Scene, credentials: Credentials) -> list[Request]:
    """Calling off every appointment of a new day, by the API."""
    path = "/api/v1/appointments/{}/cancel"
    return [
        _sent("PATCH", path.format(one.appointment), credentials.bearer(), {"category": "PATIENT"},
              appointment=one.appointment, episode=one.episode)
        for one in scene.add_booked_day()
    ]  # fmt: skip


def moves(scene: Scene, credentials: Credentials) -> list[Request]:
    """Taking every appointment of a new day to the day after, by the API."""
    path = "/api/v1/appointments/{}/reschedule"
    return [
        _sent("PATCH", path.format(one.appointment), credentials.bearer(),
              {"slotLocator": one.other_slot, "version": 1},
              appointment=one.appointment, episode=one.episode, slot=one.other_slot)
        for one in scene.add_booked_day()
    ]  # fmt: skip


def slot_lists(scene: Scene, credentials: Credentials) -> list[Request]:
    """Seven days of each provider's slots, by the API."""
    start, end = (quote(moment.isoformat()) for moment in (scene.monday, scene.monday + WEEK))
    query = f"from={start}&to={end}&limit=200"
    return [
        Request("GET", f"/api/v1/providers/{locator}/slots?{query}", credentials.bearer(), {"provider": locator})
        for locator in scene.desk_providers
    ]


def clinic_weeks(scene: Scene, credentials: Credentials) -> list[Request]:
    """A week of the clinic's providers, as a page."""
    year, week, _ = scene.monday.isocalendar()
    return [_page(f"/calendar?clinic={scene.desk}&week={year}-W{week:02d}", credentials, clinic=scene.desk)]


def board_pages(scene: Scene, credentials: Credentials) -> list[Request]:
    """The episode board, as a page."""
    return [_page("/episodes", credentials)]


def opened_boards(scene: Scene, credentials: Credentials) -> list[Request]:
    """The same on each of the screens in turn: whoever only polls is signed out when he has been idle for too long."""
    return [Request("GET", "/episodes", {"Host": HOST, "Cookie": cookie}, {}) for cookie in credentials.screens]


def board_polls(scene: Scene, credentials: Credentials) -> list[Request]:
    """Boards that are looked at ask whether something has changed, and nothing has."""
    poll = {"Host": HOST, "HX-Request": "true", "X-Poll": "1", "X-Seen": credentials.mark()}
    return [Request("GET", "/episodes", {**poll, "Cookie": cookie}, {}) for cookie in credentials.screens]


def asked_board_polls(scene: Scene, credentials: Credentials) -> list[Request]:
    """The same where memory answers none: the first poll of a screen, and each with POLL_MEMORY_SECONDS=0.

    The header tells the application nothing, but a poll that has it is none that is answered again (polls.py).
    """
    return [
        Request(one.method, one.path, {**one.headers, "HX-Boosted": "false"}, one.inputs)
        for one in board_polls(scene, credentials)
    ]


def todays_lists(scene: Scene, credentials: Credentials) -> list[Request]:
    """Today's list of the clinic, as a page."""
    return [_page(f"/today?clinic={scene.desk}", credentials, clinic=scene.desk)]


def episode_pages(scene: Scene, credentials: Credentials) -> list[Request]:
    """The page of one episode with its timeline."""
    return [_page(f"/episodes/{one}", credentials, episode=one) for one in scene.pages]


def patient_searches(scene: Scene, credentials: Credentials) -> list[Request]:
    """Patients by a name that ten of them have, by the API."""
    names = [f"scene{n:04d}" for n in range(NAMES)]
    return [_sent("POST", "/api/v1/patients/search", credentials.bearer(), {"name": one}, name=one) for one in names]


def provider_lists(scene: Scene, credentials: Credentials) -> list[Request]:
    """The first fifty providers, by the API."""
    return [Request("GET", "/api/v1/providers", credentials.bearer(), {})]


def member_episodes(scene: Scene, credentials: Credentials) -> list[Request]:
    """A member's episodes, by the portal's route."""
    return [
        Request("GET", f"/internal/members/{party}/episodes", credentials.internal(), {"party": party})
        for party in scene.parties
    ]


def calendar_days(scene: Scene, credentials: Credentials) -> list[Request]:
    """Each day of a week of the clinic's calendar, as a page."""
    days = [scene.monday + timedelta(days=day) for day in range(7)]
    return [_page(f"/calendar?clinic={scene.desk}&day={day:%Y-%m-%d}", credentials) for day in days]


def patient_pages(scene: Scene, credentials: Credentials) -> list[Request]:
    """Patients one after the other, as pages."""
    return [_page(f"/patients/{party}", credentials) for party in scene.parties]


def referral_boards(scene: Scene, credentials: Credentials) -> list[Request]:
    """The referral board, as a page."""
    return [_page("/referrals", credentials)]


def next_free_times(scene: Scene, credentials: Credentials) -> list[Request]:
    """The next free times of all providers, as a page."""
    return [_page("/next-free", credentials)]


def registrations(scene: Scene, credentials: Credentials) -> list[Request]:
    """Patients nobody else is like, by the API."""
    return [
        _sent("POST", "/api/v1/patients", credentials.bearer(), {"name": {"family": uuid4().hex, "given": ["Soak"]}})
        for _ in range(NEW_PATIENTS)
    ]


CASES = (
    Case("booking", "POST an appointment", bookings, once=True),
    Case("booking-with-key", "POST an appointment with an Idempotency-Key", keyed_bookings, once=True),
    Case("cancel", "PATCH an appointment: cancel", cancellations, once=True),
    Case("move", "PATCH an appointment: reschedule", moves, once=True),
    Case("slot-list", "GET a provider's slots of 7 days (168 slots)", slot_lists),
    Case("clinic-week", "GET a clinic's week (20 providers, 3,360 slots)", clinic_weeks),
    Case("board", "GET the episode board (48 cards)", board_pages),
    Case("board-poll", "GET the board again, unchanged (204; 100 screens)", board_polls),
    Case("board-poll-asked", "GET the board again, unchanged; database asked (204)", asked_board_polls),
    Case("today", "GET today's list (60 visits)", todays_lists),
    Case("episode", "GET an episode's page (18 entries)", episode_pages),
    Case("search", "POST a search for patients (10 found)", patient_searches),
    Case("providers", "GET the providers (50)", provider_lists),
    Case("member", "GET a member's episodes by the portal (2)", member_episodes),
)


# What a clinic asks for besides, in a soak alone: no aim of speed is set for it.
BESIDES = (
    Case("calendar-day", "GET a clinic's day, as a page", calendar_days),
    Case("patient", "GET a patient's page", patient_pages),
    Case("referrals", "GET the referral board", referral_boards),
    Case("next-free", "GET the next free times, as a page", next_free_times),
    Case("registration", "POST a patient", registrations, once=True),
)


def _page(path: str, credentials: Credentials, **inputs: str) -> Request:
    """A page, asked for by who is signed in."""
    return Request("GET", path, credentials.session(), dict(inputs))


def _sent(method: str, path: str, headers: dict[str, str], body: dict[str, Any], **inputs: str) -> Request:
    """A request with a body of JSON."""
    return Request(
        method, path, {**headers, "Content-Type": "application/json"}, dict(inputs), json.dumps(body).encode()
    )


def _booking(episode: str, slot: str, headers: dict[str, str], **inputs: str) -> Request:
    body = {"slotLocator": slot, "type": "FOLLOW_UP", "reason": "Follow-up"}
    return _sent(
        "POST", f"/api/v1/episodes/{episode}/appointments", headers, body, episode=episode, slot=slot, **inputs
    )


def _raw(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
