"""Workers of one web server: they add their figures up in files, and look after each other.

Each worker holds a numbered place in a directory of its server by a lock of the kernel, which ends with the worker; the
next one takes the place and goes on counting in its files, so there are never more files than workers. The directory
is made by the first worker and removed by a later server. One worker at a time listens for who asks for the figures.

A worker that stands still keeps the connections the kernel has given it, and nobody else can answer those: one that
does not show itself for one and a half seconds and uses no processor time, though nothing keeps it from it, is ended,
and the server starts another.
"""

import contextlib
import mmap
import os
import shutil
import signal
import stat
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from careapp.config import Settings
from careapp.localdb.locks import exclusive, is_held, open_lock, try_exclusive

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
LOOK_SECONDS = 0.25
STILL_SECONDS = 1.5  # without a sign and without processor time: stopped, or waiting for what never comes
BUSY_SECONDS = 15.0  # without a sign, though it computes
AGAIN_SECONDS = 10.0  # until a port that was taken is tried again
MOST_WORKERS = 1024
_SHOWN = struct.Struct("qqq")  # process, thread that looks, times it has looked; noughts before it serves

_log = structlog.get_logger()


class Worker:
    """This process as one of the workers of a server; `number` is its place among them."""

    def __init__(self, place: Path, number: int, lock: int) -> None:
        self.place, self.number = place, number
        self._lock = lock
        self._listener: int | None = None
        os.ftruncate(lock, _SHOWN.size)
        self._shown = mmap.mmap(lock, _SHOWN.size)
        self._looks = 0
        self._others: dict[int, tuple[bytes, int, int, float]] = {}
        self._shown[:] = _SHOWN.pack(0, 0, 0)  # starting may take a while

    def show(self) -> None:
        """Tell the others that this thread lives, and its process with it."""
        self._looks += 1
        self._shown[:] = _SHOWN.pack(os.getpid(), threading.get_native_id(), self._looks)

    def listens(self) -> bool:
        """Whether this worker is the one that answers who asks for the figures; it stays so until it ends."""
        if self._listener is None:
            lock = open_lock(self.place / "listener.lock")
            if not try_exclusive(lock):
                os.close(lock)
                return False
            self._listener = lock
        return True

    def end_those_that_stand_still(self) -> int:
        """Look at the other workers, and end each that has not shown itself for too long; how many that were.

        Time counts only in looks of this process's own, so one that was halted itself, or a machine that slept, ends
        nobody.
        """
        ended = 0
        for path in self.place.glob("worker-*.lock"):
            number = int(path.stem.removeprefix("worker-"))
            if number != self.number and is_held(path):
                ended += self._look_at(number, path.read_bytes())
            else:
                self._others.pop(number, None)
        return ended

    def forget_ended(self) -> None:
        """Remove the figures of the moment that workers which have ended left behind; what they counted stays."""
        for path in self.place.glob("gauge_live*.db"):
            number = path.stem.rpartition("_")[2]
            lock = open_lock(self.place / f"worker-{number}.lock")
            try:
                if int(number) != self.number and try_exclusive(lock):
                    path.unlink(missing_ok=True)
            finally:
                os.close(lock)

    def _look_at(self, number: int, shown: bytes) -> int:
        """Kept of each: what it showed, looks since then and since it last used the processor, and how much it had."""
        seen, silent, idle, used = self._others.get(number, (b"", 0, 0, 0.0))
        pid, thread, _ = _SHOWN.unpack(shown) if len(shown) == _SHOWN.size else (0, 0, 0)
        now = _processor_time(pid, thread)
        if shown != seen or now is None:
            self._others[number] = (shown, 0, 0, now or 0.0)
            return 0
        silent, idle = silent + 1, idle + 1 if now == used else 0
        self._others[number] = (seen, silent, idle, now)
        if silent * LOOK_SECONDS < BUSY_SECONDS and idle * LOOK_SECONDS < STILL_SECONDS:
            return 0
        _log.error("a worker stands still and is ended", n=number, seconds=silent * LOOK_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._others.pop(number)
        return 1


def join(settings: Settings) -> Worker | None:
    """Take a place among the workers of this server, before anything is counted.

    In memory where the system has files there: a request that counts never waits for a disk, and is not ended by a full
    one, as who writes to a mapped file there would be. None where no directory can be written; each worker then counts
    for itself, and nobody is told. Raises RuntimeError where something was counted already.
    """
    if "careapp.telemetry.metrics" in sys.modules:
        raise RuntimeError("join the workers before the first import of the metrics")
    for parent in (Path("/dev/shm"), settings.var_dir, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            worker = _take_place(parent / f"careapp-metrics-{os.getuid()}")
            _count_in(worker)
            return worker
    _log.warning("no directory for figures can be written: each worker counts for itself")
    return None


def begin(worker: Worker, each_look: Callable[[], None], listen: Callable[[], object] | None) -> None:
    """Look after the others from now on, in a thread; `listen` is called when it is this worker's turn to."""

    def watch() -> None:
        wanted, not_before = listen, 0.0
        while True:
            time.sleep(LOOK_SECONDS)
            worker.show()
            try:
                each_look()
                if wanted and time.monotonic() >= not_before and worker.listens():
                    not_before = time.monotonic() + AGAIN_SECONDS
                    wanted()
                    wanted = None
            except Exception as error:  # whatever goes wrong with figures, the worker goes on showing itself
                _log.error("figures not taken", exc_info=error)

    threading.Thread(target=watch, name="telemetry", daemon=True).start()


def _take_place(root: Path) -> Worker:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = root.lstat()  # a link, where anybody may make one, would lead what is removed below astray (CWE-59)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{root} is no directory of our own")
    place = root / f"{os.getppid()}-{_started(os.getppid())}"
    with exclusive(root / "lock"):
        for other in root.iterdir():
            if other.is_dir() and other != place and not any(map(is_held, other.glob("worker-*.lock"))):
                shutil.rmtree(other)
        place.mkdir(mode=0o700, exist_ok=True)
        for number in range(MOST_WORKERS):
            lock = open_lock(place / f"worker-{number}.lock")
            if try_exclusive(lock):
                return Worker(place, number, lock)
            os.close(lock)
    raise OSError("no place is free")


def _count_in(worker: Worker) -> None:
    """Let prometheus-client keep its values in files; it looks at both of these when a value is made."""
    from prometheus_client import values

    os.environ[VARIABLE] = str(worker.place)
    values.ValueClass = values.MultiProcessValue(lambda: worker.number)  # type: ignore[no-untyped-call]


def _stat(pid: int, thread: int | None = None) -> list[str]:
    """The fields of a process, or of one thread of it, from its state on (proc(5)); empty where there is none."""
    try:
        within = Path(f"/proc/{pid}") if thread is None else Path(f"/proc/{pid}/task/{thread}")
        return (within / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _started(pid: int) -> str:
    """When a process started, in ticks since the system did: with its number, a name no other process has."""
    return (_stat(pid) or ["0"] * 20)[19]


def _processor_time(pid: int, thread: int) -> float | None:
    """What a worker of this same server has used of the processor.

    None where it is no such worker, whatever its number, where a debugger has it, and where its thread that looks could
    run, but is not let: the processor is busy then, and the worker not at fault.
    """
    process, looking = _stat(pid), _stat(pid, thread)
    if not process or not looking or int(process[1]) != os.getppid() or process[0] == "t" or looking[0] == "R":
        return None
    return float(process[11]) + float(process[12])
