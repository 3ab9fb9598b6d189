"""The guard: the process that owns one embedded PostgreSQL (`python -m careapp.localdb.guard DIRECTORY`).

It starts the server, sets up the database, and stops the server cleanly once nobody has held a lease for three
seconds, on SIGTERM, or when `stop()` asks. If it is killed, the kernel (on Linux) asks the server to stop in its place,
and elsewhere the next guard ends the server it finds. The command returns when the server is ready; the guard goes on
in the background.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

from careapp.localdb import locks
from careapp.localdb.addresses import DATABASE, Addresses
from careapp.localdb.bootstrap import bootstrap
from careapp.localdb.errors import LocalDatabaseError
from careapp.localdb.place import Place
from careapp.localdb.server import SHUTDOWN_SECONDS, Server

UNUSED_SECONDS = 3.0
TICK_SECONDS = 0.25
OTHER_GUARD_SECONDS = 2.0
READY = b"ready"


class LeaseWatch:
    """Notices when no process has held a lease for three seconds running."""

    def __init__(self, place: Place) -> None:
        """Begin to watch; a lease is looked for at each call of `unused`."""
        self._descriptor = locks.open_lock(place.lease_lock)
        self._free_since: float | None = None

    def unused(self) -> bool:
        """Whether to stop. If so the lock is kept: whoever wants a lease now waits until this guard is gone."""
        if not locks.try_exclusive(self._descriptor):
            self._free_since = None
            return False
        now = time.monotonic()
        self._free_since = self._free_since if self._free_since is not None else now
        if now - self._free_since >= UNUSED_SECONDS:
            return True
        locks.release(self._descriptor)
        return False


class Guard:
    """One run of the guard, from the first lock to the end of the server."""

    def __init__(self, place: Place) -> None:
        """Prepare for SIGTERM; nothing is started."""
        self.place = place
        self.told_to_end = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.told_to_end = True

    def run(self, ready_pipe: int) -> None:
        """Start the server, report on the pipe, watch, and stop the server. Raises LocalDatabaseError."""
        self._claim()
        server = Server(self.place)
        process = None
        try:
            not_ours = server.stop_orphan()
            server.prepare()
            process = server.start(not_ours=not_ours)
            bootstrap(Addresses.on_socket(self.place.sockets).superuser, database=DATABASE)
            ready = locks.take(self.place.ready_lock)
            os.write(ready_pipe, READY)
            os.close(ready_pipe)
            self._watch(process)
            os.close(ready)  # from here on a newcomer waits for the next guard
        finally:
            if process is not None:
                _shut_down(process)
            self.place.stop_request.unlink(missing_ok=True)

    def _claim(self) -> None:
        """Take the guard's lock for the life of this process; others hold it for an instant only, to look."""
        descriptor = locks.open_lock(self.place.guard_lock)
        deadline = time.monotonic() + OTHER_GUARD_SECONDS
        while not locks.try_exclusive(descriptor):
            if time.monotonic() > deadline:
                raise LocalDatabaseError(f"Another guard has the PostgreSQL in {self.place.directory}.")
            time.sleep(TICK_SECONDS)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        leases = LeaseWatch(self.place)
        while process.poll() is None:
            if self.told_to_end or self.place.stop_request.exists() or leases.unused():
                return
            time.sleep(TICK_SECONDS)
        print(f"PostgreSQL ended by itself with status {process.returncode}.", file=sys.stderr)


def _shut_down(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown (SIGINT: open transactions roll back), and the immediate one if that takes longer than a minute."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def _guard(place: Place, ready_pipe: int) -> NoReturn:
    """The background process: every failure ends in the log, which the caller's error quotes."""
    try:
        Guard(place).run(ready_pipe)
    except LocalDatabaseError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def main() -> int:
    """Put the guard in the background, where no caller has to collect it; 0 when the server is ready, else 1."""
    parser = argparse.ArgumentParser(prog="python -m careapp.localdb.guard", description=__doc__)
    parser.add_argument("directory", type=Path)
    place = Place.at(parser.parse_args().directory)
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]  # libpq must read the address only
    report, ready_pipe = os.pipe()
    if os.fork() == 0:
        os.close(report)
        _guard(place, ready_pipe)
    os.close(ready_pipe)
    with os.fdopen(report, "rb") as answer:
        return 0 if answer.read() == READY else 1


if __name__ == "__main__":
    sys.exit(main())
