"""What runs: the application's processes behind their proxies, PostgreSQL, Kafka, and who asks whether it is ready."""

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
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.servers import migrate, web_command
from careapp.config import new_encryption_key
from chaos.clients import Clinic
from chaos.faults import faketime
from chaos.history import Sample
from chaos.postgres import DATABASE, Postgres
from chaos.processes import ROOT, Process, Supervisor
from chaos.proxy import Proxy
from chaos.scene import TENANTS, lay
from tools.kafka.broker import Broker
from tools.kafka.jars import BrokerError, class_path, program
from tools.ports import free_port

COMES_BACK = 120.0  # seconds to serve again after a fault; a start takes 5 s of two cores, which others may use too
READY_LIMIT = 30.0


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
    """Everything that runs, and what faults may do to it. A fault that needs `broker` and `kafka` says so."""

    postgres: Postgres
    database: Proxy
    broker: Any
    kafka: Any
    providers: Proxy
    keeper: Process
    web: Process

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
            starts = process.starts
            process.overlay = overlay if seconds else {}
            process.send(signal.SIGTERM)
            self._wait(lambda one=process, before=starts: one.starts > before, COMES_BACK, "no end and no start")
        self._wait(lambda: self.readiness.ask().status == 200, COMES_BACK, "web did not start with another clock")
        if seconds:
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
        """The broker, which tells its clients the proxy's address. Without Java or Maven: none, said loudly."""
        try:
            program("java", "Java 17")
            class_path()
        except BrokerError as error:
            print(f"NOT TESTED: everything about Kafka. {error}", file=sys.stderr)
            return None, None
        broker = Broker(self.directory / "kafka")
        proxy = self._stack.enter_context(Proxy(("127.0.0.1", broker.port)))
        broker.advertised_port = proxy.port
        broker.start()
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
