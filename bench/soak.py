"""A soak: a mixed load for half an hour against the real processes, and what that does to memory, connections and lag.

Web server and jobs process run as the Procfile says, with Kafka beside them. Every kind of request has a client of its
own that keeps its pace, and asks in all tenants in turn: what is measured is not how much they bear (the table tells
that), but whether anything grows.
"""

import json
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import psycopg

from bench import plot
from bench.cases import BESIDES, CASES, Case, Request, opened_boards
from bench.clients import PATIENCE, ask
from bench.events import jobs_process, superuser, wait_until_sent
from bench.measuring import APPLICATION, Bench
from bench.memory import WARM, growths, verdict
from bench.servers import ROOT, VAR
from bench.usage import resident
from bench.whole import TENANTS, describe, laid, tell
from tools.kafka.broker import Broker
from tools.kafka.jars import BrokerError

PICTURE = ROOT / "docs" / "performance" / "soak.svg"
EVERY = 5.0  # seconds between two readings
# Requests a second of each kind; a clinic of a hundred desks makes fewer.
PACE = {
    "booking": 8.0, "cancel": 4.0, "move": 2.0, "slot-list": 8.0, "clinic-week": 1.0, "board": 3.0, "today": 2.0,
    "board-poll": 6.0, "episode": 4.0, "search": 4.0, "providers": 2.0, "member": 8.0,
    "calendar-day": 1.0, "patient": 2.0, "referrals": 1.0, "next-free": 1.0, "registration": 1.0,
}  # fmt: skip
OTHERWISE: dict[str, Any] = {"board": {"requests": opened_boards}}  # than in the table
IDLE = 10.0  # seconds; the server ends a connection that asks nothing for 15, and a browser makes another one then
ASKED_AGAIN = 20  # times the same requests are sent before they are made anew, where that may be
_CONNECTIONS = """
SELECT usename, count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usename LIKE 'care_%' AND backend_type = 'client backend' GROUP BY usename"""
_LAG = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)
FROM outbox WHERE published_at IS NULL"""


@dataclass
class Answers:
    """What the clients were answered since it was last taken."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def take(self) -> tuple[list[float], list[str]]:
        """The seconds of each answer and each failure, both then forgotten."""
        with self.lock:
            taken = self.times, self.failures
            self.times, self.failures = [], []
        return taken


@dataclass(frozen=True)
class Reading:
    """One moment: memory in MB by process, connections by role, events waiting, the oldest one's age, answers."""

    minute: float
    memory: dict[str, float]
    connections: dict[str, int]
    waiting: int
    lag: float
    rate: float
    p50: float
    p99: float


def run_soak(minutes: float, pace: float = 1.0) -> int:
    """Run it at `pace` times PACE, print what grew, keep readings (var/bench/soak.json) and picture.

    Returns 1 where a request failed or memory grew.
    """
    cases = [replace(case, **OTHERWISE.get(case.name, {})) for case in (*CASES, *BESIDES) if case.name in PACE]
    failures: list[str] = []
    try:
        with ExitStack() as stack:
            broker = stack.enter_context(Broker(VAR / "kafka"))
            it = stack.enter_context(laid([], size="small", ways=(APPLICATION,), tenants=len(TENANTS)))
            connection = stack.enter_context(superuser(it.database))
            jobs = stack.enter_context(jobs_process(broker.bootstrap))
            wait_until_sent(connection)  # what the scene left
            about = describe(it.database, "small", 1, [], [])  # now: the tree may be another commit's by the end
            leaders = {"web": it.bench.leaders[APPLICATION], "jobs": jobs}
            with _load(it.bench, cases, pace) as answers:
                readings = _readings(connection, leaders, answers, failures, minutes)
    except BrokerError as missing:
        print(f"NOT MEASURED, there is no Kafka: {missing}")
        return 1
    made: dict[str, Any] = {
        "about": about,
        "pace": pace,
        "readings": [asdict(one) for one in readings],
        "failures": failures,
    }
    (VAR / "soak.json").write_text(json.dumps(made, indent=1))
    PICTURE.write_text(_picture(readings, about))
    print(markdown(made))
    return int(bool(failures) or any(one.grew for one in growths(made["readings"])))


