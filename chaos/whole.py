"""A whole run: processes, load, faults one after the other, quiet, judgement."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from chaos.clients import Client
from chaos.evidence import consumed, stored, waiting
from chaos.faults import Fault, held, plan
from chaos.history import DONE, Injected, Intent, Sample, Try, keep
from chaos.judge import Violation, judge, shown
from chaos.suite import COMES_BACK, Suite

CLIENTS = 6
WARM_UP, BETWEEN = 4.0, 1.5  # seconds of load before the first fault and between two
SENDS_ALL = 240.0  # seconds the relays may take for what has piled up
REPEATS = 200  # requests that are sent once more at the end
# Refusals by a service that has looked and knows: they prove as much as a success that it is back. A 401 or a 404 for
# somebody and something that were there a moment ago prove nothing.
HEALTHY = frozenset({"SLOT_UNAVAILABLE", "PATIENT_BUSY", "NOTHING_TO_UNDO", "EPISODE_HAS_OPEN_WORK"})


@dataclass
class Outcome:
    """What a run came to. `chosen`: the faults it was to bring about; `kafka`: whether a broker was there."""

    seed: int
    seconds: float
    chosen: list[str] = field(default_factory=list)
    kafka: bool = False
    history: list[Intent] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    faults: list[Injected] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def not_tested(self) -> dict[str, str]:
        """The chosen faults that were not seen through, and why: of a run that was stopped, all it did not come to."""
        seen = {one.name for one in self.faults}
        return {name: self.skipped.get(name, "the run ended before it") for name in self.chosen if name not in seen}


def run(outcome: Outcome, faults: list[Fault], directory: Path, *, once: bool = False) -> None:
    """Start everything, disturb it by each fault, then again until `outcome.seconds` are over, and judge.

    With `once` each fault comes a single time. What came of it enters the outcome as it comes, for who stops the run.
    """
    seconds = outcome.seconds
    began = time.monotonic()
    with Suite(outcome.seed, directory) as suite:
        outcome.kafka = suite.broker is not None
        clients = [
            Client(number, outcome.seed, suite.port, suite.clinics[number % len(suite.clinics)])
            for number in range(CLIENTS)
        ]
        suite.readiness.start()
        for client in clients:
            client.start()
        time.sleep(WARM_UP)
        disturb(suite, outcome, faults, clients, seconds, once=once)
        finish(suite, clients, outcome)
        outcome.seconds = time.monotonic() - began
    keep(directory / "history.jsonl", outcome.history)


def disturb(
    suite: Suite, outcome: Outcome, faults: list[Fault], clients: list[Client], seconds: float, *, once: bool
) -> None:
    """Inject fault after fault, and see each time how the application comes back.

    Each comes once, however long that takes; `seconds` only say until when they come again.
    """
    for fault in faults:
        if missing := fault.needs(suite):
            outcome.skipped[fault.name] = missing
            print(f"NOT TESTED: {fault.name}: {missing}", file=sys.stderr)
    possible = [fault for fault in faults if fault.name not in outcome.skipped]
    until = time.monotonic() + seconds
    for number, fault in enumerate(plan(possible, suite.dice)):
        if number >= len(possible) and (once or time.monotonic() > until):
            break
        outcome.faults.append(inject(suite, fault, clients))
        time.sleep(BETWEEN)


def inject(suite: Suite, fault: Fault, clients: list[Client]) -> Injected:
    """One fault, and the recovery from it: ready, and something done that a client wanted."""
    found = Injected(
        fault.name, time.time(), must_go_red=fault.red, in_order=fault.in_order, told_within=fault.told_within,
        books_within=fault.books_within,
    )  # fmt: skip
    tell(f"{fault.name} …")
    with held(fault, suite, suite.dice.uniform(*fault.hold)):
        pass
    found.ended = time.time()
    deadline = found.ended + COMES_BACK
    while found.recovered_after is None and time.time() < deadline:
        time.sleep(0.1)
        if suite.readiness.samples and served_since(suite, clients, found.ended):
            found.recovered_after = time.time() - found.ended
    span = [one for one in list(suite.readiness.samples) if one.at >= found.began - 0.5]
    found.went_red = any(one.status != 200 for one in span)
    tries = [one for client in clients for intent in list(client.history) for one in list(intent.tries)]
    during = [one for one in tries if one.at + one.seconds >= found.began]
    found.done = sum(200 <= one.status < 400 for one in during)
    found.refused = sum(one.status >= 400 and one.status != 409 for one in during)
    found.unanswered = sum(one.status == 0 for one in during)
    back = f"{found.recovered_after:.1f} s" if found.recovered_after is not None else "never"
    tell(f"{fault.name}: back after {back}\n")
    return found


def served_since(suite: Suite, clients: list[Client], moment: float) -> bool:
    """Whether the last readiness is green and something was done for a client in a try begun after the moment."""
    green = suite.readiness.samples[-1]
    recent = (intent.tries[-1] for client in clients for intent in client.history[-3:] if intent.tries)
    return green.status == 200 and green.at > moment and any(one.at > moment and served(one) for one in recent)


def served(one: Try) -> bool:
    """Whether a try got what it asked for, or a refusal that only a service in good health can give."""
    return 200 <= one.status < 300 or (one.status == 409 and one.code in HEALTHY)


def finish(suite: Suite, clients: list[Client], outcome: Outcome) -> None:
    """Let the clients end, the relays send what waits, ask again under old keys, and judge what is left."""
    tell("clients end …")
    for client in clients:
        client.stop()
    for client in clients:
        client.join()
        if client.failure is not None:
            raise RuntimeError(f"{client.name} broke") from client.failure
    outcome.history = [intent for client in clients for intent in client.history]
    done = [intent for intent in outcome.history if intent.outcome == DONE and intent.kind not in ("page", "look")]
    again = suite.dice.sample(done, min(REPEATS, len(done)))
    repeated = ask_again(suite, again)
    tell("relays send …")
    deadline = time.monotonic() + SENDS_ALL
    while suite.broker and waiting(suite.postgres.superuser) and time.monotonic() < deadline:
        time.sleep(0.5)
    suite.readiness.stop()
    outcome.samples = [*suite.readiness.samples, suite.readiness.ask()]
    evidence = stored(suite.postgres.superuser)
    if suite.broker:
        evidence.messages = consumed(suite.broker.bootstrap)
    outcome.violations = repeated + judge(outcome.history, evidence, outcome.samples, outcome.faults)
    outcome.restarts = {process.name: process.starts - 1 for process in (suite.web, suite.keeper, *suite.jobs)}
    sent = evidence.messages or []
    firsts = {(one.tenant, one.key, one.sequence) for one in sent}
    outcome.counts = {
        "episodes": len(evidence.episodes), "appointments": len(evidence.appointments),
        "changes": len(evidence.changes), "audit rows of changes": len(evidence.audits),
        "reads of patients acknowledged": sum(1 for _ in shown(outcome.history)),
        "audit rows of reads": len(evidence.reads),
        "events": len(evidence.outbox), "messages": len(sent), "repeats": len(sent) - len(firsts),
        "answers asked again": len(again),
    }  # fmt: skip


def ask_again(suite: Suite, done: list[Intent]) -> list[Violation]:
    """Send acknowledged requests once more under their keys: the answer must be the same, and nothing more is made."""
    wrong: list[Violation] = []
    clients = {clinic.key: Client(900 + number, 0, suite.port, clinic) for number, clinic in enumerate(suite.clinics)}
    for intent in done:
        answer = clients[intent.tenant].repeat(intent)
        if answer != intent.answer:
            wrong.append(Violation("equal answers", f"{intent.kind} {intent.number}: {answer} after {intent.answer}"))
    return wrong


def tell(what: str) -> None:
    """Say on the terminal what goes on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)
    elif what.endswith("\n"):
        print(what, end="", file=sys.stderr, flush=True)
