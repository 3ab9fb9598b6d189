"""The identity provider's public keys: fetched by address, kept through its outages, refreshed beside the requests.

PyJWKClient alone forgets its keys when the endpoint is down and then refuses every good token, one slow fetch each.
"""

import asyncio
import functools
import json
import threading
import time
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import structlog

from careapp import upstream
from careapp.errors import Unauthenticated, Upstream

FRESH = 300  # seconds after which keys are fetched again, beside the request
KEPT = 24 * 3600  # seconds that keys are trusted while the endpoint is down
PAUSE = 30  # seconds between two fetches, after a failure too
TIMEOUT = 3.0  # seconds
LARGEST_SET = 256 * 1024  # bytes; a dozen keys with certificates are a tenth of it
ALGORITHMS = ("RS256", "ES256")

Fetch = Callable[[], dict[str, Any]]

_log = structlog.get_logger()


class KeySet:
    """Keys by `kid`. Tests pass their own `fetch`, `clock` (seconds) and `background`."""

    def __init__(
        self, fetch: Fetch, *, clock: Callable[[], float] = time.monotonic,
        background: Callable[[Callable[[], None]], None] | None = None, algorithms: Collection[str] = ALGORITHMS,
    ) -> None:  # fmt: skip
        self._fetch, self._clock, self._algorithms = fetch, clock, algorithms
        self._background = background or in_thread
        self._fetching = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")

    @classmethod
    def at(cls, url: str, *, timeout: float = TIMEOUT, **kwargs: Any) -> "KeySet":
        """The keys at this address; redirects are not followed. Raises ValueError unless it is http or https."""
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError("JWT_JWKS_URL is an address such as https://idp.example/keys")
        return cls(functools.partial(_fetched, url, timeout), **kwargs)

    def key(self, kid: str) -> jwt.PyJWK:
        """The key with this id. Raises Unauthenticated for an unknown one, Upstream while there are no keys at all."""
        held = self._usable()
        if kid in held:
            if self._clock() - self._fetched_at > FRESH and self._may_try():
                self._background(self._refresh)
            return held[kid]
        self._refresh()  # none yet, or a key published since
        held = self._usable()
        if not held:
            raise Upstream("The identity provider's keys cannot be read at the moment. Try again in a minute.")
        if kid not in held:
            raise Unauthenticated()
        return held[kid]

    def _usable(self) -> dict[str, jwt.PyJWK]:
        return self._keys if self._clock() - self._fetched_at <= KEPT else {}

    def _may_try(self) -> bool:
        return self._clock() - self._tried_at >= PAUSE

    def _refresh(self) -> None:
        """Fetch once; whoever waited for another's fetch finds the pause begun and uses what that one brought."""
        with self._fetching:
            if not self._may_try():
                return
            self._tried_at = self._clock()
            try:
                keys = _signing_keys(self._fetch(), self._algorithms)
            except (jwt.PyJWTError, httpx.HTTPError, ValueError, OSError) as error:
                _log.warning("the identity provider's keys could not be fetched", error=type(error).__name__)
                return
            self._keys, self._fetched_at = keys, self._clock()


def _fetched(url: str, timeout: float) -> dict[str, Any]:
    """The document at an address. Raises ValueError for what is none, HTTPError or OSError where no answer comes.

    It ends after `timeout` seconds, whatever the other side or a name server does, and after LARGEST_SET bytes.
    """
    try:
        document = json.loads(upstream.run(_body(url, timeout)))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("the keys are no document")
    return document


async def _body(url: str, timeout: float) -> bytes:
    body = bytearray()
    async with (
        asyncio.timeout(timeout), httpx.AsyncClient(timeout=timeout) as client,
        client.stream("GET", url, follow_redirects=False) as answer,
    ):  # fmt: skip
        if answer.status_code != 200:
            raise ValueError("the keys are not there")
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > LARGEST_SET:
                raise ValueError("the keys are too large")
    return bytes(body)


def _signing_keys(document: dict[str, Any], algorithms: Collection[str]) -> dict[str, jwt.PyJWK]:
    """The keys of a JWKS document that may sign tokens here. Raises ValueError where there is none."""
    keys = {
        key.key_id: key
        for key in jwt.PyJWKSet.from_dict(document).keys
        if key.key_id and key.public_key_use in ("sig", None) and key.algorithm_name in algorithms
    }
    if not keys:
        raise ValueError("no usable key")
    return keys


def in_thread(work: Callable[[], None]) -> None:
    """Run something beside the request."""
    threading.Thread(target=work, name="jwks", daemon=True).start()
