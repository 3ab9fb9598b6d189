"""Upstream: calls to other services: time limits, retries of reads, a circuit breaker, and no redirects."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import stamina

from careapp.errors import Upstream
from careapp.telemetry.metrics import UPSTREAM_CALLS

BUDGET = 2.5  # seconds for a call with all its retries; who waits for it is answered within three
ONE_TRY, CONNECT = 1.0, 1.0  # seconds
TRIES = 3
LARGEST_ANSWER = 64 * 1024  # bytes
FAILURES_TO_OPEN = 5  # one after the other
PAUSE = 5.0  # seconds an open breaker lets nothing through
FOUND, MISSING = 200, 404

R = TypeVar("R")
Clock = Callable[[], float]
Headers = Callable[[str], dict[str, str]]  # for the path that is asked; called anew for each try


class Breaker:
    """A circuit breaker: after several failures in a row it refuses at once, and after a pause lets one probe through.

    The probe's success closes it, its failure opens it for another pause. The call itself runs outside the lock, so
    calls do not wait for each other.
    """

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether it refuses, apart from a probe."""
        return self._opened_at is not None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Run a call and take note of how it ends. Raises Upstream, without a call, while the breaker is open."""
        try:
            probe = self._admit()
        except Upstream:
            UPSTREAM_CALLS.labels("not made").inc()
            raise
        try:
            yield
        except BaseException:
            UPSTREAM_CALLS.labels("failed").inc()
            self._failed(probe)
            raise
        UPSTREAM_CALLS.labels("answered").inc()
        self._worked(probe)

    def _admit(self) -> bool:
        """Let a call through, or raise Upstream; True for the one probe."""
        with self._lock:
            if self._opened_at is None:
                return False
            if self._probing or self._clock() - self._opened_at < PAUSE:
                raise Upstream("A service we depend on does not answer at present. Nothing was changed.")
            self._probing = True
            return True

    def _failed(self, probe: bool) -> None:
        with self._lock:
            self._failures += 1
            if probe or (self._opened_at is None and self._failures >= FAILURES_TO_OPEN):
                self._opened_at = self._clock()
            if probe:
                self._probing = False

    def _worked(self, probe: bool) -> None:
        """Count from nought again; a call from before the breaker opened does not close it."""
        with self._lock:
            if probe:
                self._opened_at, self._probing = None, False
            if self._opened_at is None:
                self._failures = 0


class Service:
    """Another service, at a base address from the settings, read by GET only. Never call it inside a transaction."""

    def __init__(self, base_url: str, *, clock: Clock = time.monotonic) -> None:
        self._base_url = base_url.rstrip("/")
        self._base_path = urlsplit(self._base_url).path
        self.breaker = Breaker(clock=clock)

    def get_json(self, path: str, headers: Headers) -> Any | None:
        """The JSON object at a path, None where there is nothing there.

        Everything else (no answer in time, an error, a redirect, what is no JSON object or too much of it) raises
        Upstream. Failures of the network and 5xx are tried again with growing, random pauses, all within BUDGET.
        """
        with self.breaker.guard():
            try:
                return run(self._within_budget(path, headers))
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
                raise Upstream(
                    "A service we depend on does not answer right now. Nothing was changed. Try again in a moment."
                ) from error

    async def _within_budget(self, path: str, headers: Headers) -> Any | None:
        async with asyncio.timeout(BUDGET), httpx.AsyncClient(
            verify=trusted(), timeout=httpx.Timeout(ONE_TRY, connect=CONNECT), follow_redirects=False, trust_env=False
        ) as client:  # fmt: skip
            async for attempt in stamina.retry_context(
                on=(httpx.TransportError, _ServerError), attempts=TRIES, timeout=BUDGET, wait_initial=0.05,
                wait_max=0.4, wait_jitter=0.2,
            ):  # fmt: skip
                with attempt:
                    return await self._ask(client, path, headers)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _ask(self, client: httpx.AsyncClient, path: str, headers: Headers) -> Any | None:
        sent = {"Accept": "application/json", **headers(self._base_path + path)}
        async with asyncio.timeout(ONE_TRY), client.stream(
            "GET", self._base_url + path, headers=sent
        ) as response:  # fmt: skip
            if response.status_code == MISSING:
                return None
            if response.status_code >= 500:
                raise _ServerError(f"status {response.status_code}")
            if response.status_code != FOUND:
                raise ValueError(f"status {response.status_code}")
            return _object(await _limited(response))


def run(call: Coroutine[Any, Any, R]) -> R:
    """Wait for a call from a thread that has no loop, no longer than the call itself says.

    `asyncio.run` would wait at its end for names that are still looked up, however long a name server says nothing.
    """
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(call)


class _Loop(asyncio.SelectorEventLoop):
    """A loop that can end while a name is looked up."""

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """The addresses of a name. Raises OSError."""
        return await asyncio.wrap_future(_look_up(host, port, family, type, proto, flags), loop=self)


_looking: dict[tuple[Any, ...], Future[Any]] = {}
_looking_lock = threading.Lock()


def _look_up(*asked: Any) -> Future[Any]:
    """Look a name up in a thread that nobody has to wait for, neither a call nor the end of the process.

    Who asks for a name that is being looked up waits for the same thread, so that those that hang do not pile up: there
    is one a name, until the system's resolver gives up. Raises OSError where no thread is to be had.
    """
    with _looking_lock:
        if asked not in _looking:
            told = Future[Any]()
            told.set_running_or_notify_cancel()  # whoever gives up gives up for himself alone
            try:
                threading.Thread(target=_resolve, args=(asked, told), name="look-up", daemon=True).start()
            except RuntimeError as error:
                raise OSError("the system gives no thread to look a name up") from error
            _looking[asked] = told  # before the thread, which waits for the lock, can take it out
        return _looking[asked]


def _resolve(asked: tuple[Any, ...], told: Future[Any]) -> None:
    found: Any = None
    failed: Exception | None = None
    try:
        found = socket.getaddrinfo(*asked)
    except Exception as error:
        failed = error
    with _looking_lock:
        del _looking[asked]  # who asks from now on looks anew
    if failed:
        told.set_exception(failed)
    else:
        told.set_result(found)


class _ServerError(httpx.HTTPError):
    """The service says that it failed; another try may do."""


async def _limited(response: httpx.Response) -> bytes:
    """The body of an answer. Raises ValueError for one that is too large."""
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) > LARGEST_ANSWER:
            raise ValueError("too large an answer")
    return body


def _object(body: bytes) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


@cache
def trusted() -> ssl.SSLContext:
    """The certificates this system trusts; making it takes longer than a call."""
    return ssl.create_default_context()
