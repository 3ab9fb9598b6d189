"""One Apache Kafka broker (KRaft, single node) as a child process: start, stop, kill, freeze, restart.

As a script, `python tools/kafka/broker.py` does what `make kafka` does; see command_line.py.
"""

import fcntl
import os
import runpy
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # a script finds only its own directory
    sys.path.insert(0, str(ROOT))

from tools.kafka.jars import BrokerError, class_path, program  # noqa: E402
from tools.kafka.secure import Listeners  # noqa: E402
from tools.ports import free_port, port_taken  # noqa: E402

CLAIM_SECONDS = 3
START_SECONDS = 60
STOP_SECONDS = 30
JAVA_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts sooner; peak speed does not matter here
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
)
# The system kills a tied child when the *thread* that started it ends, so every broker is started by this one, which
# lasts as long as the process. Then a test may restart a broker from a thread of its own.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka-starter")


class Broker:
    """A broker with its settings, data and log in one directory; as a context manager it starts and stops itself.

    Without a port it chooses a free one and keeps it over a restart. `secure` adds listeners with TLS. `start` and
    `restart` raise BrokerError, with the end of the log, when the broker does not come up.
    """

    def __init__(self, directory: Path, port: int | None = None, *, secure: Listeners | None = None) -> None:
        self.directory = directory
        self.port = port if port is not None else free_port()
        self.advertised_port: int | None = None  # where clients are sent instead: to a proxy before it
        self.log = directory / "broker.log"
        self._controller_port = free_port(besides=self.port)
        self._secure = secure
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False

    @property
    def bootstrap(self) -> str:
        """The address for clients: host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process exists (a frozen one does)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the broker on its data and return when it answers a client."""
        if self.running:
            raise BrokerError(f"The broker on {self.bootstrap} runs already.")
        if port_taken(self.port):
            raise BrokerError(f"Port {self.port} is taken by another program.")
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock, self.log.open("ab") as log:
            self._claim(lock)
            self._launch(self._prepare(), lock, log)
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop it in order, as its operator would; by force if that takes too long. Nothing if it does not run."""
        if self._process is None:
            return
        self.thaw()
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it at once by SIGKILL, as a crash would. Nothing if it does not run."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None
        self._frozen = False

    def restart(self) -> None:
        """Stop it in order if it runs, then start it again on the same ports and data."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Halt the process (SIGSTOP): connections stay open and nothing answers, as on a machine that hangs.

        Returns when every thread stands still: the signal alone leaves those that run a moment to answer.
        """
        self._signal(signal.SIGSTOP)
        self._frozen = True
        if self._process is not None and self._process.poll() is None:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let a frozen broker go on (SIGCONT). Nothing if it is not frozen."""
        if self._frozen:
            self._signal(signal.SIGCONT)
            self._frozen = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the broker's log, without the steps of Java's stack traces."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join([line for line in text.splitlines() if not line.startswith("\t")][-lines:])

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _claim(self, lock: IO[str]) -> None:
        """Refuse to start on data that another broker uses: Kafka's own check comes too late, and ends the other one.

        The broker of a process that was killed just now gets a moment to go.
        """
        deadline = time.monotonic() + CLAIM_SECONDS
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise BrokerError(f"Another broker is running on the data in {self.directory}. Stop it first.")
            time.sleep(0.1)

    def _prepare(self) -> Path:
        """Write the settings, and give an empty data directory the identity of a new cluster of one node."""
        data, settings = self.directory / "topics", self.directory / "server.properties"
        settings.write_text(_settings(data, self.port, self._controller_port, self.advertised_port, self._secure))
        if not (data / "meta.properties").exists():
            identity = _run_tool("random-uuid")
            accounts = self._secure.format_options() if self._secure else []
            _run_tool("format", "--standalone", "--cluster-id", identity, "--config", str(settings), *accounts)
        return settings

    def _launch(self, settings: Path, lock: IO[str], log: IO[bytes]) -> None:
        tied = [sys.executable, str(Path(__file__).with_name("tied.py")), str(os.getpid())]
        self._process = _starter.submit(
            subprocess.Popen[bytes],
            [*tied, *_java("kafka.Kafka"), str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno()],  # the lock is the broker's and ends with it
            process_group=0,  # Ctrl-C in the terminal is for us; we then stop the broker in order
        ).result()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (remaining := deadline - time.monotonic()) > 0:
            if not self.running:
                raise BrokerError(self._failure("ended while starting"))
            if port_taken(self.port) and _answers(self.bootstrap, remaining):
                return
            time.sleep(0.05)
        raise BrokerError(self._failure(f"did not answer within {START_SECONDS} s"))

    def _failure(self, what: str) -> str:
        tail = self.log_tail()
        hint = " Java 17 or later is needed." if "UnsupportedClassVersionError" in tail else ""
        return f"The Kafka broker on {self.bootstrap} {what}.{hint} The end of {self.log}:\n{tail}"


def _locked(lock: IO[str]) -> bool:
    """Whether the lock file is now ours."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answers(address: str, seconds: float) -> bool:
    """Whether the broker at the address answers a client in time."""
    try:
        admin = KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=int(seconds * 1000))
    except KafkaError:
        return False
    admin.close()
    return True


def _java(main_class: str) -> list[str]:
    java = program("java", "a Java runtime, 17 or later (Debian and Ubuntu: apt install default-jre-headless)")
    return [java, *JAVA_OPTIONS, "-cp", class_path(), main_class]


def _run_tool(*arguments: str) -> str:
    """Run Kafka's storage tool and return what it prints."""
    outcome = subprocess.run(
        [*_java("kafka.tools.StorageTool"), *arguments], capture_output=True, text=True, check=False
    )
    if outcome.returncode != 0:
        raise BrokerError(f"Kafka could not prepare its data directory:\n{outcome.stdout}{outcome.stderr}")
    return outcome.stdout.strip()


def _settings(
    data: Path, port: int, controller_port: int, advertised_port: int | None = None, secure: Listeners | None = None
) -> str:
    """server.properties of a single node; everything not named here stands as Kafka ships it."""
    more = f",{secure.addresses()}" if secure else ""
    lines = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{more}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{advertised_port or port}{more}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
        "log.dirs": data,
        # After a crash the controller refuses the new process until the old one's session (9 s as shipped) has run out.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,  # 50 as shipped; with one, the first consumer group starts sooner
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        **(secure.settings() if secure else {}),
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())


if __name__ == "__main__":
    runpy.run_module("tools.kafka.command_line", run_name="__main__", alter_sys=True)
