"""Polls answered from memory: what it takes, what ends it at once, and what ends it within a second (ADR 29)."""

from collections.abc import Callable, Iterator
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from flask import request
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from careapp import clock, tenancy
from careapp.access import Actor, Role
from careapp.db import db
from careapp.identity import users
from careapp.identity.request_limits import Lease
from careapp.localdb import libpq_url
from careapp.overviews.marks import QUARTER
from careapp.surface import polls
from careapp.surface.request_limits import LIMITER, spend_of_actor
from careapp.telemetry.metrics import POLLS, REGISTRY
from tests import factories as make
from tests.conftest import make_app
from tests.database import TestDatabase
from tests.looking import audits, execute, id_of, newest, one
from tests.web.conftest import HTMX, Desk, signed_in

SECOND = timedelta(seconds=1)
BOARD = "/episodes"


class Screen:
    """A screen that shows a page and asks whether it has changed."""

    def __init__(self, desk: Desk, url: str = BOARD) -> None:
        self.desk, self.url = desk, url
        self.seen = desk.get(url).text.split('data-version="')[1].split('"')[0]

    def poll(self, **headers: str) -> TestResponse:
        """Ask."""
        asked = {"X-Poll": "1", "X-Seen": self.seen, **{name.replace("_", "-"): one for name, one in headers.items()}}
        with self.desk.app.app_context():
            return self.desk.client.get(self.url, headers=HTMX | asked)

    def status(self, **headers: str) -> int:
        """Ask, and say how that was answered."""
        return self.poll(**headers).status_code


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Any]]:
    """The clocks stand still; `stopped(2)` is a block two seconds later by the one on the wall."""
    moment = clock.now()
    if moment.timestamp() % QUARTER > QUARTER - 60:
        moment += timedelta(minutes=1)  # what a board shows changes with each quarter of an hour
    monkeypatch.setattr(polls, "monotonic", lambda: 0.0)
    with clock.at(moment):
        yield lambda seconds: clock.at(moment + timedelta(seconds=seconds))


