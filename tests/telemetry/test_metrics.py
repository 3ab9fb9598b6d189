"""Metrics: what happens is counted once, under names that come from the code alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from apiflask import APIFlask
from prometheus_client import Metric
from sqlalchemy import text

from careapp import replica
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.db import REPLICA, db
from careapp.errors import Conflict, OutcomeUnknown
from careapp.identity import sign_in
from careapp.operations.database_health import HEALTH
from careapp.outbox.relay import Relay
from careapp.outbox.senders import LogSender
from careapp.patients import service as patients
from careapp.scheduling import appointments
from careapp.surface import watching
from careapp.surface.request_limits import LIMITER
from careapp.telemetry import metrics
from careapp.telemetry.statements import CountingPool
from careapp.upstream import FAILURES_TO_OPEN, Breaker
from tests import factories as make
from tests.api.client import Api, speaking_for
from tests.conftest import make_app
from tests.database import TestDatabase
from tests.domain.test_lost_connections import end_own_session
from tests.jobs.speaking import at_commit
from tests.telemetry.labels import strange

MARK = "Xqzvlabel"


@contextmanager
def counted(name: str, **labels: str) -> Iterator[Callable[[], float]]:
    """How much a figure has grown since the block began."""

    def value() -> float:
        return metrics.REGISTRY.get_sample_value(f"careapp_{name}", labels) or 0.0

    before = value()
    yield lambda: value() - before


def test_a_request_is_counted_and_timed_by_its_route_as_declared(app: APIFlask, god: Actor) -> None:
    episode, api = make.an_episode(god).locator, speaking_for(app, god)
    about = {"route": "/api/v1/episodes/<locator>", "method": "GET"}
    with counted("requests_total", **about, status="2xx") as good, counted("request_seconds_count", **about) as timed:
        api.get(f"/episodes/{episode}")
        assert (good(), timed()) == (1, 1)
        assert api.get("/episodes/EPI-2026-999999999").status_code == 404
        assert (good(), timed()) == (1, 2)


def test_what_a_client_invents_becomes_no_label(app: APIFlask, god: Actor) -> None:
    api = speaking_for(app, god)
    with counted("requests_total", route="none", method="GET", status="4xx") as unknown:
        for number in range(20):
            api.get(f"/nowhere/{MARK}{number}")
        assert unknown() == 20
    with counted("requests_total", route="none", method="other", status="4xx") as odd:
        api.send(MARK.upper(), "/episodes")
        assert odd() == 1
    api.post(f"/patients?{MARK}={MARK}", {MARK: MARK}, Idempotency_Key=MARK)
    Api(app, {"Authorization": f"Bearer {MARK}"}).get(f"/patients/{MARK}")
    assert (
        MARK.casefold()
        not in str([sample for metric in metrics.REGISTRY.collect() for sample in metric.samples]).casefold()
    )


def test_every_label_of_this_run_comes_from_the_code(app: APIFlask, god: Actor) -> None:
    speaking_for(app, god).get("/episodes")
    collected = list(metrics.REGISTRY.collect())
    assert any(metric.samples for metric in collected)
    assert strange(collected, app) == []


def test_the_walk_over_labels_sees_a_value_from_outside(app: APIFlask) -> None:
    odd = Metric("careapp_requests", "", "counter")
    odd.add_sample("careapp_requests_total", {"route": "/patients/Daw", "method": "GET", "status": "2xx"}, 1)
    odd.add_sample("careapp_refusals_total", {"code": "DAW"}, 1)
    assert strange([odd], app) == ["careapp_requests_total route=/patients/Daw", "careapp_refusals_total code=DAW"]


def test_a_command_is_counted_by_how_it_ended(god: Actor, front_desk: Actor) -> None:
    name = "patients.service.register"
    assert hasattr(patients.register, "permission")
    with counted("commands_total", command=name, outcome="done") as done:
        make.a_patient(god)
        assert done() == 1


def test_a_refused_command_is_counted_once_with_its_code(app: APIFlask, god: Actor) -> None:
    slot, api = make.a_slot(god).locator, speaking_for(app, god)
    first, second = make.an_episode(god).locator, make.an_episode(god).locator
    name = "scheduling.appointments.book"
    api.post(f"/episodes/{first}/appointments", {"slotLocator": slot})
    for number, headers in enumerate(({}, {"Idempotency_Key": "one"}), 1):
        with (
            counted("commands_total", command=name, outcome="refused") as refused,
            counted("commands_total", command=name, outcome="done") as done,
            counted("refusals_total", code="SLOT_UNAVAILABLE") as coded,
            counted("booking_races_lost_total", reason="full") as lost,
        ):
            answer = api.post(f"/episodes/{second}/appointments", {"slotLocator": slot}, **headers)
            assert answer.status_code == 409, number
            assert (refused(), done(), coded(), lost()) == (1, 0, 1, 1), number


@pytest.mark.parametrize(
    ("method", "address", "code"),
    [("POST", "/sign-in", "FORGED_FORM"), ("GET", "/nowhere", "NOT_FOUND"), ("PUT", "/sign-in", "METHOD_NOT_ALLOWED"),
     ("GET", "/api/v1/nowhere", "NOT_FOUND")],
)  # fmt: skip
def test_what_pages_refuse_before_any_view_is_counted_as_the_api_counts_it(
    app: APIFlask, method: str, address: str, code: str
) -> None:
    with counted("refusals_total", code=code) as coded:
        answer = app.test_client().open(address, method=method)
        assert 400 <= answer.status_code < 500
        assert coded() == 1


def test_a_fault_behind_a_page_is_counted_as_one_behind_the_api(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.view_functions, "sign_in.sign_in", lambda: 1 / 0)
    with counted("refusals_total", code="INTERNAL_ERROR") as coded:
        assert app.test_client().get("/sign-in").status_code == 500
        assert coded() == 1


def test_a_command_whose_end_nobody_knows_has_failed(god: Actor, database: TestDatabase) -> None:
    """Its connection was lost while it was told to commit."""
    name = "patients.service.register"
    with (
        counted("commands_total", command=name, outcome="failed") as failed,
        counted("commands_total", command=name, outcome="refused") as refused,
    ):
        with at_commit(lambda: end_own_session(database)), pytest.raises(OutcomeUnknown):
            make.a_patient(god)
        assert (failed(), refused()) == (1, 0)


def test_a_booking_whose_patient_or_provider_is_elsewhere_has_lost_a_race(god: Actor) -> None:
    patient = make.a_patient(god)
    mine, other = make.an_episode(god, patient).locator, make.an_episode(god, patient).locator
    one, another = make.a_slot(god, hours=2).locator, make.a_slot(god, hours=2).locator
    appointments.book(god, mine, slot_locator=one)
    with counted("booking_races_lost_total", reason="patient_busy") as lost, pytest.raises(Conflict):
        appointments.book(god, other, slot_locator=another)
    assert lost() == 1


def test_a_wrong_password_and_a_full_minute_are_counted(app: APIFlask, god: Actor) -> None:
    with counted("sign_in_failures_total", way="password") as wrong, pytest.raises(Exception, match="not right"):
        sign_in.sign_in(f"{MARK}@clinic.example", "not the password at all", address="192.0.2.9")
    assert wrong() == 1
    api = speaking_for(app, god)
    limiter, settings = app.extensions[LIMITER], app.config["SETTINGS"]
    app.config["SETTINGS"] = settings.model_copy(update={"rate_limit_service": 1})
    try:
        limiter._leases.clear()
        with counted("limited_requests_total", kind="program") as limited:
            assert [api.get("/episodes").status_code for _ in range(3)][-1] == 429
            assert limited() >= 1
    finally:
        app.config["SETTINGS"] = settings
        limiter._leases.clear()


def test_a_request_that_waits_for_a_connection_is_counted(app: APIFlask) -> None:
    pool = CountingPool(db.engine.pool._creator, pool_size=1, max_overflow=0, timeout=60)
    held = pool.connect()
    with counted("pool_waits_total") as waits, counted("pool_wait_seconds_total") as seconds:
        got: list[Any] = []
        waiting = threading.Thread(target=lambda: got.append(pool.connect()))
        waiting.start()
        while not waits():
            assert waiting.is_alive()
        held.close()
        waiting.join()
        assert (waits(), seconds() > 0, len(got)) == (1, True, 1)
        got[0].close()
        pool.connect().close()
        assert waits() == 1, "a connection that is there is no wait"
    pool.dispose()


def test_the_pool_of_the_replica_is_one_of_the_pools(database: TestDatabase, tmp_path: Path) -> None:
    made = make_app(database, tmp_path, database_pool_size=2, database_replica_url=database.app)
    alone: Any = SimpleNamespace(end_those_that_stand_still=lambda: 0)
    try:
        with made.app_context(), db.engines[REPLICA].connect():
            watching.look(made, alone, made.extensions[HEALTH])
            assert metrics.REGISTRY.get_sample_value("careapp_pool_connections") == 4
            assert metrics.REGISTRY.get_sample_value("careapp_pool_connections_in_use") == 1
    finally:
        replica.use(None)
        with made.app_context():
            for engine in db.engines.values():
                engine.dispose()


def test_a_command_tells_its_faults_before_the_first() -> None:
    @command(Permission.PATIENT_VIEW)
    def never_run(actor: Actor) -> None:
        """Nothing."""

    name = f"{__name__}.{never_run.__qualname__}"
    assert metrics.REGISTRY.get_sample_value("careapp_commands_total", {"command": name, "outcome": "failed"}) == 0


def test_a_breaker_tells_how_calls_ended() -> None:
    breaker = Breaker()
    with (
        counted("upstream_calls_total", outcome="failed") as failed,
        counted("upstream_calls_total", outcome="not made") as not_made,
        counted("upstream_calls_total", outcome="answered") as answered,
    ):
        with breaker.guard():
            pass
        for _ in range(FAILURES_TO_OPEN + 2):
            with pytest.raises(Exception, match=r"."), breaker.guard():
                raise TimeoutError("late")
        assert (answered(), failed(), not_made()) == (1, FAILURES_TO_OPEN, 2)
        assert breaker.open


def test_the_relay_counts_what_it_sent(app: APIFlask, god: Actor) -> None:
    make.a_patient(god)
    relay = Relay(app.config["DATABASE_RELAY_URL"], LogSender())
    with counted("relay_published_total") as published:
        sent = relay.run_pass()
        assert sent >= 1
        assert published() == sent
    relay.close()


def test_a_statement_that_takes_long_is_counted(slow_app: APIFlask) -> None:
    with slow_app.app_context(), counted("slow_statements_total") as slow:
        db.session.execute(text("SELECT pg_sleep(0.02)"))
        db.session.rollback()
        assert slow() == 1
