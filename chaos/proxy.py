"""A TCP proxy that can be told to misbehave: refuse, cut, freeze, delay, close one direction, or drop what follows."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

CHUNK = 65536
TURNS = 10  # of the loop, more than a connection takes from being accepted to being served


@dataclass
class Way:
    """How bytes go at present. `budget`: how many more bytes pass towards the client before all of them are lost."""

    refusing: bool = False
    frozen: bool = False
    delay: float = 0.0
    budget: int | None = None


class Proxy:
    """Listens on a free port of 127.0.0.1 and forwards to `target`: (host, port), or the path of a Unix socket.

    It runs in a thread with an event loop of its own; its methods may be called from any thread and return when what
    they do is done.
    """

    def __init__(self, target: tuple[str, int] | Path) -> None:
        self.target = target
        self.port = 0
        self.accepted = 0
        self._way = Way()
        self._moving = asyncio.Event()
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def restore(self) -> None:
        """Behave again. What was held back while frozen goes on its way; what was cut stays cut."""
        self._run(self._set(Way()))

    def refuse(self) -> None:
        """Close every connection and each new one at once, as a machine where nothing listens."""
        self._run(self._set(Way(refusing=True)))
        self.cut()

    def cut(self) -> None:
        """Close every connection abruptly; new ones are served."""
        self._run(self._cut())

    def freeze(self) -> None:
        """Pass no byte in either direction, and close nothing: a machine or a network that hangs."""
        self._run(self._set(Way(frozen=True)))

    def slow(self, seconds: float) -> None:
        """Hold each piece back for so long, in both directions."""
        self._run(self._set(Way(delay=seconds)))

    def half_close(self) -> None:
        """End the direction towards the server of each connection, and leave the other open."""
        self._run(self._half_close())

    def drop_after(self, size: int) -> None:
        """Let that many more bytes of answers through, all connections together, then lose the rest, silently."""
        self._run(self._set(Way(budget=size)))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._moving.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        await self._set(Way(refusing=True))
        for listening in self._server.sockets:
            self._loop.remove_reader(listening.fileno())
        for _ in range(TURNS):  # who was let in just now: asyncio leaves his socket open where the server closes first
            await asyncio.sleep(0)
        self._server.close()
        await self._cut()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # what was aborted is closed by the loop's next turns

    async def _set(self, way: Way) -> None:
        self._way = way
        if way.frozen:
            self._moving.clear()
        else:
            self._moving.set()

    async def _cut(self) -> None:
        for pair in list(self._pairs):
            for writer in pair:
                writer.transport.abort()
        for client in list(self._clients):
            client.transport.abort()

    async def _half_close(self) -> None:
        for pair in list(self._pairs):
            with suppress(OSError, RuntimeError):
                pair[1].write_eof()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._way.refusing:
            client.transport.abort()
            return
        self._clients.add(client)
        pair = None
        try:
            await self._moving.wait()
            answers, server = await self._connect()
            pair = (client, server)
            self._pairs.add(pair)
            there = asyncio.ensure_future(self._pump(reader, server, answer=False))
            back = asyncio.ensure_future(self._pump(answers, client, answer=True))
            await asyncio.wait((there, back), return_when=asyncio.ALL_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass  # nobody listens behind the proxy, or it ends: the client sees its connection closed
        finally:
            self._clients.discard(client)
            for writer in pair or (client,):
                writer.transport.abort()
            self._pairs.discard(pair)  # where it never came to a pair, nothing happens

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(str(self.target))
        return await asyncio.open_connection(*self.target)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answer: bool) -> None:
        """Carry bytes one way until that way ends, in order or not, and end it on the other side as well."""
        with suppress(OSError, RuntimeError):
            while piece := await source.read(CHUNK):
                if self._way.delay:
                    await asyncio.sleep(self._way.delay)
                await self._moving.wait()
                if answer and self._way.budget is not None:
                    piece, self._way.budget = piece[: self._way.budget], max(0, self._way.budget - len(piece))
                sink.write(piece)
                await sink.drain()
        await self._moving.wait()
        with suppress(OSError, RuntimeError):
            if answer:
                sink.close()
            else:
                sink.write_eof()
