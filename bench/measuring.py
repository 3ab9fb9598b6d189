"""Rounds: the same requests to the application and to each ruler in turn, and what they cost."""

import os
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.cases import Case, Request
from bench.clients import CONNECTIONS, Clients, Task
from bench.servers import Server
from bench.statements import Plan
from bench.usage import Usage, usage

APPLICATION, BARE, PSYCOPG, EMPTY = "application", "bare WSGI", "psycopg", "empty view"
WAYS = (APPLICATION, BARE, PSYCOPG, EMPTY)
EMPTY_SHARE = 0.4  # of a round's time: an empty view needs no more to be known


@dataclass(frozen=True)
class Round:
    """One round of one way: requests per second, each answer's seconds, CPU seconds a request, and the machine's rest.

    `cpu` is that of the web server, or of the clients where there is none; `database_time` is how long statements ran,
    as pg_stat_statements counts it, COMMIT with its wait for the disk among them, `calls` how many there were, and
    `pages` how many pages of tables and indexes they looked at, which no other program of the machine changes;
    `others` is the share of the machine's CPU time that went to processes that are not the benchmark's.
    """

    rate: float
    times: list[float]
    cpu: float
    database_cpu: float
    database_time: float
    calls: float
    pages: float
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
    database_time: float
    calls: float
    pages: float


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
    """What rounds run against; `fresh` makes a case's requests, `settle` brings the planner's statistics to date, and
    `statistics` are milliseconds, number and pages of all statements of the application's role so far."""

    clients: Clients
    servers: dict[str, Server]
    database_url: str
    leaders: dict[str, int]
    fresh: Callable[[Case], list[Request]]
    settle: Callable[[], None]
    statistics: Callable[[], tuple[float, float, float]]
    kept: dict[str, list[Request]] = field(default_factory=dict)

    def round(self, case: Case, plan: Plan, way: str, seconds: float, share: float = 1.0) -> Round:
        """Run one round; `share` is the part of a once-only case's requests that are sent."""
        requests = self._requests(case, way, share)
        orders = [request.order(case.name) for request in requests]
        self.clients.prepare([self._task(case, plan, way, orders, number, seconds) for number in range(CONNECTIONS)])
        before, counted = usage(self.leaders), self.statistics()
        outcomes = self.clients.run()
        used = usage(self.leaders).since(before)
        milliseconds, calls, pages = (now - then for now, then in zip(self.statistics(), counted, strict=True))
        times = [moment for outcome in outcomes for moment in outcome.times]
        lasted = max(outcome.ended for outcome in outcomes) - min(outcome.began for outcome in outcomes)
        cpu = sum(outcome.cpu for outcome in outcomes) if way == PSYCOPG else used.trees[way]
        count = len(times)
        return Round(
            count / lasted, times, cpu / count, used.trees["database"] / count, milliseconds / 1000 / count,
            calls / count, pages / count, _others(used, lasted),
        )  # fmt: skip

    def _requests(self, case: Case, way: str, share: float) -> list[Request]:
        """The requests of one round; an empty view takes the same again and again."""
        if way == EMPTY:
            if case.name not in self.kept:
                self.kept[case.name] = self.fresh(case)
            return self.kept[case.name]
        requests = self.fresh(case)
        return requests[: max(CONNECTIONS, int(len(requests) * share))] if case.once else requests

    def _task(self, case: Case, plan: Plan, way: str, orders: list[Any], number: int, seconds: float) -> Task:
        """A client's part: every eighth order of a once-only case, else all orders from its own place on."""
        once = case.once and way != EMPTY
        mine = orders[number::CONNECTIONS] if once else orders[number:] + orders[:number]
        limit = None if once else seconds * (EMPTY_SHARE if way == EMPTY else 1)
        if way == PSYCOPG:
            return Task(mine, limit, database=self.database_url, plan=plan)
        return Task(mine, limit, port=self.servers[way].port, bare=way == BARE)


@dataclass(frozen=True)
class Length:
    """How long is measured: rounds of each way, seconds of a round, and the part of a once-only case's requests."""

    cycles: int
    seconds: float
    share: float


LONG, QUICK = Length(cycles=3, seconds=0.8, share=0.5), Length(cycles=2, seconds=0.4, share=0.25)
LONG_GROWTH, QUICK_GROWTH = Length(cycles=4, seconds=1.0, share=0.5), Length(cycles=2, seconds=0.5, share=0.25)


def measure(
    bench: Bench, case: Case, plan: Plan, length: Length, tell: Callable[[str], None], ways: tuple[str, ...] = WAYS
) -> dict[str, list[Round]]:
    """Rounds of one case, all ways in each cycle, another way first in each; what warms up is not kept.

    Between the two the tables that are written are analyzed, as autovacuum does within a minute: a plan kept from when
    a table was empty reads all of it.
    """
    rounds: dict[str, list[Round]] = {way: [] for way in ways}
    for way in ways:
        bench.round(case, plan, way, length.seconds / 3, length.share / 2)
    if case.once:
        bench.settle()
    for cycle in range(length.cycles):
        tell(f"{case.name}: round {cycle + 1} of {length.cycles}")
        for way in ways[cycle % len(ways) :] + ways[: cycle % len(ways)]:
            rounds[way].append(bench.round(case, plan, way, length.seconds, length.share))
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
        database_time=1000 * statistics.median(one.database_time for one in rounds),
        calls=statistics.median(one.calls for one in rounds),
        pages=statistics.median(one.pages for one in rounds),
    )


def ratios(rounds: dict[str, list[Round]]) -> dict[str, float]:
    """The application's rate over each ruler's, as the median of the rounds that ran beside each other."""
    mine = [one.rate for one in rounds[APPLICATION]]
    return {
        way: statistics.median(one / other.rate for one, other in zip(mine, others, strict=True))
        for way, others in rounds.items()
        if way != APPLICATION
    }


def _others(used: Usage, lasted: float) -> float:
    ours = used.trees["database"] + used.trees["bench"]
    return max(0.0, used.machine - ours) / (lasted * (os.cpu_count() or 1))
