"""The way out to the identity provider: bounded in time and size, straight to it, and nowhere else from there."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import httpx

from careapp import upstream
from careapp.upstream import trusted

CONNECT, READ = 1.0, 3.0  # seconds
WHOLE = 5.0  # seconds from the request to the last byte: a side that sends a byte a second ends here
LARGEST_ANSWER = 256 * 1024  # bytes

R = TypeVar("R")


def run(call: Coroutine[Any, Any, R]) -> R:
    """Wait for a call. Raises TimeoutError after WHOLE seconds, whatever the other side is doing."""
    return upstream.run(_in_time(call))


async def get(address: str) -> httpx.Response:
    """The answer at an address, read to its end; a redirect is an answer like any other."""
    async with httpx.AsyncClient(**options()) as client:
        return await client.get(address)


def options() -> dict[str, Any]:
    """What every client of the provider is made with; no proxy of the environment sees what is sent."""
    return {
        "transport": _Bounded(), "timeout": httpx.Timeout(READ, connect=CONNECT), "follow_redirects": False,
        "trust_env": False,
    }  # fmt: skip


async def _in_time(call: Coroutine[Any, Any, R]) -> R:
    async with asyncio.timeout(WHOLE):
        return await call


class _Bounded(httpx.AsyncHTTPTransport):
    def __init__(self) -> None:
        super().__init__(verify=trusted(), trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        answer.stream = _BoundedStream(answer.stream)
        return answer


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = LARGEST_ANSWER
        async for part in self._inner:
            left -= len(part)
            if left < 0:
                raise httpx.ReadError("too large an answer")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()
