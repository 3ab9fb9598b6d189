"""The load plan against the application itself, with a stand-in for locust: each task once, each of its addresses,
forms and links still leads to what it is named after.
"""

import random
import sys
from collections.abc import Iterator
from contextvars import Context
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from careapp.access import Actor, Role
from careapp.surface.internal_credentials import KEYS, SigningKeys
from careapp.surface.tokens import own_token
from tests import factories as make
from tests.identity.people import PASSWORD, peer
from tests.looking import one

# What the plan calls its requests, and the route each of them reaches; a poll and what it polls are the same one.
REQUESTS = {
    "/sign-in": "sign_in.sign_in",
    "sign in": "sign_in.sign_in_post",
    "/today": "today.today",
    "/today of a clinic": "today.today",
    "/today poll": "today.today",
    "/today check in": "today.appointment_arrive",
    "/today undo": "today.today_undo",
    "/calendar": "calendar.calendar",
    "/slots/{slot}/book": "slots.book_form",
    "/patients": "patients.find_form",
    "/patients search": "patients.find",
    "/patients/new": "registration.register_form",
    "/patients/new register": "registration.register",
    "/episodes/new": "episodes.open_form",
    "/episodes/new open": "episodes.open_episode",
    "/episodes/{episode}/cancel": "episodes.episode_cancel",
    "/episodes": "board.board",
    "/episodes poll": "board.board",
    "/episodes/{episode}": "episodes.episode",
    "/patients/{patient}": "patients.patient",
    "/episodes/{episode}/prescriptions/new": "prescriptions.prescription_form",
    "/episodes/{episode}/prescriptions/new fill": "medicines.fill",
    "/episodes/{episode}/prescriptions/new send": "prescriptions.issue",
    "/prescriptions/{prescription}/void": "prescriptions.prescription_void",
    "/episodes/{episode}/referrals/new": "referrals.referral_form",
    "/episodes/{episode}/referrals/new send": "referrals.refer",
    "/referrals/{referral}/cancel": "referrals.referral_cancel",
    "/internal/members/{party}/episodes": "internal.list_member_episodes",
    "/internal/episodes/{episode}": "internal.get_episode",
    "/api episodes": "api.list_episodes",
    "/api providers": "api.list_providers",
    "/api providers by specialty": "api.list_providers",
    "/api slots of a week": "api.list_slots",
    "/api book": "api.book",
    "/api appointments of an episode": "api.list_appointments",
    "/api appointment": "api.get_appointment",
    "/api reschedule": "api.appointment_reschedule",
    "/api cancel": "api.appointment_cancel",
    "/api register": "api.register_patient",
    "/api patient": "api.get_patient",
    "/api open": "api.open_episode",
    "/api cancel episode": "api.episode_cancel",
}


class Answer:
    """An answer as the plan reads one of locust's."""

    def __init__(self, answer: TestResponse) -> None:
        self.text, self.status_code, self.url = answer.text, answer.status_code, answer.request.path
        self.headers = answer.headers
        self.ok, self.failures = answer.status_code < 400, list[str]()
        self.json = lambda: answer.json
        self.raise_for_status = self.success = lambda: None
        self.failure = self.failures.append

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *_: object) -> None:
        assert not self.failures


class Client:
    """Sends the plan's requests to the application, and keeps what route each name reached."""

    def __init__(self, app: APIFlask, reached: dict[str, set[str]]) -> None:
        self.app, self.reached = app, reached
        self.http = app.test_client()
        self.http.environ_base["REMOTE_ADDR"] = peer()
        self.headers: dict[str, str] = {}

    def request(
        self, method: str, address: str, data: Any = None, *, name: str, headers: dict[str, str] | None = None,
        json: Any = None, catch_response: bool = False,
    ) -> Answer:  # fmt: skip
        """One request, and where it is led on to."""
        rule, _ = self.app.url_map.bind("localhost").match(address.partition("?")[0], method)
        self.reached.setdefault(name, set()).add(rule)
        sent = {**self.headers, **(headers or {})}
        answer = Context().run(
            self.http.open, address, method=method, data=data, json=json, headers=sent, follow_redirects=True
        )
        assert answer.status_code < 400, (name, method, address, answer.status, answer.text)
        return Answer(answer)

    def get(self, address: str, **options: Any) -> Answer:
        """GET."""
        return self.request("GET", address, **options)

    def post(self, address: str, data: Any = None, **options: Any) -> Answer:
        """POST."""
        return self.request("POST", address, data, **options)


