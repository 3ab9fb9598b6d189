"""The clients: processes of their own that send requests over kept-alive connections, or run statements by psycopg."""

import itertools
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe

import psycopg

from bench.statements import Plan, Values, run

CONNECTIONS = 8
PATIENCE = 120.0  # seconds for one answer, on a machine that others use as well


@dataclass(frozen=True)
class Order:
    """One request: the bytes for the application, the bytes for the bare function, the inputs for psycopg."""

    request: bytes
    bare_request: bytes
    inputs: Values


@dataclass(frozen=True)
class Task:
    """What one client does in a round: all its orders once, or, with `seconds`, over and over for that long.

    `port` is a web server's on this machine; else `database` and `plan` say what psycopg runs.
    """

    orders: list[Order]
    seconds: float | None = None
    port: int | None = None
    bare: bool = False
    database: str = ""
    plan: Plan | None = None


@dataclass(frozen=True)
class Outcome:
    """What a client measured: when it began and ended (monotonic seconds), each answer's seconds, its own CPU."""

    began: float
    ended: float
    times: list[float]
    cpu: float
    failure: str | None = None


class Clients:
    """The processes, one a connection, kept from round to round."""

    def __init__(self, pipes: list[Pipe]) -> None:
        """Take the pipes to the processes."""
        self.pipes = pipes

    def prepare(self, tasks: list[Task]) -> None:
        """Give each client its task and wait until all have connected."""
        for pipe, task in zip(self.pipes, tasks, strict=True):
            pipe.send(task)
        for pipe in self.pipes:
            pipe.recv()

    def run(self) -> list[Outcome]:
        """Let all begin at once and wait for them. Raises RuntimeError where an answer was not what it should be."""
        for pipe in self.pipes:
            pipe.send("begin")
        outcomes: list[Outcome] = [pipe.recv() for pipe in self.pipes]
        failures = [outcome.failure for outcome in outcomes if outcome.failure]
        if failures:
            raise RuntimeError(failures[0])
        return outcomes


@contextmanager
def clients() -> Iterator[Clients]:
    """Start the client processes and end them at the end."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(CONNECTIONS):
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs,), daemon=True)
        process.start()
        pipes.append(ours)
        processes.append(process)
    try:
        yield Clients(pipes)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def serve(pipe: Pipe) -> None:
    """A client's life: take a task, connect, say so, begin when told, hand back what was measured."""
    try:
        while True:
            task: Task = pipe.recv()
            with _way(task) as send:
                pipe.send("ready")
                pipe.recv()
                pipe.send(_work(task, send))
    except (EOFError, KeyboardInterrupt):
        return


@contextmanager
def _way(task: Task) -> Iterator[Callable[[Order], object]]:
    """A function that carries out one order over a connection kept open for the task."""
    if task.port is None:
        plan = task.plan
        assert plan is not None, "psycopg is told what to run"
        with psycopg.connect(task.database, options="-c timezone=UTC") as connection:
            yield lambda order: run(connection, plan, order.inputs)
        return
    with socket.create_connection(("127.0.0.1", task.port), timeout=PATIENCE) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield lambda order: ask(wire, order.bare_request if task.bare else order.request)


def _work(task: Task, send: Callable[[Order], object]) -> Outcome:
    """Carry out the orders and measure; what goes wrong ends the round and is handed back."""
    times: list[float] = []
    cpu, began = time.process_time(), time.monotonic()
    failure = None
    try:
        for order in task.orders if task.seconds is None else itertools.cycle(task.orders):
            start = time.monotonic()
            send(order)
            times.append(time.monotonic() - start)
            if task.seconds is not None and time.monotonic() - began > task.seconds:
                break
    except (RuntimeError, OSError, psycopg.Error, LookupError) as error:
        failure = f"{type(error).__name__}: {error}"
    return Outcome(began, time.monotonic(), times, time.process_time() - cpu, failure)


def ask(wire: socket.socket, request: bytes) -> None:
    """Send a request and read its whole answer; raises RuntimeError unless it is a 2xx."""
    wire.sendall(request)
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _more(wire)
    head = received[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    missing = length - (len(received) - end - 4)
    body = [received[end + 4 :]]
    while missing > 0:
        body.append(_more(wire))
        missing -= len(body[-1])
    if received[9:10] != b"2":
        status, said = received.split(b"\r\n", 1)[0].decode(), b"".join(body).decode(errors="replace")
        raise RuntimeError(f"answered {status}: {said[:500]}")


def _more(wire: socket.socket) -> bytes:
    received = wire.recv(262144)
    if not received:
        raise RuntimeError("the server closed the connection")
    return received
