"""Rounds: the same requests to the application, to the bare function and to psycopg in turn, and what they cost."""

import os
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.cases import Case, Request
from bench.clients import CONNECTIONS, Clients, Task
from bench.servers import Server
from bench.statements import Plan
from bench.usage import Usage, usage

APPLICATION, BARE, PSYCOPG = "application", "bare WSGI", "psycopg"
WAYS = (APPLICATION, BARE, PSYCOPG)


@dataclass(frozen=True)
class Round:
    """One round of one way: requests per second, each answer's seconds, CPU seconds a request, and the machine's rest.

    `cpu` is that of the web server, or of the clients where there is none; `others` is the share of the machine's CPU
    time that went to processes that are not the benchmark's.
    """

    rate: float
    times: list[float]
    cpu: float
    database_cpu: float
    others: float


@dataclass(frozen=True)
class Figures:
    """All rounds of one way together: medians; `spread` is (highest - lowest) / median of the rates. Times in ms."""

    rate: float
    spread: float
    p50: float
    p99: float
    cpu: float
    database_cpu: float


@dataclass(frozen=True)
class Result:
    """One case: its statements, its figures by way, and how the application's rate compares to each ruler's."""

    name: str
    title: str
    statements: int
    authentication_statements: int
    figures: dict[str, Figures]
    ratios: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Bench:
    """What rounds run against; `fresh` makes a case's requests, `settle` brings the database's statistics to date."""

    clients: Clients
    servers: dict[str, Server]
    database_url: str
    leaders: dict[str, int]
    fresh: Callable[[Case], list[Request]]
    settle: Callable[[], None]

    def round(self, case: Case, plan: Plan, way: str, seconds: float, share: float = 1.0) -> Round:
        """Run one round; `share` is the part of a once-only case's requests that are sent."""
        requests = self.fresh(case)
        requests = requests[: max(CONNECTIONS, int(len(requests) * share))] if case.once else requests
        orders = [request.order(case.name) for request in requests]
        self.clients.prepare([self._task(case, plan, way, orders, number, seconds) for number in range(CONNECTIONS)])
        before = usage(self.leaders)
        outcomes = self.clients.run()
        used = usage(self.leaders).since(before)
        times = [moment for outcome in outcomes for moment in outcome.times]
        lasted = max(outcome.ended for outcome in outcomes) - min(outcome.began for outcome in outcomes)
        cpu = sum(outcome.cpu for outcome in outcomes) if way == PSYCOPG else used.trees[way]
        database_cpu = used.trees["database"] / len(times)
        return Round(len(times) / lasted, times, cpu / len(times), database_cpu, _others(used, lasted))

    def _task(self, case: Case, plan: Plan, way: str, orders: list[Any], number: int, seconds: float) -> Task:
        """A client's part: every eighth order of a once-only case, else all orders from its own place on."""
        mine = orders[number::CONNECTIONS] if case.once else orders[number:] + orders[:number]
        limit = None if case.once else seconds
        if way == PSYCOPG:
            return Task(mine, limit, database=self.database_url, plan=plan)
        return Task(mine, limit, port=self.servers[way].port, bare=way == BARE)


def measure(
    bench: Bench, case: Case, plan: Plan, *, cycles: int, seconds: float, share: float, tell: Callable[[str], None]
) -> dict[str, list[Round]]:
    """Rounds of one case, all ways in each cycle, another way first in each; what warms up is not kept.

    Between the two the tables are analyzed, as autovacuum does within a minute: a plan kept from when a table was empty
    reads all of it.
    """
    rounds: dict[str, list[Round]] = {way: [] for way in WAYS}
    for way in WAYS:
        bench.round(case, plan, way, seconds / 3, share / 2)
    bench.settle()
    for cycle in range(cycles):
        tell(f"{case.name}: round {cycle + 1} of {cycles}")
        for way in WAYS[cycle % len(WAYS) :] + WAYS[: cycle % len(WAYS)]:
            rounds[way].append(bench.round(case, plan, way, seconds, share))
    return rounds


def figures(rounds: list[Round]) -> Figures:
    """Medians over rounds; the percentiles are those of all answers together."""
    rates = [one.rate for one in rounds]
    times = sorted(moment for one in rounds for moment in one.times)
    return Figures(
        rate=statistics.median(rates),
        spread=(max(rates) - min(rates)) / statistics.median(rates),
        p50=1000 * times[len(times) // 2],
        p99=1000 * times[int(len(times) * 0.99)],
        cpu=1000 * statistics.median(one.cpu for one in rounds),
        database_cpu=1000 * statistics.median(one.database_cpu for one in rounds),
    )


def ratios(rounds: dict[str, list[Round]]) -> dict[str, float]:
    """The application's rate over each ruler's, as the median of the rounds that ran beside each other."""
    mine = [one.rate for one in rounds[APPLICATION]]
    return {
        way: statistics.median(one / other.rate for one, other in zip(mine, rounds[way], strict=True))
        for way in (BARE, PSYCOPG)
    }


def _others(used: Usage, lasted: float) -> float:
    ours = used.trees["database"] + used.trees["bench"]
    return max(0.0, used.machine - ours) / (lasted * (os.cpu_count() or 1))
