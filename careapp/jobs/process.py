"""The jobs process: APScheduler runs the relay each second and the upkeep now and then, until SIGTERM or SIGINT.

It may be started twice without harm: relays share the work by the shards' locks, and the rest may run twice.
"""

import functools
import logging
import signal
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask

from careapp.config import Settings
from careapp.jobs import upkeep
from careapp.jobs.watchdog import Watchdog
from careapp.outbox.kafka_sender import sender_for
from careapp.outbox.relay import Relay

RELAY_SECONDS = 1
HANGS_AFTER_SECONDS = 60.0  # the longest pass takes about 35 s, with a broker that freezes in the middle of it
ENDING = {signal.SIGTERM, signal.SIGINT}

Work = Callable[[], None]

_log = structlog.get_logger()


def run(app: Flask, settings: Settings) -> None:
    """Run the jobs until a signal ends them; what is under way is finished first, within seconds."""
    # Blocked in every thread and awaited below: no handler can interrupt a transaction, and a second signal does nothing.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    relay_url: str | None = app.config["DATABASE_RELAY_URL"]
    if relay_url is None:
        raise ValueError("the jobs process needs DATABASE_RELAY_URL")
    relay = Relay(relay_url, sender_for(settings))
    watchdog = Watchdog(HANGS_AFTER_SECONDS)
    scheduler = _scheduler()
    for name, every, work in _work(app, relay_url, relay, watchdog):
        scheduler.add_job(work, IntervalTrigger(seconds=every.total_seconds(), timezone=UTC), id=name, next_run_time=_now())
    watchdog.start()
    scheduler.start()
    _log.info("jobs started", kafka=settings.kafka_bootstrap_servers or "none: events go to the log")
    signal.sigwait(ENDING)
    relay.stop()
    scheduler.shutdown(wait=True)
    relay.close()
    watchdog.stop()
    _log.info("jobs ended")


def _work(app: Flask, relay_url: str, relay: Relay, watchdog: Watchdog) -> list[tuple[str, timedelta, Work]]:
    """Every job: its name, how often it runs, what it does."""

    def drain() -> None:
        relay.run_pass()
        watchdog.beat()

    hour = timedelta(hours=1)
    return [
        ("outbox", timedelta(seconds=RELAY_SECONDS), drain),
        ("outbox figures", timedelta(minutes=1), functools.partial(upkeep.report_outbox, relay_url, relay)),
        ("outbox retention", hour, functools.partial(upkeep.delete_published_events, relay_url)),
        ("idempotency keys", hour, _inside(app, upkeep.delete_old_answers)),
        ("booked counts", hour, _inside(app, upkeep.check_booked_counts)),
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
        if event.code == EVENT_JOB_MAX_INSTANCES:
            return  # the last run still goes on: usual for the relay with much to send; a hung one is the watchdog's
        self._counts[event.job_id] += 1
        error = type(event.exception).__name__ if isinstance(event, JobExecutionEvent) and event.exception else "missed"
        traceback = getattr(event, "traceback", None)  # frames only, without values
        _log.error("job failed", job=event.job_id, error=error, count=self._counts[event.job_id], traceback=traceback)


def _now() -> datetime:
    """Jobs run once at the start: a process that is restarted often must still get to the hourly ones."""
    return datetime.now(UTC)
