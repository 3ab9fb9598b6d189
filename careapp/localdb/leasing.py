"""What callers use: take a lease on the embedded PostgreSQL, or stop it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from careapp.localdb import locks
from careapp.localdb.addresses import Addresses
from careapp.localdb.errors import LocalDatabaseError
from careapp.localdb.place import Place
from careapp.localdb.server import Server

START_SECONDS = 120.0  # a recovery after a power cut takes its time, and so does a busy machine
STOP_SECONDS = 90.0  # more than the guard gives PostgreSQL before it insists
POLL_SECONDS = 0.05
PROGRAM_ROOT = Path(__file__).resolve().parents[2]  # the directory that holds the package `careapp`

_mutex = threading.Lock()
# A child forked while another thread held the mutex could never take it, so a fork waits for it.
os.register_at_fork(before=_mutex.acquire, after_in_parent=_mutex.release, after_in_child=_mutex.release)
# Place -> (process, descriptor of its shared lock). Descriptors are plain numbers and never closed by a finalizer: the
# lease must last to the very end of the process, and the kernel drops it then.
_leases: dict[Place, tuple[int, int]] = {}


def lease(directory: Path) -> Addresses:
    """Start or join the PostgreSQL in `directory` and keep it running for as long as this process lives.

    The first call ever makes the data directory, roles, database and schema. Calling again is cheap, and brings the
    server back if it has been stopped. A forked child shares its parent's lease; it may call to have its own.
    Raises LocalDatabaseError with the end of the server's log when the server does not start.
    """
    place = Place.at(directory)
    with _mutex:
        _make_directory(place)
        _hold(place)
        if not locks.is_held(place.ready_lock):
            _start(place)
    return Addresses.on_socket(place.sockets)


def stop(directory: Path) -> None:
    """Stop the PostgreSQL in `directory` cleanly, whoever uses it; does nothing when it is not running.

    Raises LocalDatabaseError when it is still running after 90 seconds.
    """
    place = Place.at(directory)
    if not place.directory.is_dir():
        return
    with locks.exclusive(place.start_lock):
        if not locks.is_held(place.guard_lock):
            Server(place).stop_orphan()
            return
        place.stop_request.touch()
        if not _wait(lambda: not locks.is_held(place.guard_lock), STOP_SECONDS):
            raise LocalDatabaseError(
                f"The PostgreSQL in {place.directory} has not stopped in {STOP_SECONDS:.0f} s. Its log ends:\n"
                f"{place.log_tail()}"
            )


def _make_directory(place: Place) -> None:
    """Make the place. As root the server runs as another user, who must be able to pass through it, not to list it."""
    try:
        place.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalDatabaseError(f"Cannot make the directory {place.directory} of the database: {error}") from error
    mode = place.directory.stat().st_mode & 0o7777
    if os.geteuid() == 0 and not mode & 0o001:
        place.directory.chmod(mode | 0o001)


def _hold(place: Place) -> None:
    """Take this process's own shared lock. This waits while a guard, that found no user, is stopping the server."""
    process, inherited = _leases.get(place, (None, None))
    if process == os.getpid():
        return
    _leases[place] = (os.getpid(), locks.take(place.lease_lock, shared=True))
    if inherited is not None:
        os.close(inherited)  # the parent has its own descriptor of it and keeps its lease


def _start(place: Place) -> None:
    """Have a guard running and ready; of several processes that come at once, the first does the work."""
    with locks.exclusive(place.start_lock):
        # A guard without a server is one that starts (its starter was killed) or one that stops: either ends soon.
        settled = _wait(lambda: locks.is_held(place.ready_lock) or not locks.is_held(place.guard_lock), START_SECONDS)
        if settled and not locks.is_held(place.ready_lock):
            settled = _run_guard(place)
        if not settled:
            raise LocalDatabaseError(
                f"The PostgreSQL in {place.directory} is still starting after {START_SECONDS:.0f} s. Try again; its log"
                f" {place.log} ends:\n{place.log_tail()}"
            )


def _run_guard(place: Place) -> bool:
    """Start the guard and wait until it is ready; False when that takes too long. A failure is raised with the log."""
    place.stop_request.unlink(missing_ok=True)  # left by a guard that was killed while it was asked to stop
    if place.log.exists():
        place.log.replace(place.log.with_name(place.log.name + ".1"))
    # Closed to others, because it quotes statements.
    descriptor = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        try:
            starter = subprocess.run(
                [sys.executable, "-m", "careapp.localdb.guard", str(place.directory)],
                cwd=PROGRAM_ROOT,  # where `-m` finds this package, whatever the caller's directory is
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the end of a terminal or of a process group does not reach the guard
                timeout=START_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    if starter.returncode != 0:
        raise LocalDatabaseError(
            f"The embedded PostgreSQL in {place.directory} did not start. Its log {place.log} ends:\n\n"
            f"{place.log_tail()}\n\nMend what it names and start again, or set DATABASE_URL to use another PostgreSQL"
            " (15 or newer)."
        )
    return True


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
