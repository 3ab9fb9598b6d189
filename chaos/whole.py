"""A whole run: processes, load, faults one after the other, quiet, judgement."""

import os
import random
import secrets
import shutil
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.servers import free_port, migrate, web_command
from careapp.config import new_encryption_key
from chaos.clients import Client, Clinic
from chaos.evidence import consumed, stored, waiting
from chaos.faults import Fault, faketime, held, plan
from chaos.history import DONE, Injected, Intent, Sample, keep
from chaos.judge import Violation, judge
from chaos.postgres import DATABASE, Postgres
from chaos.processes import ROOT, Process, Supervisor
from chaos.proxy import Proxy
from chaos.scene import TENANTS, lay
from tools.kafka.broker import Broker
from tools.kafka.jars import BrokerError

CLIENTS = 6
WARM_UP, BETWEEN = 4.0, 2.0  # seconds of load before the first fault and between two
COMES_BACK = 60.0  # seconds an application may take to serve again after a fault has ended
SENDS_ALL = 240.0  # seconds the relays may take for what has piled up
READY_LIMIT = 30.0
REPEATS = 200  # requests that are sent once more at the end


@dataclass
class Outcome:
    """What a run came to."""

    seed: int
    seconds: float
    history: list[Intent] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    faults: list[Injected] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class Readiness(threading.Thread):
    """Asks /readyz again and again, as a load balancer does."""

    def __init__(self, port: int) -> None:
        super().__init__(name="readiness", daemon=True)
        self.samples: list[Sample] = []
        self._address = f"http://127.0.0.1:{port}/readyz"
        self._over = threading.Event()

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._over.wait(0.25):
            self.samples.append(self.ask())

    def ask(self) -> Sample:
        """Ask once."""
        at, began, status = time.time(), time.monotonic(), 0
        try:
            with urllib.request.urlopen(self._address, timeout=READY_LIMIT) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            with error:
                status = error.code
        except OSError:
            pass
        return Sample(at, status, time.monotonic() - began)

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        self.join()


