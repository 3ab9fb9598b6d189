"""What the tests of the launcher share: another process with a lease, and ways to wait and to clear up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from careapp.localdb import stop
from careapp.localdb.place import Place

PROJECT = Path(__file__).resolve().parents[2]
HOLDER = Path(__file__).with_name("lease_holder.py")
PATIENCE_SECONDS = 60


class Holder:
    """Another process with a lease."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HOLDER), str(directory), *arguments],
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """The next line it prints; it prints its address when it has the lease."""
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        """End it as a crash would, without any clean-up of its own."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until it is true; fail naming what never came."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.1)


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def discard(directory: Path) -> None:
    """Stop the server of a directory and remove all its files."""
    stop(directory)
    sockets = Place.at(directory).sockets
    shutil.rmtree(directory)
    if sockets.exists():
        shutil.rmtree(sockets)
