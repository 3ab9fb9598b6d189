"""Events on their way to Kafka: the relay beside a bare producer, and how long an event waits while bookings come.

It needs the broker of tools/kafka, so Java and Maven; without them it says NOT MEASURED.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from kafka import KafkaConsumer

from bench import relay
from bench.cases import CASES
from bench.databases import working_copy
from bench.measuring import APPLICATION, Length, measure
from bench.servers import ROOT, VAR, Database, end_group
from bench.whole import TENANTS, describe, laid, result, tell
from careapp.outbox import topics
from tools.kafka.broker import Broker
from tools.kafka.jars import BrokerError

BOOKING = tuple(case for case in CASES if case.name == "booking")
LENGTH = Length(cycles=5, seconds=1.0, share=0.5)
PATIENCE = 300  # seconds for what waits to leave
ROUNDS = 3


def run_relay(events: int | None) -> None:
    """Measure both, print them and keep them in var/bench/relay.json."""
    try:
        with Broker(VAR / "kafka") as broker:
            made = {**_under_load(broker.bootstrap), "relay": _beside_a_producer(broker.bootstrap, events)}
    except BrokerError as missing:
        print(f"NOT MEASURED, there is no Kafka: {missing}")
        return
    (VAR / "relay.json").write_text(json.dumps(made, indent=1))
    print(markdown(made))


def markdown(made: dict[str, Any]) -> str:
    """What was found, as a section of figures.md without its heading."""
    lag, lines = made["lag"], []
    lines.append(
        f"{made['about']['at']}, commit {made['about']['commit']}. While {lag['rate']:,.0f} bookings a second came by"
        f" HTTP, {lag['events']:,} events reached Kafka; from the act to the producer it took {lag['p50']:,.0f} ms"
        f" (p50), {lag['p99']:,.0f} ms (p99), at most {lag['longest']:,.0f} ms."
    )
    for client, one in made["relay"].items():
        known = "relay_database" in one  # a run of before did not keep it
        sessions = f", and {one['relay_database']:.0f} in its database sessions" if known else ""
        lines.append(
            f"{client}: alone {one['alone']:,.0f} events/s ({one['alone_cpu']:.0f} us CPU each), through the relay"
            f" {one['relay']:,.0f} ({one['relay_cpu']:.0f} us{sessions}), {one['ratio']:.2f} of it."
        )
    return "\n\n".join(lines)


def _beside_a_producer(servers: str, events: int | None) -> dict[str, Any]:
    """The relay and a bare producer of the same client, on the same bytes; medians of rounds that take turns."""
    found: dict[str, Any] = {}
    with working_copy("small") as database, superuser(database) as connection:
        row = connection.execute("SELECT id FROM tenants WHERE key = %s", [TENANTS[0]]).fetchone()
        assert row is not None
        for client, usual in relay.CLIENTS.items():
            rounds = []
            for number in range(ROUNDS):
                tell(f"relay, {client}: round {number + 1} of {ROUNDS}")
                rounds.append(relay.one_round(database, connection, row[0], client, servers, events or usual))
            alone, through = ([one[part] for one in rounds] for part in (0, 1))
            found[client] = {
                "alone": statistics.median(one.rate for one in alone),
                "alone_cpu": statistics.median(one.cpu / one.events * 1e6 for one in alone),
                "relay": statistics.median(one.rate for one in through),
                "relay_cpu": statistics.median(one.cpu / one.events * 1e6 for one in through),
                "relay_database": statistics.median(one.database / one.events * 1e6 for one in through),
                "ratio": statistics.median(b.rate / a.rate for a, b in rounds),
            }
    return found


def _under_load(servers: str) -> dict[str, Any]:
    """Web server and jobs process as the Procfile says, bookings by HTTP, and the events as Kafka has them."""
    with laid(BOOKING, size="small", ways=(APPLICATION,)) as it, superuser(it.database) as connection:
        with jobs_process(servers):
            wait_until_sent(connection)  # what the scene left, and the topics
            since = _now(connection)
            case = BOOKING[0]
            rounds = measure(it.bench, case, it.found[case.name][1], LENGTH, tell, (APPLICATION,))
            wait_until_sent(connection)
        tell("")
        one = result(case, it.found[case.name][0], rounds)
        about = describe(it.database, "small", LENGTH.cycles, [one], rounds[APPLICATION])
    waits = sorted(_waits(servers, since))
    lag = {
        "events": len(waits), "rate": one.figures[APPLICATION].rate, "p50": waits[len(waits) // 2],
        "p99": waits[int(len(waits) * 0.99)], "longest": waits[-1],
    }  # fmt: skip
    return {"about": about, "lag": lag}


@contextmanager
def jobs_process(servers: str) -> Iterator[int]:
    """The jobs process of the Procfile, told of the broker; yields the number of the process that leads it."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    line = next(one.removeprefix("jobs:").strip() for one in lines if one.startswith("jobs:"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (VAR / "jobs.log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", line], cwd=ROOT, start_new_session=True, stdout=log, stderr=log,
            env={**os.environ, "PATH": path, "KAFKA_BOOTSTRAP_SERVERS": servers},
        )  # fmt: skip
        try:
            yield process.pid
        finally:
            end_group(process)


def superuser(database: Database) -> psycopg.Connection[Any]:
    """A connection past row-level security, which reads what a benchmark wants to know."""
    options = "-c search_path=care,public -c timezone=UTC"
    return psycopg.connect(database.superuser, autocommit=True, options=options)


def _now(connection: psycopg.Connection[Any]) -> datetime:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def wait_until_sent(connection: psycopg.Connection[Any]) -> None:
    """Return when nothing waits in the outbox; raises RuntimeError when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        row = connection.execute("SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)").fetchone()
        if row == (False,):
            return
        time.sleep(0.2)
    raise RuntimeError(f"the outbox was not emptied:\n{(VAR / 'jobs.log').read_text(errors='replace')[-2000:]}")


def _waits(servers: str, since: datetime) -> Iterator[float]:
    """For each event since then: milliseconds from its own time to when the producer took it."""
    consumer = KafkaConsumer(
        topics.APPOINTMENT_BOOKED, bootstrap_servers=servers, auto_offset_reset="earliest", group_id=None,
        consumer_timeout_ms=5_000,
    )  # fmt: skip
    try:
        for record in consumer:
            moment = datetime.fromisoformat(json.loads(record.value)["time"])
            if moment >= since:
                yield record.timestamp - moment.timestamp() * 1000
    finally:
        consumer.close()