def markdown(made: dict[str, Any]) -> str:
    """What was found, as a section of figures.md without its heading."""
    readings, about = made["readings"], made["about"]
    warm = readings[int(len(readings) * WARM) :]
    third = len(warm) // 3 or 1
    lines = ["| | after warming up | in the last third | highest |", "|---|---|---|---|"]

    def row(name: str, values: Sequence[float], unit: str) -> None:
        first, last = statistics.median(values[:third]), statistics.median(values[-third:])
        lines.append(f"| {name} | {first:.3g} {unit} | {last:.3g} {unit} | {max(values):.3g} {unit} |")

    for process in warm[-1]["memory"]:
        row(f"memory: {process}", [one["memory"].get(process, 0.0) for one in warm], "MB")
    for role in warm[-1]["connections"]:
        row(f"connections: {role}", [one["connections"].get(role, 0) for one in warm], "")
    row("oldest event that waits", [one["lag"] for one in warm], "s")
    row("answers a second", [one["rate"] for one in warm], "")
    row("p50", [one["p50"] for one in warm], "ms")
    row("p99", [one["p99"] for one in warm], "ms")
    sent = sum(one["rate"] for one in readings) * EVERY
    said = (
        f"{about['at']}, commit {about['commit']}: a soak of {readings[-1]['minute']:.0f} minutes, {sent:,.0f}"
        f" requests at {made.get('pace', 1.0):g} of the usual pace, {len(made['failures'])} failed."
        " Medians, but for the highest:"
    )
    failed = [f"- failed, {times} times: {told}" for told, times in _most(made["failures"])]
    return "\n".join([said, "", *lines, "", *failed, verdict(growths(readings))])


def _most(failures: Sequence[str]) -> list[tuple[str, int]]:
    """The three failures that came most often, each in a line, and how often."""
    return Counter(" ".join(one.split())[:100] for one in failures).most_common(3)


@contextmanager
def _load(bench: Bench, cases: Sequence[Case], pace: float) -> Iterator[Answers]:
    """A client for each case, all at work until the end of the block; yields what they are answered."""
    answers, over, refilling = Answers(), threading.Event(), threading.Lock()
    port = bench.servers[APPLICATION].port

    def requests(case: Case) -> Iterator[Request]:
        while True:
            with refilling:
                some = bench.fresh(case)
            yield from some if case.once else some * ASKED_AGAIN

    threads = [
        threading.Thread(target=_client, args=(case, pace, requests(case), port, answers, over), daemon=True)
        for case in cases
    ]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _client(
    case: Case, pace: float, requests: Iterator[Request], port: int, answers: Answers, over: threading.Event
) -> None:
    """Send one kind of request at `pace` times its own until it is over; a failure is kept and the wire made anew."""
    wire: socket.socket | None = None
    due = answered = time.monotonic()
    while not over.is_set():
        order = next(requests).order(case.name)
        due = max(due + 1 / PACE[case.name] / pace, time.monotonic() - 1)  # what was missed for long is not made up for
        if over.wait(max(0.0, due - time.monotonic())):
            break
        began = time.monotonic()
        if wire is not None and began - answered > IDLE:
            wire.close()
            wire = None
        try:
            if wire is None:
                wire = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ask(wire, order.request)
        except (RuntimeError, OSError) as failed:
            if wire is not None:
                wire.close()
            wire = None
            with answers.lock:
                answers.failures.append(f"{case.name}: {failed}")
            continue
        answered = time.monotonic()
        with answers.lock:
            answers.times.append(answered - began)
    if wire is not None:
        wire.close()


def _readings(
    connection: psycopg.Connection[Any], leaders: dict[str, int], answers: Answers, failures: list[str], minutes: float
) -> list[Reading]:
    """Readings until the time is over; failures are added to `failures`."""
    found: list[Reading] = []
    began = last = time.monotonic()
    while last - began < minutes * 60:
        time.sleep(EVERY)
        now = time.monotonic()
        times, failed = answers.take()
        failures += failed
        times.sort()
        waiting = connection.execute(_LAG).fetchone()
        assert waiting is not None
        found.append(
            Reading(
                minute=(now - began) / 60, memory=resident(leaders), waiting=waiting[0], lag=float(waiting[1]),
                connections=dict(connection.execute(_CONNECTIONS).fetchall()), rate=len(times) / (now - last),
                p50=1000 * times[len(times) // 2] if times else 0.0,
                p99=1000 * times[int(len(times) * 0.99)] if times else 0.0,
            )
        )  # fmt: skip
        last = now
        tell(f"soak: {found[-1].minute:.1f} of {minutes:g} minutes, {found[-1].rate:.0f}/s, {len(failures)} failed")
    tell("")
    return found


def _picture(readings: Sequence[Reading], about: dict[str, Any]) -> str:
    def lines(part: str) -> dict[str, list[float | None]]:
        names = sorted({name for one in readings for name in getattr(one, part)})
        return {name: [getattr(one, part).get(name) for one in readings] for name in names}

    panels = [
        plot.Panel("memory of a process, MB", lines("memory")),
        plot.Panel("connections to PostgreSQL", lines("connections")),
        plot.Panel("age of the oldest event that waits, seconds", {"oldest event": [one.lag for one in readings]}),
        plot.Panel("answers a second", {"answers": [one.rate for one in readings]}),
        plot.Panel(
            "time of an answer, ms", {"p50": [one.p50 for one in readings], "p99": [one.p99 for one in readings]}
        ),
    ]
    return plot.picture(f"Soak, commit {about['commit']}", [one.minute for one in readings], panels)
