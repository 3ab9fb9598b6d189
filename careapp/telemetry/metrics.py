"""Metrics: every figure the processes expose, each with its meaning, and the functions that count the frequent ones.

A label takes its values from the code alone: a route as declared, the name of a command, a code. Nothing a client sends
becomes a label, so neither a patient nor a flood of odd requests gets into a series.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Literal

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import DBAPIError

from careapp.db import sqlstate
from careapp.errors import OutcomeUnknown, Refusal

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

# Over the workers of a web server: added up, or the highest; those of a worker that has ended no longer count.
Merging = Literal["livesum", "livemax"]

REGISTRY = CollectorRegistry()
# Seconds. Pages are meant to take 0.05 to 0.3; who waits for a lock gives up after 5, a statement after 15.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE, OTHER_METHOD = "none", "other"  # for what no route answers: as sent it may hold anything
STATUS_CLASSES = {number: f"{number}xx" for number in range(1, 6)}
DONE, REFUSED, CLASHED, FAILED = "done", "refused", "clashed", "failed"
CLASHES = frozenset({"40P01", "40001", "55P03"})  # deadlock, serialization failure, lock timeout
# How the names of metrics begin that processes of a kind do not expose, because only the other kind counts them.
ELSEWHERE = {
    "web": ("careapp_outbox", "careapp_relay", "careapp_audit", "careapp_job"),
    "jobs": (
        "careapp_request", "careapp_booking", "careapp_sign_in", "careapp_limited", "careapp_polls", "careapp_breaker",
        "careapp_upstream", "careapp_workers", "careapp_database_away",
    ),
}  # fmt: skip


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(f"careapp_{name}", meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str, merging: Merging = "livesum") -> Gauge:
    return Gauge(f"careapp_{name}", meaning, labels, registry=REGISTRY, multiprocess_mode=merging)


class Exposed(Collector):
    """What the processes of a kind ("web" or "jobs") have to tell of what was collected; the rest would be noughts."""

    def __init__(self, collected: CollectorRegistry | Collector, kind: str) -> None:
        self._collected, self._others = collected, ELSEWHERE[kind]

    def collect(self) -> Iterator[Metric]:
        """The metrics of this kind of process."""
        return (metric for metric in self._collected.collect() if not metric.name.startswith(self._others))


REQUESTS = _counter(
    "requests",
    "Requests the application answered, but for health and static files, by route as declared, method and class of"
    " status.",
    "route", "method", "status",
)  # fmt: skip
REQUEST_SECONDS = Histogram(
    "careapp_request_seconds", "How long requests took inside the application.", ("route", "method"),
    registry=REGISTRY, buckets=BUCKETS,
)  # fmt: skip
COMMANDS = _counter(
    "commands",
    "Commands (writes) by outcome: done, refused, clashed (ended for another one, and tried again), failed.",
    "command", "outcome",
)  # fmt: skip
REFUSALS = _counter("refusals", "Refusals by the code that clients read.", "code")
RACES_LOST = _counter(
    "booking_races_lost",
    "Bookings and moves refused because somebody else was quicker: the slot was full, the provider or the patient was"
    " elsewhere by then. What is offered can be booked, so clients that look first cause few others.",
    "reason",
)
SIGN_IN_FAILURES = _counter("sign_in_failures", "Proofs of who somebody is that were wrong, by kind of proof.", "way")
LIMITED = _counter("limited_requests", "Requests refused because a limit a minute was reached, by whose limit.", "kind")
POLLS = _counter(
    "polls",
    "Polls of screens answered without the application, and so no requests of it, by where the worker looked whether"
    " something is new: in its memory, or in the database.",
    "looked",
)
SLOW_STATEMENTS = _counter("slow_statements", "SQL statements that took longer than SLOW_QUERY_MS.")

POOL_SIZE = _gauge(
    "pool_connections", "Database connections the pools may hold, the replica's included; of web, those of all workers."
)
POOL_IN_USE = _gauge(
    "pool_connections_in_use",
    "Database connections that are out of these pools; web looks four times a second, jobs when it is asked.",
)
POOL_WAITS = _counter("pool_waits", "Times a request waited because all connections of its worker were in use.")
POOL_WAIT_SECONDS = _counter("pool_wait_seconds", "Seconds requests have waited for a connection, in all.")
POOL_TIMEOUTS = _counter("pool_timeouts", "Requests that waited five seconds for a connection in vain (503).")
DATABASE_AWAY = _gauge(
    "database_away", "1 while the database answers nobody and requests are refused at once.", merging="livemax"
)

BREAKER_OPEN = _gauge(
    "breaker_open", "1 while a worker's circuit breaker before another service lets nothing through.", "service",
    merging="livemax",
)  # fmt: skip
UPSTREAM_CALLS = _counter(
    "upstream_calls", "Calls to another service by outcome: answered, failed, or not made as the breaker is open.",
    "outcome",
)  # fmt: skip

WORKERS = _gauge("workers", "Web workers that live.")
WORKERS_ENDED = _counter("workers_ended", "Web workers that stood still and were ended by another one.")

OUTBOX_PENDING = _gauge("outbox_pending", "Events that have not left, parked ones included, over all tenants.")
OUTBOX_PARKED = _gauge("outbox_parked", "Events that cannot be sent and wait for a person; each holds back its key.")
OUTBOX_OLDEST = _gauge("outbox_oldest_seconds", "Age of the oldest event that has not left and is not parked.")
RELAY_PUBLISHED = _counter("relay_published", "Events this process has sent.")
RELAY_FAILURES = _counter("relay_failures", "Sends and connections of this process's two relays that failed.")
RELAY_PASS_SECONDS = _gauge("relay_pass_seconds", "How long the last pass of one of its relays took.")

AUDIT_SEALED = _counter("audit_sealed_rows", "Audit rows this process has sealed.")
AUDIT_SEALS = _gauge("audit_seals", "The sealer's position: seals of all tenants together.")
AUDIT_UNSEALED = _gauge("audit_unsealed_seconds", "Age of the oldest audit row that no seal holds yet.")
AUDIT_BROKEN = _gauge(
    "audit_chains_broken", "Tenants of whose newest hundred seals one is missing, changed or bound to another one."
)
AUDIT_STOPPED = _gauge("audit_chains_stopped", "Tenants whose chain cannot go on, as after a restore.")

# Prometheus itself calls what it asks a job, so the label has another name.
JOB_RUNS = _counter("job_runs", "Runs of a job, by how they ended: done or failed.", "task", "outcome")
JOB_SUCCESS = _gauge(
    "job_last_success_timestamp_seconds",
    "When a job last ended well, by the clock; until then, when this process started.",
    "task",
)
JOB_SECONDS = _gauge("job_last_seconds", "How long the last run of a job took, however it ended.", "task")
JOB_INTERVAL = _gauge("job_interval_seconds", "How many seconds lie between two runs of a job.", "task")


def count_request(route: str | None, method: str, status: int, seconds: float) -> None:
    """Count an answered request; `route` is the rule as declared, None where none answers."""
    counted, timed = _request(route or NO_ROUTE, method if method in METHODS else OTHER_METHOD, status // 100)
    counted.inc()
    timed.observe(seconds)


def expect_requests(routes: Iterable[tuple[str, str]]) -> None:
    """Tell the faults of these routes, each with a method, from nought on: a series that begins with its first fault
    shows Prometheus no increase, so no alert would see that one.
    """
    for route, method in routes:
        REQUESTS.labels(route, method, STATUS_CLASSES[5])


def expect_command(name: str) -> None:
    """Tell a command's faults from nought on, as `expect_requests` does those of requests."""
    COMMANDS.labels(name, FAILED)


