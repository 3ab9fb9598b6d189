"""What no HTTP library sends, to the web server as the Procfile starts it: it refuses, closes, and serves the others.

Requests that two readers could cut in two places (smuggling, RFC 9112 §11.2), limits of lines and headers, and peers
that send or read as slowly as they like.
"""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
from apiflask import APIFlask

from bench import servers
from bench.servers import web_command, web_server
from tests.conftest import ROOT
from tests.database import TestDatabase

HOST = b"Host: localhost\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Last: 1\r\nConnection: close\r\n\r\n"
INNER = b"GET /static/favicon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n"  # answered, it would show
PATIENCE = 60  # seconds until a server that says nothing has failed
THREADS = 8  # two workers of four
CLOSED: list[int] = []
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def port(database: TestDatabase, app: APIFlask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where the web server listens."""
    servers.VAR.mkdir(parents=True, exist_ok=True)
    environment = {
        "DATABASE_URL": database.app, "DATABASE_OWNER_URL": database.owner, "DATABASE_RELAY_URL": database.relay,
        "CAREAPP_ENV": "development", "CAREAPP_VAR": str(tmp_path_factory.mktemp("var")),
        "TRUSTED_HOSTS": "localhost", "LOG_LEVEL": "warning",
    }  # fmt: skip
    with web_server(environment) as server:
        yield server.port


def connected(port: int) -> socket.socket:
    """A connection that waits for answers, but not for ever."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def answers(connection: socket.socket) -> tuple[list[int], bytes]:
    """The statuses of all answers until the server closes, and all it said."""
    said = b""
    with suppress(ConnectionResetError):  # closed with something of ours unread
        while part := connection.recv(65536):
            said += part
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", said)], said


def told(port: int, *sent: bytes) -> tuple[list[int], bytes]:
    """What the server answers to these bytes on one connection, until it closes."""
    with connected(port) as connection:
        with suppress(ConnectionResetError, BrokenPipeError):  # it has answered and closed already
            connection.sendall(b"".join(sent))
        return answers(connection)


def serves(port: int) -> bool:
    """Whether somebody else is served."""
    statuses, said = told(port, b"GET /sign-in HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    return statuses == [200] and b"Password" in said


def post(*headers: bytes, body: bytes = b"", line: bytes = b"POST /sign-in HTTP/1.1\r\n") -> bytes:
    """A form as raw bytes."""
    return line + HOST + FORM + b"".join(headers) + b"\r\n" + body


def get(*headers: bytes, line: bytes = b"GET /nothing HTTP/1.1\r\n", host: bytes = HOST) -> bytes:
    """A request for nothing, as raw bytes."""
    return line + host + b"".join(headers) + b"\r\n"


CHUNKS = b"5\r\na=b&c\r\n0\r\n\r\n"
REFUSED = {  # answered once by the server itself or not at all, and closed: what follows is never taken for a request
    "two lengths": post(b"Content-Length: 5\r\n", b"Content-Length: 6\r\n", body=b"a=b&cd"),
    "two lengths in one line": post(b"Content-Length: 5, 6\r\n", body=b"a=b&cd"),
    "one length twice in a line": post(b"Content-Length: 5, 5\r\n", body=b"a=b&c"),
    "a length with a sign": post(b"Content-Length: +5\r\n", body=b"a=b&c"),
    "a negative length": post(b"Content-Length: -5\r\n", body=b"a=b&c"),
    "a length in hexadecimal": post(b"Content-Length: 0x5\r\n", body=b"a=b&c"),
    "an empty length": post(b"Content-Length: \r\n", body=b"a=b&c"),
    "a length that overflows": post(b"Content-Length: 18446744073709551621\r\n", body=b"a=b&c"),
    "blank before the colon": post(b"Transfer-Encoding : chunked\r\n", body=CHUNKS),
    "blank before the colon of a length": post(b"Content-Length : 5\r\n", body=b"a=b&c"),
    "an unknown coding": post(b"Transfer-Encoding: xchunked\r\n", body=CHUNKS),
    "identity as coding": post(b"Content-Length: 5\r\n", b"Transfer-Encoding: identity\r\n", body=b"a=b&c"),
    "chunked is not the last": post(b"Transfer-Encoding: chunked, identity\r\n", body=CHUNKS),
    "chunked, then another": post(CHUNKED, b"Transfer-Encoding: identity\r\n", body=CHUNKS),
    "a tabulator in the coding": post(b"Transfer-Encoding: \x0bchunked\r\n", body=CHUNKS),
    "a folded coding": post(b"Content-Length: 5\r\n", b"Transfer-Encoding:\r\n chunked\r\n", body=CHUNKS),
    "chunked in HTTP/1.0": post(CHUNKED, body=CHUNKS, line=b"POST /sign-in HTTP/1.0\r\n"),
    "a folded header": get(b"X-A: b\r\n Content-Length: 5\r\n"),
    "a bare CR": get(b"X-A: b\rContent-Length: 5\r\n"),
    "NUL in a header": get(b"X-A: b\x00c\r\n"),
    "a header without a colon": get(b"X-A\r\n"),
    "a header without a name": get(b": a\r\n"),
    "a blank before the first header": b"GET /nothing HTTP/1.1\r\n X: a\r\n" + HOST + b"\r\n",
    "two blanks in the address": get(line=b"GET /nothing /else HTTP/1.1\r\n"),
    "a control character in the address": get(line=b"GET /noth\x01ing HTTP/1.1\r\n"),
    "HTTP/0.9": b"GET /nothing\r\n",
    "HTTP/1.2": get(line=b"GET /nothing HTTP/1.2\r\n"),
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    "101 headers": get(*(b"X-%d: a\r\n" % number for number in range(101))),
    "a header of 70,000 signs": get(b"X-A: " + b"a" * 70_000 + b"\r\n"),
    "headers of 150,000 signs": get(*(b"X-%d: " % number + b"a" * 3000 + b"\r\n" for number in range(50))),
    "an address of 70,000 signs": get(line=b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n"),
}
BROKEN_CHUNKS = {  # the application answers before it has read them, the server closes
    "both length and coding": post(b"Content-Length: 6\r\n", CHUNKED, body=b"0\r\n\r\n" + INNER),
    "both coding and length": post(
        CHUNKED, b"Content-Length: 4\r\n", body=b"37\r\n" + INNER.ljust(55) + b"\r\n0\r\n\r\n"
    ),
    "bare LF": post(CHUNKED, body=b"5\na=b&c\n0\n\n"),
    "LF behind an extension": post(CHUNKED, body=b"5;x\na=b&c\r\n0\r\n\r\n"),
    "a negative size": post(CHUNKED, body=b"-5\r\na=b&c\r\n0\r\n\r\n"),
    "a size that overflows": post(CHUNKED, body=b"fffffffffffffffff\r\na=b&c\r\n0\r\n\r\n"),
    "a size with 0x": post(CHUNKED, body=b"0x5\r\na=b&c\r\n0\r\n\r\n"),
    "an endless extension": post(CHUNKED, body=b"5;" + b"x" * 40_000 + b"\r\na=b&c\r\n0\r\n\r\n"),
    "a chunk longer than it says": post(CHUNKED, body=b"3\r\na=b&c\r\n0\r\n\r\n"),
}
TAKEN = {  # one request and no more: the status it gets, then the last request's
    "the same length twice": (post(b"Content-Length: 5\r\n", b"Content-Length: 5\r\n", body=b"a=b&c"), 400),
    "chunks": (post(CHUNKED, body=CHUNKS), 400),
    "a trailer": (post(CHUNKED, body=b"5\r\na=b&c\r\n0\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n"), 400),
    "a GET with a body that looks like a request": (get(b"Content-Length: %d\r\n" % len(INNER)) + INNER, 404),
    "a whole address as target": (get(line=b"GET http://evil.example/nothing HTTP/1.1\r\n"), 404),
    "a tunnel": (get(line=b"CONNECT evil.example:443 HTTP/1.1\r\n"), 404),
    "a fragment": (get(line=b"GET /nothing#part HTTP/1.1\r\n"), 404),
    "bytes that are no text": (get(line=b"GET /nothing%ff%fe%00 HTTP/1.1\r\n"), 404),
    "lines that end in LF": (b"GET /nothing HTTP/1.1\nHost: localhost\n\n", 404),
    "empty lines first": (b"\r\n\r\n" + get(), 404),
    "an upgrade to HTTP/2": (get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                 b"HTTP2-Settings: AAMAAABk\r\n"), 404),
    "an upgrade to a WebSocket": (get(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                      b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 404),
    "100 headers": (get(*(b"X-%d: a\r\n" % number for number in range(99))), 404),
    "a method nobody knows": (get(line=b"GETS /sign-in HTTP/1.1\r\n"), 405),
    "no host": (get(host=b""), 400),
    "two hosts": (get(b"Host: evil.example\r\n"), 400),
    "two hosts, the other way": (get(b"Host: localhost\r\n", host=b"Host: evil.example\r\n"), 400),
    "two hosts of one name": (get(b"Host: localhost\r\n"), 400),
    "a host with a path": (get(host=b"Host: localhost/evil\r\n"), 400),
    "a host with blanks": (get(host=b"Host: localhost evil.example\r\n"), 400),
    "a host of somebody else": (get(host=b"Host: evil.example\r\n"), 400),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_cut_in_one_way_alone_is_refused(port: int, name: str) -> None:
    statuses, said = told(port, REFUSED[name], LAST)
    assert statuses in (CLOSED, [400], [413], [414], [431]), said[:300]
    assert serves(port)


@pytest.mark.parametrize("name", BROKEN_CHUNKS)
def test_broken_chunks_end_the_connection(port: int, name: str) -> None:
    statuses, said = told(port, BROKEN_CHUNKS[name], LAST)
    assert statuses in ([400], [411]), said[:300]
    assert serves(port)


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_odd_is_one_request_and_no_more(port: int, name: str) -> None:
    request, status = TAKEN[name]
    statuses, said = told(port, request, LAST)
    assert statuses == [status, 200], said[:300]
    assert b"evil" not in said
    assert serves(port)


@pytest.mark.parametrize("length", [1024 * 1024 + 1, 10**15])
def test_a_body_that_is_too_long_is_refused_unread(port: int, length: int) -> None:
    statuses, said = told(port, post(b"Content-Length: %d\r\n" % length, body=b"a=b&" * 1000))
    assert statuses == [413], said[:300]
    assert serves(port)


def test_a_body_that_ends_early_is_no_request(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(post(b"Content-Length: 100\r\n", body=b"a=b"))
        connection.shutdown(socket.SHUT_WR)
        statuses, said = answers(connection)
    assert statuses in (CLOSED, [400]), said[:300]
    assert serves(port)


def drips(port: int, begin: bytes, drip: bytes) -> list[int]:
    """The status given to somebody who sends something each moment and never comes to an end; none if just closed."""
    with connected(port) as connection:
        connection.sendall(begin)
        connection.settimeout(0.2)
        for _ in range(PATIENCE * 5):
            try:
                connection.sendall(drip)
                part = connection.recv(65536)
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                return []
            return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", part)]
    pytest.fail("the server still waits")


SLOW = {
    "a body": (post(b"Content-Length: 90000\r\n", body=b"email="), b"a"),
    "a body of a program": (post(b"Content-Length: 400\r\n", line=b"POST /oauth/token HTTP/1.1\r\n"), b"a"),
    "a body that stops": (post(b"Content-Length: 8000\r\n", body=b"email="), b""),
    "a header": (b"GET /sign-in HTTP/1.1\r\nHost: local", b"h"),
    "headers": (b"GET /sign-in HTTP/1.1\r\n", b"X-A: a\r\n"),
    "nothing": (b"", b""),
    "empty lines": (b"\r\n", b"\r\n"),
}


def test_the_slow_are_cut_off_and_stand_in_nobodys_way(port: int) -> None:
    """Twice as many as there are threads, of each kind; served meanwhile, as often as anybody asks."""
    with ThreadPoolExecutor(2 * THREADS * len(SLOW)) as crowd:
        running = {
            name: [crowd.submit(drips, port, begin, drip) for _ in range(2 * THREADS)]
            for name, (begin, drip) in SLOW.items()
        }
        served = [serves(port) for _ in range(5)]
        waiting = sum(not one.done() for many in running.values() for one in many)
        ends = {name: {tuple(one.result()) for one in many} for name, many in running.items()}
    assert served == [True] * 5
    assert waiting, "nobody was slow while the others were served, so nothing was tested"
    bodies = {"a body", "a body that stops", "a body of a program"}
    assert {name for name, statuses in ends.items() if (408,) in statuses} == bodies
    assert all(statuses <= {(), (408,)} for statuses in ends.values()), ends
    assert serves(port)


def test_who_does_not_read_holds_no_thread(port: int) -> None:
    """Static files asked for again and again without reading one, until the server cannot send more."""
    wanted = b"GET /static/app.css HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(3 * THREADS):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(PATIENCE)
            connection.connect(("127.0.0.1", port))
            connection.sendall(wanted * 100)
        assert [serves(port) for _ in range(5)] == [True] * 5


def test_the_image_starts_the_server_with_the_same_limits() -> None:
    """The Procfile is what all this is tested with."""
    image = (ROOT / "Dockerfile").read_text()
    wanted = re.findall(r"--(?:http|no-ws|backpressure|blocking|respawn|workers-kill)\S*(?: \d+s?)?", web_command())
    assert len(wanted) >= 7
    assert [option for option in wanted if option not in image] == []
