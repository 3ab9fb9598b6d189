"""The jobs process: it really runs, it ends when told, and it does not hide what goes wrong."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, JobEvent, JobExecutionEvent
from kafka import KafkaAdminClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from careapp import clock
from careapp.access import Actor
from careapp.jobs import health
from careapp.jobs import process as jobs_process
from careapp.jobs.process import Failures
from careapp.jobs.watchdog import Watchdog
from careapp.outbox import topics
from careapp.telemetry.metrics import ELSEWHERE
from tests.conftest import ROOT, TestTenant
from tests.jobs.history import Reader, judge
from tests.jobs.relays import PATIENCE_SECONDS, relay_role, unsent, wait_until
from tests.jobs.speaking import Ledger, saying, speak
from tests.telemetry.labels import jobs, strange
from tools.ports import free_port

Jobs = subprocess.Popen[bytes]


@pytest.fixture
def start_jobs(app: APIFlask, tmp_path: Path) -> Iterator[Callable[..., Jobs]]:
    """start_jobs(KAFKA_BOOTSTRAP_SERVERS=…) runs `flask jobs` on the tests' database and logs to tmp_path/jobs.log."""
    started: list[Jobs] = []

    def start(**environment: str) -> Jobs:
        own = {
            "CAREAPP_ENV": "development",
            "CAREAPP_VAR": str(tmp_path / "var"),
            "DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"],
            "DATABASE_OWNER_URL": app.config["DATABASE_OWNER_URL"],
            "DATABASE_RELAY_URL": app.config["DATABASE_RELAY_URL"],
        }
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "jobs"]
        with (tmp_path / "jobs.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **own, **environment}, stdout=log, stderr=log
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    with relay_role(app) as connection:  # what they said of their own and could not send
        connection.execute("DELETE FROM outbox WHERE topic = 'care.audit.anchored' AND published_at IS NULL")


def told_to_end(process: Jobs, number: signal.Signals) -> int:
    """The exit status after a signal."""
    process.send_signal(number)
    return process.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_events_leave_and_a_signal_ends_it(
    number: signal.Signals, app: APIFlask, tenant: TestTenant, speaker: Actor, reader: Reader, kafka_address: str,
    start_jobs: Callable[..., Jobs], tmp_path: Path,
) -> None:  # fmt: skip
    said = [saying(f"EPI-2026-00000{key}") for key in (1, 2, 1, 3)]
    speak(speaker, said)
    process = start_jobs(KAFKA_BOOTSTRAP_SERVERS=kafka_address)
    wait_until(lambda: unsent(app, tenant.id) == 0)
    log = (tmp_path / "jobs.log").read_text
    assert told_to_end(process, number) == 0, log()
    assert judge(app, tenant, reader.read(tenant), Ledger({one.mark for one in said})) == 0
    assert "jobs ended" in log()
    assert "Traceback" not in log()


def figures(port: int) -> list[Metric]:
    """What the jobs process tells of itself; nothing while it does not listen yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_SECONDS) as answer:
            return list(text_string_to_metric_families(answer.read().decode()))
    except urllib.error.URLError:
        return []


def test_it_tells_its_figures(
    app: APIFlask, tenant: TestTenant, speaker: Actor, start_jobs: Callable[..., Jobs]
) -> None:
    speak(speaker, [saying("EPI-2026-000009")])
    port = free_port()
    start_jobs(KAFKA_BOOTSTRAP_SERVERS="", JOBS_PORT=str(port), DATABASE_POOL_SIZE="3")

    def values(name: str, **labels: str) -> dict[str, float]:
        return {
            sample.labels.get("task", ""): sample.value
            for metric in figures(port)
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        }

    wait_until(lambda: values("careapp_relay_published_total").get("", 0) >= 1)
    wait_until(lambda: {"outbox metrics", "audit metrics"} <= set(values("careapp_job_runs_total", outcome="done")))
    assert set(values("careapp_job_interval_seconds")) == jobs()
    assert set(values("careapp_job_last_success_timestamp_seconds")) == jobs()
    assert set(values("careapp_job_runs_total", outcome="failed").values()) == {0}
    assert values("careapp_outbox_parked") == {"": 0}
    assert values("careapp_pool_connections") == {"": 3}
    assert values("careapp_database_away") == {}, "no request is refused here"
    assert set(values("careapp_commands_total", outcome="failed").values()) == {0}
    assert values("process_resident_memory_bytes")[""] > 0
    found = figures(port)
    assert strange([metric for metric in found if metric.name.startswith("careapp_")], app) == []
    assert not [metric.name for metric in found if metric.name.startswith(ELSEWHERE["jobs"])]


def test_without_a_broker_it_logs_topic_key_and_id(
    app: APIFlask, tenant: TestTenant, speaker: Actor, start_jobs: Callable[..., Jobs], tmp_path: Path
) -> None:
    speak(speaker, [saying("EPI-2026-000007", filler="private")])
    process = start_jobs(KAFKA_BOOTSTRAP_SERVERS="")
    wait_until(lambda: unsent(app, tenant.id) == 0)
    assert told_to_end(process, signal.SIGTERM) == 0
    log = (tmp_path / "jobs.log").read_text()
    assert "event published" in log
    assert "EPI-2026-000007" in log
    assert "private" not in log


def test_it_starts_while_no_broker_answers_and_ends_when_told(
    app: APIFlask, tenant: TestTenant, speaker: Actor, start_jobs: Callable[..., Jobs], tmp_path: Path
) -> None:
    speak(speaker, [saying("EPI-2026-000008")])
    process = start_jobs(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")  # the discard port: nobody listens
    wait_until(lambda: "broker does not answer" in (tmp_path / "jobs.log").read_text())
    assert told_to_end(process, signal.SIGTERM) == 0
    assert unsent(app, tenant.id) == 1


def test_all_topics_are_made(topics_made: None, kafka_address: str) -> None:
    with KafkaAdminClient(bootstrap_servers=kafka_address) as admin:
        assert set(topics.ALL) <= set(admin.list_topics())


def test_a_job_that_fails_is_counted_and_named() -> None:
    failures, error = Failures(), KeyError("a value")
    event = JobExecutionEvent(EVENT_JOB_ERROR, "outbox figures", "default", clock.now(), exception=error)
    with capture_logs() as logs:
        failures(event)
        failures(event)
        failures(JobEvent(EVENT_JOB_MAX_INSTANCES, "outbox", "default"))
    assert [(entry["job"], entry["exc_info"], entry["count"]) for entry in logs] == [
        ("outbox figures", error, 1),
        ("outbox figures", error, 2),
    ]


def with_watchdog(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own with a watchdog `dog` in it."""
    whole = f"import threading, time; from careapp.jobs.watchdog import Watchdog\n{program}"
    return subprocess.run([sys.executable, "-c", whole], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_watchdog_ends_a_process_where_no_job_ends() -> None:
    outcome = with_watchdog("Watchdog(0.1).start(); threading.Event().wait()")
    assert outcome.returncode == 1
    assert "every job" in outcome.stdout + outcome.stderr


def test_the_watchdog_ends_a_process_whose_hourly_job_hangs_while_the_relay_goes_on() -> None:
    outcome = with_watchdog("""
dog = Watchdog(60); dog.start()
def hang():
    with dog.running("drafts", 0.1): threading.Event().wait()
threading.Thread(target=hang, daemon=True).start()
while True:
    with dog.running("outbox", 60): time.sleep(0.05)
""")
    assert outcome.returncode == 1
    assert "drafts" in outcome.stdout + outcome.stderr


def test_the_watchdog_leaves_a_living_process_alone() -> None:
    outcome = with_watchdog("""
dog = Watchdog(60); dog.start()
with dog.running("outbox", 60): time.sleep(1.5)
print("alive")
""")
    assert (outcome.returncode, outcome.stdout) == (0, "alive\n")


def test_every_job_runs_under_the_watchdog() -> None:
    dog = Watchdog(60)
    seen: list[dict[str, float]] = []
    jobs_process._watched(dog, "drafts", lambda: seen.append(dog.state()))()
    assert "drafts" in seen[0]
    assert "drafts" not in dog.state()


def test_the_jobs_health_tells_a_hanging_job() -> None:
    dog = Watchdog(60)
    server = health.serve(0, dog, list)
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:
            assert json.load(answer)["status"] == "ok"
        with dog.running("drafts", 0.0), pytest.raises(urllib.error.HTTPError) as found:
            urllib.request.urlopen(address, timeout=PATIENCE_SECONDS)
        with found.value as refused:
            assert (refused.code, json.load(refused)["job"]) == (503, "drafts")
    finally:
        server.shutdown()
        server.server_close()
