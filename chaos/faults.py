"""The faults: each begins, lasts for a while, and ends; where what it needs is not there, it is skipped loudly."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from chaos.suite import Suite

Act = Callable[["Suite"], None]


@dataclass(frozen=True)
class Fault:
    """`hold`: between how many seconds it lasts. `red`: readiness must notice it. `in_order`: requests under
    way are answered all the same. `told_within`, `books_within`: seconds in which everybody, or who books, is answered
    meanwhile; 0: no rule of its own. `needs` says what is missing, or "".

    `begin` and `end` run in the main thread, the only one that may start PostgreSQL.
    """

    name: str
    begin: Act
    end: Act = field(default=lambda suite: None)
    hold: tuple[float, float] = (0.0, 0.0)
    red: bool = False
    in_order: bool = False
    told_within: float = 0.0
    books_within: float = 0.0
    needs: Callable[["Suite"], str] = field(default=lambda suite: "")


def _no_kafka(suite: "Suite") -> str:
    return "" if suite.broker else "no Java or Maven for Kafka"


def _no_disk(suite: "Suite") -> str:
    return "" if suite.postgres.mounted else "no file system of its own could be mounted (it takes root)"


def _no_faketime(suite: "Suite") -> str:
    return "" if faketime() else "no libfaketime on this machine"


def _worker(suite: "Suite") -> int | None:
    workers = suite.web.children()
    return suite.dice.choice(workers) if workers else None


def _signal_worker(number: signal.Signals) -> Act:
    def act(suite: "Suite") -> None:
        if (worker := _worker(suite)) is not None:
            with suppress(ProcessLookupError):
                os.kill(worker, number)

    return act


def _stop_worker(suite: "Suite") -> None:
    suite.held = _worker(suite)
    if suite.held:
        os.kill(suite.held, signal.SIGSTOP)


def _continue_worker(suite: "Suite") -> None:
    if suite.held:
        with suppress(ProcessLookupError):
            os.kill(suite.held, signal.SIGCONT)


def _signal_jobs(number: signal.Signals) -> Act:
    return lambda suite: suite.dice.choice(suite.jobs).send(number)


def _terminate_all(suite: "Suite") -> None:
    """End every session of the application again and again, as fast as it comes back."""
    with psycopg.connect(suite.postgres.superuser, autocommit=True) as connection:
        for _ in range(10):
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('care_app', 'care_relay')"
            )
            time.sleep(0.1)


def _lock_slots(suite: "Suite") -> None:
    """Hold every slot, so that whoever books waits with a connection in his hand."""
    suite.locking = psycopg.connect(suite.postgres.superuser)
    suite.locking.execute("SET lock_timeout = '20s'; SET search_path = care, public")
    suite.locking.execute("LOCK TABLE provider_slots IN EXCLUSIVE MODE")


def _unlock_slots(suite: "Suite") -> None:
    if suite.locking:
        suite.locking.close()
        suite.locking = None


def _free_disk(suite: "Suite") -> None:
    suite.postgres.free_disk()
    suite.postgres.keep_running()


def _kill_relays_in_the_middle(suite: "Suite") -> None:
    """Kill both relays while a broker that stands still keeps their sends under way."""
    suite.broker.freeze()
    time.sleep(1.5)
    for process in suite.jobs:
        process.send(signal.SIGKILL)
    time.sleep(0.5)
    suite.broker.thaw()


def _clock_back(suite: "Suite") -> None:
    suite.set_clock(-600)


def _answers_again(suite: "Suite") -> None:
    suite.database.restore()
    suite.database.cut()


def _clock_right(suite: "Suite") -> None:
    suite.set_clock(0)


FAULTS = (
    Fault("worker killed", _signal_worker(signal.SIGKILL)),
    Fault("worker told to end", _signal_worker(signal.SIGTERM), in_order=True),
    Fault("worker stands still", _stop_worker, _continue_worker, hold=(18, 20),
          told_within=5.0),  # two, on a machine with nothing else to do
    Fault("web killed with its workers", lambda suite: suite.web.send(signal.SIGKILL)),
    Fault("web told to end", lambda suite: suite.web.send(signal.SIGTERM), in_order=True),
    Fault("jobs killed", _signal_jobs(signal.SIGKILL)),
    Fault("jobs told to end", _signal_jobs(signal.SIGTERM)),
    Fault("database restarted", lambda suite: suite.postgres.stop(signal.SIGINT),
          lambda suite: suite.postgres.start(), hold=(1, 4), red=True),
    Fault("database stopped at once", lambda suite: suite.postgres.stop(signal.SIGQUIT),
          lambda suite: suite.postgres.start(), hold=(0, 2)),
    Fault("sessions terminated", _terminate_all),
    Fault("connections cut", lambda suite: suite.database.cut()),
    Fault("database unreachable", lambda suite: suite.database.refuse(),
          lambda suite: suite.database.restore(), hold=(3, 6), red=True),
    Fault("database hangs", lambda suite: suite.database.freeze(),
          lambda suite: suite.database.restore(), hold=(8, 14), red=True, told_within=4.0),
    Fault("database slow", lambda suite: suite.database.slow(0.05),
          lambda suite: suite.database.restore(), hold=(4, 8)),
    Fault("answers lost", lambda suite: suite.database.drop_after(2000),
          _answers_again, hold=(6, 9), red=True,
          told_within=4.0),
    Fault("half closed", lambda suite: suite.database.half_close()),
    Fault("slots locked", _lock_slots, _unlock_slots, hold=(8, 12)),
    Fault("disk full", lambda suite: suite.postgres.fill_disk(), _free_disk, hold=(6, 10), needs=_no_disk),
    Fault("kafka frozen", lambda suite: suite.broker.freeze(), lambda suite: suite.broker.thaw(),
          hold=(10, 20), needs=_no_kafka),
    Fault("kafka down for minutes", lambda suite: suite.broker.kill(), lambda suite: suite.broker.start(),
          hold=(130, 140), needs=_no_kafka),
    Fault("kafka unreachable", lambda suite: suite.kafka.refuse(), lambda suite: suite.kafka.restore(),
          hold=(5, 15), needs=_no_kafka),
    Fault("relays killed in mid-send", _kill_relays_in_the_middle, needs=_no_kafka),
    Fault("provider service hangs", lambda suite: suite.providers.freeze(),
          lambda suite: suite.providers.restore(), hold=(9, 12), books_within=3.0),  # answers are kept for five
    Fault("provider service killed", lambda suite: suite.keeper.send(signal.SIGKILL)),
    Fault("clock set back", _clock_back, _clock_right, hold=(6, 10), needs=_no_faketime),
)  # fmt: skip

# Those a short run in CI goes through, in this order.
MAIN = ("worker killed", "jobs killed", "database restarted", "sessions terminated", "kafka frozen")


def named(names: list[str]) -> list[Fault]:
    """The faults of these names; raises SystemExit for one that does not exist."""
    known = {fault.name: fault for fault in FAULTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"There is no fault {', '.join(unknown)}. There are: {', '.join(known)}.")
    return [known[name] for name in names]


def plan(faults: list[Fault], dice: random.Random) -> Iterator[Fault]:
    """Each fault once, in an order the seed decides, then again and again in other orders."""
    while faults:
        yield from dice.sample(faults, len(faults))


@contextmanager
def held(fault: Fault, suite: "Suite", seconds: float) -> Iterator[None]:
    """Inside, the fault is there; whatever happens, it is ended."""
    fault.begin(suite)
    try:
        time.sleep(seconds)
        yield
    finally:
        fault.end(suite)


def faketime() -> Path | None:
    """The library that gives a process another clock, where it is installed."""
    found = [path for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
    return found[0] if found else None