def count_command(name: str | None, error: BaseException | None, *, refused: bool) -> None:
    """Count a command, where the transaction had one, by how it ended; `refused` where that is no Refusal itself: one
    that was kept as an answer, or a constraint that stands for one.
    """
    if name is None:
        return
    outcome = FAILED if error else DONE
    if refused or (isinstance(error, Refusal) and not isinstance(error, OutcomeUnknown)):
        outcome = REFUSED
    elif isinstance(error, DBAPIError) and (error.connection_invalidated or sqlstate(error) in CLASHES):
        outcome = CLASHED
    _command(name, outcome).inc()


def count_refusal(refusal: Refusal) -> None:
    """Count a refusal, once, however many places see it on its way out."""
    if not refusal.counted:
        refusal.counted = True
        count_code(refusal.code)


def count_code(code: str) -> None:
    """Count what was refused without a Refusal, by the code that stands for it."""
    REFUSALS.labels(code).inc()


@cache  # to find a series by its labels costs as much as to count
def _request(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    status_class = STATUS_CLASSES.get(status, "5xx")
    return REQUESTS.labels(route, method, status_class), REQUEST_SECONDS.labels(route, method)


@cache
def _command(name: str, outcome: str) -> Counter:
    return COMMANDS.labels(name, outcome)