class Suite:
    """Everything that runs, and what faults may do to it."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.seed, self.directory = seed, directory
        self.dice = random.Random(seed)
        self.held: int | None = None
        self.locking: psycopg.Connection[Any] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "Suite":
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def set_clock(self, seconds: int) -> None:
        """Set the clock of web and of one jobs process off by so many seconds; 0 gives them the machine's again.

        They are started anew for it, and the step comes while they run.
        """
        file = self.directory / "clock"
        file.write_text("+0")
        guard = f"{ROOT / 'chaos' / 'clock'}{os.pathsep}{ROOT}"
        overlay = {
            "LD_PRELOAD": str(faketime()), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": guard,
        }  # fmt: skip
        for process in (self.web, self.jobs[0]):
            process.overlay = overlay if seconds else {}
            process.send(signal.SIGTERM)
        if seconds:
            time.sleep(2.0)
            self._wait(lambda: self.readiness.ask().status == 200, COMES_BACK, "web did not start with another clock")
            file.write_text(f"{seconds:+d}")

    def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.directory / "kafka", ignore_errors=True)  # of the run before
        for log in self.directory.glob("*.log"):
            log.unlink()
        self.postgres = self._stack.enter_context(Postgres(self.directory / "postgres"))
        migrate(self.postgres.addresses.owner)
        self.database = self._stack.enter_context(Proxy(self.postgres.socket))
        self.broker, self.kafka = self._start_kafka()
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.environment = self._settings(key)
        os.environ.update(self.environment)
        self.clinics: list[Clinic] = lay(self.postgres, key)
        self.port, keeper = free_port(), free_port()
        self.providers = self._stack.enter_context(Proxy(("127.0.0.1", keeper)))
        asking = {"PROVIDER_SERVICE_URL": f"http://127.0.0.1:{self.providers.port}"}
        self.keeper = self._process("providers", web_command(), {"PORT": str(keeper), "WEB_WORKERS": "1"})
        self.web = self._process("web", web_command(), {"PORT": str(self.port), "WEB_WORKERS": "2", **asking})
        self.jobs = [self._process(f"jobs-{number}", "flask --app wsgi jobs", {}) for number in (1, 2)]
        processes = [self.keeper, self.web, *self.jobs]
        self.supervisor = Supervisor(processes)
        self._stack.callback(self.supervisor.stop)
        for process in processes:
            process.start()
        self.supervisor.start()
        self.readiness = Readiness(self.port)
        self._wait(lambda: self.readiness.ask().status == 200, COMES_BACK, "web did not start")

    def _start_kafka(self) -> tuple[Any, Any]:
        """The broker, which tells its clients the proxy's address. Without Java: none, said loudly."""
        broker = Broker(self.directory / "kafka")
        proxy = self._stack.enter_context(Proxy(("127.0.0.1", broker.port)))
        broker.advertised_port = proxy.port
        try:
            broker.start()
        except BrokerError as error:
            print(f"NOT TESTED: everything about Kafka. {error}", file=sys.stderr)
            return None, None
        self._stack.callback(broker.stop)
        return broker, proxy

    def _settings(self, key: rsa.RSAPrivateKey) -> dict[str, str]:
        """Settings of a production process whose database and broker stand behind the proxies."""
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        signing = ",".join(f"{tenant}:{tenant}1:{secrets.token_urlsafe(32)}" for tenant in TENANTS)
        through = f"@127.0.0.1:{self.database.port}/{DATABASE}"
        return {
            "CAREAPP_ENV": "production", "CAREAPP_VAR": str(self.directory / "var"), "PYTHONPATH": str(ROOT),
            "SECRET_KEY": secrets.token_urlsafe(48), "ENCRYPTION_KEYS": new_encryption_key("chaos"),
            "TRUSTED_HOSTS": "127.0.0.1", "JWT_PUBLIC_KEY": public, "JWT_SECRET": "", "JWT_JWKS_URL": "",
            "JWT_ISSUER": "careapp", "JWT_AUDIENCE": "careapp", "INTERNAL_KEYS": signing,
            "PROVIDER_SERVICE_KEYS": signing, "PROVIDER_SERVICE_URL": "", "TRUSTED_PROXIES": "0",
            "DATABASE_URL": f"postgresql+psycopg://care_app{through}",
            "DATABASE_RELAY_URL": f"postgresql+psycopg://care_relay{through}",
            "DATABASE_OWNER_URL": self.postgres.addresses.owner, "DATABASE_POOL_SIZE": "4",
            **{f"RATE_LIMIT_{who}": "1000000" for who in ("PERSON", "SERVICE", "ADDRESS")},
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.kafka.port}" if self.kafka else "",
        }  # fmt: skip

    def _process(self, name: str, line: str, environment: dict[str, str]) -> Process:
        """A process of the Procfile."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        given = {**os.environ, **self.environment, "PATH": path, **environment}
        return Process(name, ["sh", "-c", f"exec {line}"], given, self.directory / f"{name}.log")

    def _wait(self, condition: Any, seconds: float, otherwise: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"{otherwise}; the logs are in {self.directory}")
            time.sleep(0.1)


def run(seed: int, seconds: float, faults: list[Fault], directory: Path, *, once: bool = False) -> Outcome:
    """Start everything, disturb it for `seconds` (with `once`, by each fault a single time), and judge."""
    outcome = Outcome(seed, seconds)
    began = time.monotonic()
    with Suite(seed, directory) as suite:
        clients = [
            Client(number, seed, suite.port, suite.clinics[number % len(suite.clinics)]) for number in range(CLIENTS)
        ]
        suite.readiness.start()
        for client in clients:
            client.start()
        time.sleep(WARM_UP)
        disturb(suite, outcome, faults, clients, seconds, once=once)
        finish(suite, clients, outcome)
        outcome.seconds = time.monotonic() - began
    keep(directory / "history.jsonl", outcome.history)
    return outcome


def disturb(
    suite: Suite, outcome: Outcome, faults: list[Fault], clients: list[Client], seconds: float, *, once: bool
) -> None:
    """Inject fault after fault, and see each time how the application comes back."""
    for fault in faults:
        if missing := fault.needs(suite):
            outcome.skipped[fault.name] = missing
            print(f"NOT TESTED: {fault.name}: {missing}", file=sys.stderr)
    possible = [fault for fault in faults if fault.name not in outcome.skipped]
    until = time.monotonic() + seconds
    for number, fault in enumerate(plan(possible, suite.dice)):
        if number >= len(possible) and (once or time.monotonic() > until):
            break
        if not once and number and time.monotonic() > until:
            break
        outcome.faults.append(inject(suite, fault, clients))
        time.sleep(BETWEEN)


def inject(suite: Suite, fault: Fault, clients: list[Client]) -> Injected:
    """One fault, and the recovery from it: ready, and something done that a client wanted."""
    found = Injected(fault.name, time.time(), must_go_red=fault.red, in_order=fault.in_order)
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
    return green.status == 200 and green.at > moment and any(
        one.at > moment and 200 <= one.status < 500 and one.status != 429 for one in recent
    )  # fmt: skip


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
    done = [intent for intent in outcome.history if intent.outcome == DONE and intent.kind != "page"]
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
