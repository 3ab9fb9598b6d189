"""Watchdog: ends the process when a job of it hangs, because a hung thread can neither be stopped nor replaced."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

LOOK_SECONDS = 1.0

_log = structlog.get_logger()


class Watchdog:
    """Ends the process with status 1 when a job runs longer than it ever should; a supervisor starts it anew.

    `silence` is how many seconds may pass without any run having ended: a job that is never started again would hang
    nothing and be noticed by nobody. It measures on the monotonic clock, so that a corrected system clock neither
    wakes nor blinds it.
    """

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._last_end = time.monotonic()
        self._running: dict[str, tuple[float, float]] = {}
        self._mutex = threading.Lock()
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        self._last_end = time.monotonic()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextmanager
    def running(self, name: str, longest: float) -> Iterator[None]:
        """Around one run of a job, which must end within `longest` seconds, well or by an error."""
        now = time.monotonic()
        with self._mutex:
            self._running[name] = (now, now + longest)
        try:
            yield
        finally:
            with self._mutex:
                del self._running[name]
            self._last_end = time.monotonic()

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()

    def state(self) -> dict[str, float]:
        """How many seconds each job that runs has been running, and the time since a run of any job ended."""
        now = time.monotonic()
        with self._mutex:
            running = {name: round(now - since, 1) for name, (since, _) in self._running.items()}
        return {**running, "sinceLastEnd": round(now - self._last_end, 1)}

    def hanging(self) -> str | None:
        """The name of a job that hangs, or None."""
        now = time.monotonic()
        with self._mutex:
            late = [name for name, (_, until) in self._running.items() if now > until]
        if late:
            return late[0]
        return "every job" if now - self._last_end > self._silence else None

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if name := self.hanging():
                _log.critical("work hangs, the process ends", job=name)
                os._exit(1)  # sys.exit() would wait for the very thread that hangs
