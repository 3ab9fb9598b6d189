"""The listener for figures: GET /metrics on a port of its own, never on the one the public reaches."""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from careapp.telemetry.metrics import REGISTRY, Exposed
from careapp.telemetry.workers import Worker

METRICS = "/metrics"

Answer = tuple[int, str, bytes]  # status, content type, body

_log = structlog.get_logger()


def figures_of(worker: Worker) -> Answer:
    """The figures of all workers of this server, added up."""
    worker.forget_ended()
    return _told(Exposed(MultiProcessCollector(None, path=str(worker.place)), "web"))  # type: ignore[no-untyped-call]


def own_figures(kind: str) -> Answer:
    """The figures of this process ("web" or "jobs") alone, with its memory, processor time and open files."""
    return _told(Exposed(REGISTRY, kind), ProcessCollector(registry=None))


def _told(*collectors: Collector) -> Answer:
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return 200, CONTENT_TYPE_LATEST, generate_latest(registry)


def nothing_there() -> Answer:
    """The answer to a path nobody declared."""
    return 404, "text/plain", b""


def serve(
    host: str, port: int, answers: Mapping[str, Callable[[], Answer]], otherwise: Callable[[], Answer] = nothing_there
) -> ThreadingHTTPServer:
    """Listen in a thread of its own; an empty host means every address of this machine.

    Each path of `answers` is answered as it says, any other by `otherwise`. Raises OSError where the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        """Answers GET."""

        timeout = 5
        server_version = sys_version = ""

        def do_GET(self) -> None:
            """Answer a path as it is declared, whatever its query."""
            status, kind, body = answers.get(self.path.partition("?")[0], otherwise)()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: it is asked all the time."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name=f"listener {port}", daemon=True).start()
    _log.info("listening for who watches", port=port)
    return server
