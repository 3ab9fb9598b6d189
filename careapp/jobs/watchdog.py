"""Watchdog: ends the process when its main work hangs, because a hung thread can neither be stopped nor replaced."""

import os
import threading
import time

import structlog

LOOK_SECONDS = 1.0

_log = structlog.get_logger()


class Watchdog:
    """Ends the process with status 1 when nobody has called `beat` for `patience` seconds; a supervisor starts it anew.

    It measures on the monotonic clock, so that a corrected system clock neither wakes nor blinds it.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._last_beat = time.monotonic()
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        self.beat()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def beat(self) -> None:
        """Say that the work goes on."""
        self._last_beat = time.monotonic()

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            silence = time.monotonic() - self._last_beat
            if silence > self._patience:
                _log.critical("work hangs, the process ends", seconds=round(silence))
                os._exit(1)  # sys.exit() would wait for the very thread that hangs
