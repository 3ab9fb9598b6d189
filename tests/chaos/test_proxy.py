"""The suite's proxy does to connections what it is told, and nothing else."""

import gc
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from chaos.proxy import Proxy

PATIENCE = 30.0


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says back what it hears."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                wire, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(wire,), daemon=True).start()

    def answer(wire: socket.socket) -> None:
        with wire:
            try:
                while heard := wire.recv(100):
                    wire.sendall(heard)
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(PATIENCE)


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    """A proxy before it."""
    with Proxy(("127.0.0.1", echo)) as made:
        yield made


@pytest.fixture
def wire(proxy: Proxy) -> Iterator[socket.socket]:
    """A connection through it that has been used."""
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as made:
        assert said(made, b"hello") == b"hello"
        yield made


def said(wire: socket.socket, words: bytes) -> bytes:
    """What comes back; nothing where the connection is closed."""
    try:
        wire.sendall(words)
        return wire.recv(100)
    except ConnectionError:
        return b""


def test_it_cuts_and_serves_again(proxy: Proxy, wire: socket.socket) -> None:
    proxy.cut()
    assert said(wire, b"x") == b""
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as other:
        assert said(other, b"again") == b"again"


def test_it_refuses_until_restored(proxy: Proxy, wire: socket.socket) -> None:
    proxy.refuse()
    assert said(wire, b"x") == b""
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as other:
        assert said(other, b"x") == b""
    proxy.restore()
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as other:
        assert said(other, b"x") == b"x"


def test_what_is_frozen_arrives_when_it_thaws(proxy: Proxy, wire: socket.socket) -> None:
    proxy.freeze()
    wire.settimeout(0.3)
    with pytest.raises(TimeoutError):
        said(wire, b"late")
    proxy.restore()
    wire.settimeout(PATIENCE)
    assert wire.recv(100) == b"late"


def test_it_loses_what_comes_after_a_point(proxy: Proxy, wire: socket.socket) -> None:
    proxy.drop_after(3)
    assert said(wire, b"abcdef") == b"abc"
    wire.settimeout(0.3)
    with pytest.raises(TimeoutError):
        said(wire, b"more")


def test_it_closes_one_direction(proxy: Proxy, wire: socket.socket) -> None:
    proxy.half_close()
    assert wire.recv(100) == b""  # the server has heard the end, and ends its own direction after it


def test_it_ends_while_somebody_comes_in(echo: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left_open: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: left_open.append(str(told.exc_value)))
    for number in range(20):
        with Proxy(("127.0.0.1", echo)) as proxy:
            wires = [socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) for _ in range(1 + number % 5)]
        for wire in wires:
            wire.close()
    gc.collect()
    assert left_open == []