def stand_in() -> ModuleType:
    """As much of locust as the plan names."""

    def task(weight: Any) -> Any:
        def mark(function: Any) -> Any:
            function.is_task = True
            return function

        return mark(weight) if callable(weight) else mark

    hook = SimpleNamespace(add_listener=lambda function: function)
    events = SimpleNamespace(user_error=hook, quitting=hook)
    locust = ModuleType("locust")
    vars(locust).update(HttpUser=type("HttpUser", (), {}), between=lambda low, high: None, events=events, task=task)
    return locust


@pytest.fixture
def plan(app: APIFlask, god: Actor, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The plan with the credentials of people of this test's tenant."""
    desk, doctor = (make.a_person(god, role) for role in (Role.FRONT_DESK, Role.CLINICIAN))
    for name, who in (("LOAD_FRONT_DESK", desk), ("LOAD_CLINICIAN", doctor)):
        monkeypatch.setenv(name, one(god, "SELECT email FROM users WHERE id = :id", id=who.user_id))
    monkeypatch.setenv("LOAD_PASSWORD", PASSWORD)
    monkeypatch.setenv("LOAD_TOKEN", own_token(desk, app.config["SETTINGS"]))
    monkeypatch.setenv("LOAD_INTERNAL_KEY", f"{god.tenant_key}:local:secret")
    monkeypatch.setitem(app.extensions, KEYS, SigningKeys({"local": (god.tenant_key, "secret")}))
    monkeypatch.setitem(sys.modules, "locust", stand_in())
    monkeypatch.delitem(sys.modules, "deploy.load.plan", raising=False)
    yield import_module("deploy.load.plan")
    sys.modules.pop("deploy.load.plan", None)


def a_clinic_at_work(god: Actor) -> str:
    """Somebody who comes today, a free time later today, whose locator this gives, and two on each of the next days.

    It is about noon there, whatever the hour is here, so that today lasts as long as the test.
    """
    clinic = make.a_clinic(god, time_zone=f"Etc/GMT{make.soon(-1).hour - 12:+d}")  # a plus there is west
    provider = make.a_provider(god)
    make.an_appointment(god, slot=make.a_slot(god, provider, hours=-1, minutes=180, clinic=clinic), status="CONFIRMED")
    free = make.a_slot(god, provider, hours=4, clinic=clinic)
    for day in range(1, 15):
        for hour in (0, 2):
            make.a_slot(god, provider, hours=24 * day + hour, clinic=clinic)
    return free.locator


def test_every_request_of_the_plan_reaches_its_route(
    app: APIFlask, god: Actor, plan: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_clinic_at_work(god)
    monkeypatch.setattr(plan, "random", random.Random(1))
    reached: dict[str, set[str]] = {}
    for kind in (plan.FrontDesk, plan.Clinician, plan.Portal, plan.Booking):
        user = kind()
        user.client = Client(app, reached)
        user.on_start()
        tasks = [name for name in dir(kind) if hasattr(getattr(kind, name), "is_task")]
        assert tasks
        for name in tasks:
            getattr(user, name)()
    assert reached == {name: {route} for name, route in REQUESTS.items()}


def test_a_time_that_is_looked_for_is_free(
    app: APIFlask, god: Actor, plan: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = a_clinic_at_work(god)
    offered: list[list[str]] = []

    def first(links: list[str]) -> str:
        offered.append([link.partition("?")[0] for link in links])
        return links[0]

    monkeypatch.setattr(plan, "random", SimpleNamespace(choice=first))
    desk = plan.FrontDesk()
    desk.client = Client(app, {})
    desk.on_start()
    desk.look_for_a_time()
    assert offered == [[f"/slots/{free}/book"]]
