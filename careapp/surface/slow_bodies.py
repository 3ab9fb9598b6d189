"""Bodies that come in drips: whoever sends one holds a thread for a moment or a permit for seconds, never for ever.

The server gives a request to a thread as soon as its headers are there, and waits for the rest of the body without any
limit of time; as many half-sent forms as there are threads would stop a worker (ASVS 5.0 15.2.2; CWE-400). So a body is
fetched by another thread while the request waits: a moment, which is enough for all that has arrived, then longer where
one of few permits is free. Whoever exceeds that is answered 408 and his connection is closed. A thread whose body has
come takes the next one; starting one for each would be a tenth of a booking. A proxy that takes in bodies before it
passes them on makes all this unnecessary.
"""

import io
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from flask import Flask
from werkzeug.exceptions import RequestTimeout

MOMENT, PATIENCE = 0.25, 10.0  # seconds
PERMITS = 2  # of the threads of a worker (four, see the Procfile) so many may wait longer than a moment
WORDS = "The rest of the request did not come in time. Send it again."

_permits = threading.BoundedSemaphore(PERMITS)
_idle: "deque[_Fetcher]" = deque()  # as many as were ever at work at once
_log = structlog.get_logger()
Start = Callable[..., Any]


class ArrivingBody(io.RawIOBase):
    """The body of one request; fetched whole at the first look at it, which raises RequestTimeout when it is late."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream, self._length = stream, length
        self._whole: io.BytesIO | None = None
        self._here, self.late = threading.Lock(), False  # taken until all is there: half of what an Event costs
        self._here.acquire()

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As much of the body as fits; raises RequestTimeout."""
        if self._whole is None and not self.late:
            _Fetcher.free().bodies.put(self)
            self._wait()
        if self._whole is None or self.late:
            raise RequestTimeout(WORDS)
        return self._whole.readinto(buffer)

    def fetch(self) -> None:
        """Read until all is there or the connection has ended, when the server gives less than it was asked for."""
        parts, missing = [], self._length
        try:
            while missing > 0 and (part := self._stream.read(missing)):
                parts.append(part)
                missing -= len(part)
        finally:
            self._whole = io.BytesIO(b"".join(parts))
            self._here.release()

    def _wait(self) -> None:
        """Wait a moment, then longer where somebody is allowed to; remember who did not come."""
        if self._here.acquire(timeout=MOMENT) or not _permits.acquire(blocking=False):
            self.late = self._whole is None
            return
        try:
            self.late = not self._here.acquire(timeout=PATIENCE)
        finally:
            _permits.release()


class _Fetcher(threading.Thread):
    """A thread that fetches one body after the other, or stands with one that does not come until its client goes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bodies: queue.SimpleQueue[ArrivingBody] = queue.SimpleQueue()

    @classmethod
    def free(cls) -> "_Fetcher":
        """One that has nothing to do."""
        try:
            return _idle.pop()
        except IndexError:
            made = cls()
            made.start()
            return made

    def run(self) -> None:
        """Fetch, for ever; the request that waits for a body that breaks off finds it too short and refuses it."""
        while True:
            try:
                self.bodies.get().fetch()
            except Exception as error:
                _log.info("body broke off", error=type(error).__name__)
            _idle.append(self)


def init_slow_bodies(app: Flask, largest: int) -> None:
    """Give every request of the application such a body; one longer than `largest` is refused unread elsewhere."""
    inner = app.wsgi_app

    def serve(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        stream, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or "0"
        if isinstance(stream, io.BytesIO) or not length.isdigit() or not 0 < int(length) <= largest:
            return inner(environ, start)
        body = environ["wsgi.input"] = ArrivingBody(stream, int(length))

        def start_and_close(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if body.late:  # what may still come is no request
                headers = [*headers, ("Connection", "close")]
            return start(status, headers, *rest)

        return inner(environ, start_and_close)

    app.wsgi_app = serve  # type: ignore[method-assign, assignment]