@pytest.fixture
def through(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths the application itself was asked for."""
    paths: list[str] = []
    inner = app.full_dispatch_request

    def noted() -> Any:
        paths.append(request.path)
        return inner()

    monkeypatch.setattr(app, "full_dispatch_request", noted)
    return paths


def another(act: Callable[[], object]) -> Thread:
    """A thread that does something at the time it is here: a new one has a clock of its own, which goes."""
    thread = Thread(target=partial(copy_context().run, act))
    thread.start()
    return thread


def in_a_thread(act: Callable[[], object], app: APIFlask) -> None:
    """Do something as another request would, and wait for its end."""

    def run() -> None:
        with app.app_context():
            act()

    another(run).join(30)


def known(desk: Desk, url: str = BOARD) -> Screen:
    """A screen whose first answer "nothing new" the application has found."""
    screen = Screen(desk, url)
    assert screen.status() == 204
    return screen


@pytest.mark.usefixtures("stopped")
def test_the_second_asks_the_database_and_the_third_asks_nobody(
    front: Desk, through: list[str], statements: Callable[[], Any]
) -> None:
    screen = known(front)
    del through[:]
    counted = {way: POLLS.labels(way)._value.get() for way in ("memory", "database")}
    with statements() as sent:
        assert screen.status() == 204
    assert len(sent) == 1, "\n\n".join(sent)
    with statements() as sent:
        assert [screen.status() for _ in range(5)] == [204] * 5
    assert (sent, through) == ([], [])
    assert {way: POLLS.labels(way)._value.get() - before for way, before in counted.items()} == {
        "memory": 5, "database": 1,
    }  # fmt: skip


@pytest.mark.usefixtures("stopped")
def test_it_is_answered_and_logged_as_by_the_application(front: Desk, through: list[str]) -> None:
    screen = Screen(front)
    first = screen.poll()
    del through[:]
    with capture_logs() as lines:
        again = [screen.poll() for _ in range(2)]
    assert through == []
    for answer in again:
        assert (answer.status, answer.data) == (first.status, b"")
        assert {**answer.headers, "X-Request-Id": ""} == {**first.headers, "X-Request-Id": ""}
    assert len({answer.headers["X-Request-Id"] for answer in (first, *again)}) == 3
    said = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in said] == [("GET", "/episodes", 204)] * 2
    assert [line["request_id"] for line in said] == [answer.headers["X-Request-Id"] for answer in again]
    assert all(line["actor"].startswith("user:") for line in said)


@pytest.mark.usefixtures("stopped")
def test_it_is_no_request_by_which_errors_and_lengths_are_judged(front: Desk, through: list[str]) -> None:
    """There are so many of them, all quick and good, that slow and failing requests would not be seen."""
    screen, about = known(front), {"route": "/episodes", "method": "GET"}

    def counted() -> list[float]:
        samples = (("requests_total", {**about, "status": "2xx"}), ("request_seconds_count", about))
        return [REGISTRY.get_sample_value(f"careapp_{name}", labels) or 0 for name, labels in samples]

    del through[:]
    before = counted()
    assert [screen.status() for _ in range(2)] == [204] * 2
    assert (counted(), through) == (before, [])
    assert screen.status(X_Seen="another") == 200
    assert counted() == [one + 1 for one in before], "the application was asked"


@pytest.mark.usefixtures("stopped")
def test_screens_of_one_tenant_are_asked_about_together(
    desk: Callable[..., Desk], stopped: Callable[[float], Any], through: list[str]
) -> None:
    screens = [known(desk(Role.FRONT_DESK)) for _ in range(6)]
    before = POLLS.labels("database")._value.get()
    with stopped(5):
        del through[:]
        assert [screen.status() for screen in screens] == [204] * 6
    assert POLLS.labels("database")._value.get() - before == 1
    assert through == []


def test_of_many_screens_those_that_ask_next_are_asked_about(
    desk: Callable[..., Desk], stopped: Callable[[float], Any], through: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "AT_ONCE", 3)
    screens = [known(desk(Role.FRONT_DESK)) for _ in range(6)]
    for seconds in (15, 30):
        with stopped(seconds):
            before = POLLS.labels("database")._value.get()
            del through[:]
            assert [screen.status() for screen in screens] == [204] * 6
            assert POLLS.labels("database")._value.get() - before == 2
            assert through == []


@pytest.mark.usefixtures("stopped")
def test_who_sees_other_clinics_has_a_version_of_his_own(
    god: Actor, desk: Callable[..., Desk], through: list[str]
) -> None:
    here, there = make.a_clinic(god), make.a_clinic(god)
    provider = make.a_provider(god, clinic_locators=[here.locator, there.locator])
    slots = [make.a_slot(god, provider, hours=hours, clinic=clinic) for hours, clinic in ((24, here), (26, there))]
    url = f"/calendar?provider={provider.locator}&week={clock.local(slots[0].starts_at, 'Asia/Yangon'):%G-W%V}"
    scopes: list[dict[str, Any]] = [{}, {"clinic_ids": [id_of(god, "clinics", here.locator)]}]
    screens = [known(desk(Role.FRONT_DESK, **scope), url) for scope in scopes]
    assert screens[0].seen != screens[1].seen
    del through[:]
    for _ in range(3):
        assert [screen.status() for screen in screens] == [204, 204]
    assert through == []


@pytest.mark.usefixtures("stopped")
def test_what_this_process_writes_is_seen_at_once(god: Actor, front: Desk, desk: Callable[..., Desk]) -> None:
    other = known(desk(Role.CLINICIAN))
    screen = known(front)
    assert (screen.status(), other.status()) == (204, 204)
    make.an_episode(god)
    assert (screen.status(), other.status()) == (200, 200)


@pytest.mark.usefixtures("stopped")
def test_what_is_written_while_the_database_answers_is_seen_at_once(
    god: Actor, front: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen, ask = known(front), polls.Question.ask

    def meanwhile(question: polls.Question, actor: Actor) -> str | None:
        found = ask(question, actor)
        in_a_thread(lambda: make.an_episode(god), front.app)
        return found

    monkeypatch.setattr(polls.Question, "ask", meanwhile)
    assert screen.status() == 204, "as it was when it asked"
    monkeypatch.setattr(polls.Question, "ask", ask)
    assert screen.status() == 200


@pytest.mark.usefixtures("stopped")
def test_what_is_written_elsewhere_is_seen_within_a_second(
    god: Actor, front: Desk, stopped: Callable[[float], Any]
) -> None:
    screen = known(front)
    assert screen.status() == 204
    before = list(tenancy._last_writes)
    make.an_episode(god)
    tenancy._last_writes[:] = before  # as if another process had written
    with stopped(0.9):
        assert screen.status() == 204
    with stopped(1.0):
        assert screen.status() == 200


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize("end", [users.disable, users.end_sessions])
def test_a_session_that_this_process_ends_is_over_at_once(
    god: Actor, desk: Callable[..., Desk], end: Callable[[Actor, int], object]
) -> None:
    other, screen = known(desk(Role.FRONT_DESK)), known(desk(Role.FRONT_DESK))
    assert (screen.status(), other.status()) == (204, 204)
    end(god, one(god, "SELECT max(id) FROM users"))
    assert (screen.status(), other.status()) == (401, 204)


ELSEWHERE = {
    "ended": ("UPDATE user_session SET ended_at = now()", 401),
    "idle": ("UPDATE user_session SET last_seen_at = now() - interval '16 minutes'", 401),
    "open for too long": ("UPDATE user_session SET created_at = now() - interval '13 hours'", 401),
    "another value": ("UPDATE user_session SET sid_hash = sha256(sid_hash)", 401),
    "disabled": ("UPDATE users SET disabled_at = now()", 401),
    "needs a password": ("UPDATE users SET needs_new_password = true", 403),
    "needs a second factor": (
        "WITH asked AS (INSERT INTO tenant_settings (tenant_id, second_factor)"
        " SELECT DISTINCT tenant_id, 'everybody' FROM users ON CONFLICT (tenant_id) DO UPDATE"
        " SET second_factor = 'everybody') UPDATE user_session SET factors = '{password}'",
        403,
    ),
}


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize("what", ELSEWHERE)
def test_a_session_that_ends_elsewhere_is_over_within_a_second(
    god: Actor, front: Desk, stopped: Callable[[float], Any], what: str
) -> None:
    statement, status = ELSEWHERE[what]
    screen = known(front)
    assert screen.status() == 204
    execute(god, statement)
    with stopped(0.9):
        assert screen.status() == 204
    with stopped(1.0):
        assert screen.status() == status


@pytest.mark.parametrize(("column", "status"), [("suspended_at", 403), ("deleted_at", 401)])
def test_of_a_tenant_that_is_closed_nobody_is_answered_after_a_second(
    front: Desk, god: Actor, database: TestDatabase, stopped: Callable[[float], Any], column: str, status: int
) -> None:
    screen = known(front)
    assert screen.status() == 204
    with psycopg.connect(libpq_url(database.owner)) as owner:
        owner.execute(f"UPDATE tenants SET {column} = now() WHERE id = %s", [god.tenant_id])
    with stopped(1.0):
        assert screen.status() == status


@pytest.mark.usefixtures("stopped")
def test_another_cookie_place_or_way_of_asking_is_none_of_what_is_known(
    front: Desk, desk: Callable[..., Desk], through: list[str]
) -> None:
    screen = known(front)
    stranger = desk(Role.AUDITOR)
    del through[:]
    assert screen.status(X_Seen="1-2-3") == 200
    assert screen.status(HX_Boosted="true") == 200
    assert screen.status(HX_History_Restore_Request="true") == 200
    assert screen.status(X_Poll="0") == 200
    asked = {"X-Poll": "1", "X-Seen": screen.seen}
    assert front.open("GET", f"{BOARD}?care_type=GP", htmx=True, headers=asked).status_code == 204
    assert stranger.open("GET", BOARD, htmx=True, headers=asked).status_code == 403
    forged = {**HTMX, **asked, "Cookie": "session=forged"}
    with front.app.app_context():
        assert front.app.test_client(use_cookies=False).get(BOARD, headers=forged).status_code == 401
    assert len(through) == 7
    cookie = front.client.get_cookie("session")
    assert cookie
    for place in ("http://localhost", "https://localhost", "http://other.test"):
        elsewhere = front.app.test_client(use_cookies=False)
        mine = {**HTMX, **asked, "Cookie": f"session={cookie.value}"}
        with front.app.app_context():
            assert elsewhere.get(BOARD, headers=mine, base_url=place).status_code == 204
    assert len(through) == 9, "two of three places"
    assert front.open("HEAD", BOARD, htmx=True, headers=asked).status_code == 204
    assert len(through) == 10


@pytest.mark.usefixtures("stopped")
def test_every_region_is_answered_so(god: Actor, doctor: Desk, through: list[str]) -> None:
    clinic = make.a_clinic(god)
    slot = make.a_slot(god, make.a_provider(god, clinic_locators=[clinic.locator]), clinic=clinic)
    booked, day = make.an_appointment(god, slot=slot), clock.local(slot.starts_at, "Asia/Yangon").date()
    urls = [
        f"/today?clinic={clinic.locator}", f"/calendar?clinic={clinic.locator}&day={day}",
        f"/calendar?provider={slot.provider_locator}&day={day}", f"/episodes/{booked.episode_locator}", "/referrals",
        "/episodes?stage=SCHEDULED",
    ]  # fmt: skip
    screens = [known(doctor, url) for url in urls]
    del through[:]
    for _ in range(2):
        assert [screen.status() for screen in screens] == [204] * len(urls)
    assert through == []


@pytest.mark.usefixtures("stopped")
def test_it_shows_nobody_and_is_no_read(god: Actor, front: Desk) -> None:
    make.an_episode(god)
    screen = known(front)
    before = newest(god)["audits"]
    assert [screen.status() for _ in range(3)] == [204] * 3
    assert audits(god, after=before) == []


@pytest.mark.usefixtures("stopped")
def test_asking_the_database_counts_against_the_limit(front: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, spent = known(front), []
    monkeypatch.setattr(polls, "spend_of_actor", spent.append)
    assert [screen.status() for _ in range(4)] == [204] * 4
    assert len(spent) == 1
    monkeypatch.setattr(polls, "spend_of_actor", spend_of_actor)
    limiter = front.app.extensions[LIMITER]
    spent_all = {key: Lease(-1, lease.until) for key, lease in limiter._leases.items()}
    monkeypatch.setattr(limiter, "_leases", spent_all)
    assert screen.status() == 204, "from memory"
    with clock.at(clock.now() + 2 * SECOND):
        assert screen.status() == 429


@pytest.mark.usefixtures("stopped")
def test_where_the_database_cannot_be_asked_the_application_says_so(
    front: Desk, through: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = known(front)
    del through[:]

    def gone(*_: object, **__: object) -> frozenset[str]:
        raise OperationalError("SELECT", {}, Exception("gone"))

    with monkeypatch.context() as broken, capture_logs() as lines:
        broken.setattr(polls, "good_sessions", gone)
        assert screen.status() == 204
    assert through == [BOARD], "the application, for which it has come back"
    assert [line["log_level"] for line in lines if line["event"] == "poll not looked up"] == ["warning"]
    assert [screen.status() for _ in range(2)] == [204, 204]
    assert through == [BOARD], "which has made it known again"


@pytest.mark.usefixtures("stopped")
def test_who_comes_while_another_asks_does_not_wait_for_him(
    front: Desk, desk: Callable[..., Desk], through: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = known(front), known(desk(Role.CLINICIAN))
    asked, go_on, ask = Event(), Event(), polls.good_sessions

    def slowly(*given: Any, **named: Any) -> frozenset[str]:
        asked.set()
        assert go_on.wait(30)
        return ask(*given, **named)

    monkeypatch.setattr(polls, "good_sessions", slowly)
    answers: list[int] = []
    thread = another(lambda: answers.append(first.status()))
    assert asked.wait(30)
    del through[:]
    assert second.status() == 204
    assert through == [BOARD]
    go_on.set()
    thread.join(30)
    assert answers == [204]


@pytest.mark.usefixtures("stopped")
def test_a_memory_that_is_full_begins_anew(
    front: Desk, desk: Callable[..., Desk], through: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "MOST_SCREENS", 1)
    first, second = known(front), known(desk(Role.CLINICIAN))
    del through[:]
    assert (second.status(), first.status()) == (204, 204)
    assert through == [BOARD]


def test_without_memory_the_application_answers_each(
    app: APIFlask, database: TestDatabase, tmp_path: Path, god: Actor
) -> None:
    keys = app.config["SETTINGS"].encryption_keys
    made = make_app(database, tmp_path, poll_memory_seconds=0, encryption_keys=keys)
    try:
        screen = Screen(signed_in(made, god, Role.FRONT_DESK))
        before = [POLLS.labels(way)._value.get() for way in ("memory", "database")]
        assert [screen.status() for _ in range(3)] == [204] * 3
        assert [POLLS.labels(way)._value.get() for way in ("memory", "database")] == before
    finally:
        with made.app_context():
            db.engine.dispose()
