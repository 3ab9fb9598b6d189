"""The application's processes as the Procfile starts them, and a supervisor that starts anew what has ended."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 40.0
LOOK_SECONDS = 0.2


class Process:
    """A command that leads a process group of its own; its log is kept over restarts."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.starts = 0
        self.overlay: dict[str, str] = {}  # more of the environment, from the next start on
        self._command, self._environment, self._log = command, environment, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The leader's number."""
        assert self._process is not None, "it has been started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the leader runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status of the leader, None while it runs."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it; what a leader that was killed has left behind goes first, as a container's end would take it."""
        self._end_group(signal.SIGKILL)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={**self._environment, **self.overlay},
                start_new_session=True,
                stdout=log,
                stderr=log,
            )
        self.starts += 1

    def send(self, number: signal.Signals) -> None:
        """Send the leader a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stop(self) -> None:
        """End it by request, then by force, with all it started."""
        if self.alive:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)  # type: ignore[union-attr]
        self._end_group(signal.SIGKILL)

    def children(self) -> list[int]:
        """The processes the leader started that do its work; Python's own helper for semaphores is none of them."""
        try:
            listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            more = [path.read_text().split() for path in Path(f"/proc/{self.pid}/task").glob("*/children")]
        except FileNotFoundError:
            return []
        found = {int(one) for one in [*listed, *(child for children in more for child in children)]}
        return sorted(pid for pid in found if b"resource_tracker" not in command_of(pid))

    def _end_group(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)


def command_of(pid: int) -> bytes:
    """A process's command line; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


class Supervisor(threading.Thread):
    """Starts anew what has ended, as compose and Kubernetes would, until it is told to stop."""

    def __init__(self, processes: Iterable[Process]) -> None:
        super().__init__(name="supervisor", daemon=True)
        self.ended: list[tuple[float, str, int]] = []
        self._processes = list(processes)
        self._over = threading.Event()

    def run(self) -> None:
        """Look, and start what does not run."""
        while not self._over.wait(LOOK_SECONDS):
            for process in self._processes:
                if not process.alive:
                    self.ended.append((time.time(), process.name, process.status or 0))
                    process.start()

    def stop(self) -> None:
        """Start nothing anew from now on, and end everything."""
        self._over.set()
        self.join()
        for process in self._processes:
            process.stop()
