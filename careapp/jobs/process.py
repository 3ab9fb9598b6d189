"""The jobs process: APScheduler runs the relay each second and the upkeep now and then, until SIGTERM or SIGINT.

It may be started twice without harm: relays share the work by the shards' locks, and the rest may run twice.
"""

import functools
import gc
import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask

from careapp.config import Settings
from careapp.db import db
from careapp.jobs import health, upkeep
from careapp.jobs.watchdog import Watchdog
from careapp.logs import take_over_libraries
from careapp.operations.database_check import check_at_start
from careapp.outbox.relay import Relays
from careapp.outbox.sender_choice import sender_for
from careapp.telemetry import metrics, traces
from careapp.telemetry.statements import log_slow_beside, look_at_pools

MINUTE, HOUR, DAY = 60, 3600, 86400  # seconds
SEAL_SECONDS = 10
LOOK_SECONDS = 10  # between two looks at the outbox for who scales or wakes somebody by it
# The longest run a job may take before it counts as hanging. The longest pass of the relay takes about 35 s, with a
# broker that freezes in the middle of it; everything else works in batches the database ends after 15 s each, and where
# there may be many, as in filing, begins none after five minutes.
LONGEST_PASS, LONGEST_UPKEEP = 60.0, 600.0
OUTBOX = "outbox"
LONGEST = {OUTBOX: LONGEST_PASS}
LONGEST_SILENCE = 60.0  # the relay's passes alone end each second
ENDING = {signal.SIGTERM, signal.SIGINT}

Work = Callable[[], None]

_log = structlog.get_logger()


def run(app: Flask, settings: Settings) -> None:
    """Run the jobs until a signal ends them; what is under way is finished first, within seconds.

    Raises ValueError without the relay's address, SystemExit where a role could pass row-level security.
    """
    # Blocked in every thread and awaited below: no handler interrupts a transaction, and a second signal does nothing.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    relay_url: str | None = app.config["DATABASE_RELAY_URL"]
    if relay_url is None:
        raise ValueError("the jobs process needs DATABASE_RELAY_URL")
    take_over_libraries()
    check_at_start(relay_url)
    if traces.begin(settings, "careapp-jobs"):
        with app.app_context():
            traces.of_statements(db.engine)
    log_slow_beside(settings.slow_query_ms)
    relays = Relays(relay_url, functools.partial(sender_for, settings))
    watchdog = Watchdog(LONGEST_SILENCE)
    scheduler = _scheduler()
    for name, seconds, work in _work(app, relay_url, relays):
        metrics.JOB_INTERVAL.labels(name).set(seconds)
        metrics.JOB_SUCCESS.labels(name).set_to_current_time()
        metrics.JOB_RUNS.labels(name, metrics.FAILED)  # from nought on, or the first failure would be no increase
        # Each runs at the start too: a process that is restarted often must still get to the hourly ones.
        trigger = IntervalTrigger(seconds=seconds, timezone=UTC)
        scheduler.add_job(_watched(watchdog, name, work), trigger, id=name, next_run_time=datetime.now(UTC))
    gc.freeze()  # what is there by now stays: a full collection while thousands of events are in hand would look at all
    watchdog.start()
    scheduler.start()
    if settings.jobs_port:
        health.serve(settings.jobs_port, watchdog, _inside(app, lambda: look_at_pools(db.engines.values())))
    _log.info(f"jobs started, events go to {'Kafka' if settings.kafka_bootstrap_servers else 'the log'}")
    signal.sigwait(ENDING)
    relays.stop()
    scheduler.shutdown(wait=True)
    relays.close()
    watchdog.stop()
    traces.end()
    _log.info("jobs ended")


def _watched(watchdog: Watchdog, name: str, work: Work) -> Work:
    """The same work under the watchdog, and counted, whichever job it is."""
    longest = LONGEST.get(name, LONGEST_UPKEEP)

    def run_watched() -> None:
        # The relay's passes are each second, and most do nothing: it begins a trace itself where something waits.
        traced = nullcontext() if name == OUTBOX else traces.span(f"job {name}")
        with watchdog.running(name, longest), _counted(name), traced:
            work()

    return run_watched


@contextmanager
def _counted(name: str) -> Iterator[None]:
    """Around one run of a job: how it ended, when, and how long it took."""
    began, outcome = time.monotonic(), metrics.FAILED
    try:
        yield
        outcome = metrics.DONE
        metrics.JOB_SUCCESS.labels(name).set_to_current_time()
    finally:
        metrics.JOB_RUNS.labels(name, outcome).inc()
        metrics.JOB_SECONDS.labels(name).set(time.monotonic() - began)


def _work(app: Flask, relay_url: str, relays: Relays) -> list[tuple[str, int, Work]]:
    """Every job: its name, how many seconds lie between its runs, what it does."""

    def drain() -> None:
        relays.run_pass()

    return [
        (OUTBOX, 1, drain),
        ("outbox figures", MINUTE, functools.partial(upkeep.report_outbox, relay_url, relays)),
        ("outbox metrics", LOOK_SECONDS, functools.partial(upkeep.measure_outbox, relay_url)),
        ("audit metrics", MINUTE, functools.partial(upkeep.measure_audit, relay_url)),
        ("outbox retention", HOUR, functools.partial(upkeep.delete_published_events, relay_url)),
        ("audit seals", SEAL_SECONDS, functools.partial(upkeep.seal_audit, relay_url)),
        ("audit links", HOUR, functools.partial(upkeep.check_newest_seals, relay_url)),
        ("partitions", HOUR, functools.partial(upkeep.make_partitions, relay_url)),
        ("filing", DAY, _inside(app, functools.partial(upkeep.file_appointments, relay_url))),
        ("audit anchors", DAY, _inside(app, upkeep.anchor_audit)),
        ("idempotency keys", HOUR, _inside(app, upkeep.delete_old_answers)),
        ("booked counts", HOUR, _inside(app, upkeep.check_booked_counts)),
        ("sign-in attempts", HOUR, _inside(app, upkeep.forget_old_attempts)),
        ("challenges", HOUR, _inside(app, upkeep.forget_old_challenges)),
        ("nonces", 5 * MINUTE, _inside(app, upkeep.forget_old_nonces)),
        ("request limits", HOUR, _inside(app, upkeep.forget_old_limits)),
        ("drafts", HOUR, _inside(app, upkeep.forget_old_drafts)),
        ("sessions", HOUR, _inside(app, upkeep.forget_old_sessions)),
    ]


def _inside(app: Flask, work: Work) -> Work:
    """The same work with a database session, which ends with it."""

    def run_inside() -> None:
        with app.app_context():
            work()

    return run_inside


def _scheduler() -> BackgroundScheduler:
    """A scheduler that runs a job once at a time and makes up for missed runs by one."""
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
    )
    scheduler.add_listener(Failures(), EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
    # Its own words about a job that runs longer than its interval are noise, those about errors come from the listener.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    return scheduler


class Failures:
    """Counts what goes wrong with jobs, for the scheduler itself swallows every exception."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __call__(self, event: Any) -> None:
        """Take note of one of the scheduler's events."""
        if event.code == EVENT_JOB_MAX_INSTANCES:
            return  # the last run still goes on: usual for the relay with much to send; a hung one is the watchdog's
        self._counts[event.job_id] += 1
        count = self._counts[event.job_id]
        if event.code == EVENT_JOB_MISSED:
            _log.error("job missed", job=event.job_id, count=count)
        else:
            _log.error("job failed", job=event.job_id, count=count, exc_info=event.exception)
