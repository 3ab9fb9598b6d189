"""A server on a free port that answers, fails, hangs or babbles as a test tells it, and counts who asks."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Other:
    """The other side: what it does is set by `behave`, a function of the request; `asked` are the paths so far."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.over = threading.Event()
        self.behave: Callable[[BaseHTTPRequestHandler], None] = lambda request: answer(request, {})
        self.address = ""

    def hang(self, request: BaseHTTPRequestHandler) -> None:
        """Take the request and say nothing until the test is over."""
        self.over.wait()

    def hang_up_after(self, seconds: float) -> None:
        """Say nothing for a while, and then nothing more."""
        self.over.wait(seconds)

    def drip(self, request: BaseHTTPRequestHandler) -> None:
        """Send a header byte by byte, so that no single read takes long."""
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.over.wait(0.1):
            try:
                request.wfile.write(b"x")
                request.wfile.flush()
            except OSError:
                return


def answer(
    request: BaseHTTPRequestHandler, body: object, status: int = 200, headers: dict[str, str] | None = None
) -> None:
    """Answer with a JSON body, or with these bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request.send_response(status)
    for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(data)


@contextmanager
def other_side() -> Iterator[Other]:
    """Run one, and let all that hang in it go at the end."""
    other = Other()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            other.asked.append(self.path)
            other.headers.append(dict(self.headers))
            other.behave(self)

        def log_message(self, *_: object) -> None:
            """Say nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    other.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield other
    finally:
        other.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
