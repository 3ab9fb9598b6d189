"""Watching real servers: figures of all workers on a port of their own, and a worker that stands still is replaced."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from apiflask import APIFlask
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bench.servers import end_group
from careapp.access import Actor
from careapp.surface.tokens import own_token
from tests.database import TestDatabase
from tests.instance import Instance, shared_settings
from tests.telemetry.labels import strange
from tools.ports import free_port

PATIENCE_SECONDS = 120  # for what must happen at some time; nothing is measured with it
FROM_OUTSIDE = "Xqzvscraped"
ASKED = 30


class Watched(Instance):
    """A server of two workers, and the port its figures stand on."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.metrics_port = free_port()
        super().__init__({**environment, "METRICS_PORT": str(self.metrics_port)}, log, workers=2)

    def families(self) -> list[Metric]:
        """What is told to who asks for the figures."""
        answer = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200
        return list(text_string_to_metric_families(answer.text))

    def figure(self, name: str, **labels: str) -> float:
        """The sum of a figure over the series with these labels."""
        return sum(
            sample.value
            for metric in self.families()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def workers(self) -> set[int]:
        """The process ids of its workers."""
        pid = self.process.pid
        return {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def awaited(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds; a server that is just being replaced may refuse to answer."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{what} did not come about")


@pytest.fixture(scope="module")
def server(app: APIFlask, database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A server of two workers for the tests of this file; all of them live and one listens."""
    place = tmp_path_factory.mktemp("watched")
    with ExitStack() as ending:
        made = Watched(shared_settings(app, database, place), place / "web.log")
        ending.callback(end_group, made.process)
        awaited(lambda: made.figure("careapp_workers") == 2, "two workers")
        yield made


def test_figures_of_all_workers_are_added_up(server: Watched, app: APIFlask, god: Actor) -> None:
    about = {"route": "/api/v1/episodes", "method": "GET", "status": "2xx"}
    before = server.figure("careapp_requests_total", **about)
    token = own_token(god, app.config["SETTINGS"])
    for _ in range(ASKED):  # a connection each, which the kernel spreads over the workers
        httpx.get(
            f"http://127.0.0.1:{server.port}/api/v1/episodes", headers={"Authorization": f"Bearer {token}"}, timeout=60
        ).raise_for_status()
    assert server.figure("careapp_requests_total", **about) - before == ASKED
    assert server.figure("careapp_pool_connections") == 8, "four for each of two workers"


def test_faults_are_told_from_nought_on(server: Watched) -> None:
    """Prometheus sees the growth of a series, never the figure it begins with."""
    booking = {"route": "/api/v1/episodes/<locator>/appointments", "method": "POST", "status": "5xx"}
    told = [sample for family in server.families() for sample in family.samples]
    faults = [one for one in told if one.name == "careapp_requests_total" and booking.items() <= one.labels.items()]
    assert [one.value for one in faults] == [0]
    failed = {"command": "scheduling.appointments.book", "outcome": "failed"}
    assert [one.value for one in told if failed.items() <= one.labels.items()] == [0]
    assert not [one for one in told if one.labels.get("route") == "/healthz"], "which is not counted"


def test_nothing_from_outside_becomes_a_label(server: Watched, app: APIFlask) -> None:
    base = f"http://127.0.0.1:{server.port}"
    for path in (f"/{FROM_OUTSIDE}", f"/api/v1/patients/{FROM_OUTSIDE}", f"/api/v1/{FROM_OUTSIDE}?x={FROM_OUTSIDE}"):
        for method in ("GET", "POST", FROM_OUTSIDE.upper()):
            httpx.request(method, base + path, headers={"Authorization": f"Bearer {FROM_OUTSIDE}"}, timeout=60)
    families = server.families()
    assert sum(len(family.samples) for family in families) > 20
    assert strange(families, app) == []
    assert FROM_OUTSIDE.casefold() not in str(families).casefold()


def test_the_public_port_tells_no_figures(server: Watched) -> None:
    assert httpx.get(f"http://127.0.0.1:{server.port}/metrics", timeout=60).status_code == 404
    assert httpx.get(f"http://127.0.0.1:{server.metrics_port}/sign-in", timeout=60).status_code == 404


def test_readiness_is_told_beside_the_threads_that_serve(server: Watched) -> None:
    answer = httpx.get(f"http://127.0.0.1:{server.metrics_port}/readyz", timeout=60)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_worker_that_stands_still_is_replaced_and_the_count_goes_on(server: Watched) -> None:
    about = {"route": "/sign-in", "method": "GET"}
    httpx.get(f"http://127.0.0.1:{server.port}/sign-in", timeout=60).raise_for_status()
    before, counted = server.workers(), server.figure("careapp_requests_total", **about)
    halted = min(before)
    os.kill(halted, signal.SIGSTOP)
    awaited(lambda: halted not in server.workers() and len(server.workers()) == 2, "another worker")
    awaited(lambda: server.figure("careapp_workers") == 2, "its figures")
    assert server.figure("careapp_workers_ended_total") == 1
    assert server.figure("careapp_requests_total", **about) == counted, "what the ended one had counted is kept"
    for _ in range(ASKED):
        assert httpx.get(f"http://127.0.0.1:{server.port}/healthz", timeout=60).json() == {"status": "ok"}


def test_the_next_listener_takes_over(server: Watched) -> None:
    for pid in sorted(server.workers()):
        os.kill(pid, signal.SIGKILL)
        awaited(lambda pid=pid: pid not in server.workers() and len(server.workers()) == 2, "another worker")
        awaited(lambda: server.figure("careapp_workers") == 2, "somebody who listens")


def test_the_files_of_a_server_that_ended_are_removed_by_a_later_one(
    app: APIFlask, database: TestDatabase, tmp_path: Path
) -> None:
    environment, places = shared_settings(app, database, tmp_path), []
    for number in range(2):
        made = Watched(environment, tmp_path / f"{number}.log")
        try:
            awaited(lambda made=made: made.figure("careapp_workers") == 2, "two workers")
            root = Path(f"/dev/shm/careapp-metrics-{os.getuid()}")
            places.append({path for path in root.glob(f"{made.process.pid}-*") if path.is_dir()})
        finally:
            end_group(made.process)
    assert [len(found) for found in places] == [1, 1]
    assert not next(iter(places[0])).exists()


def test_without_a_port_nobody_listens(app: APIFlask, database: TestDatabase, tmp_path: Path) -> None:
    settings = {**shared_settings(app, database, tmp_path), "METRICS_PORT": ""}
    made = Instance(settings, tmp_path / "web.log")
    try:
        assert httpx.get(f"http://127.0.0.1:{made.port}/healthz", timeout=60).status_code == 200
        assert "listening" not in (tmp_path / "web.log").read_text()
    finally:
        end_group(made.process)
