"""Health of the jobs process, for supervisors: GET / on JOBS_PORT answers 200 while no job hangs, else 503."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog

from careapp.jobs.watchdog import Watchdog

_log = structlog.get_logger()


def serve(port: int, watchdog: Watchdog) -> ThreadingHTTPServer:
    """Listen on `port`, on every address of this machine, in a thread of its own; no job and no name is in an answer
    but those of the jobs themselves. Raises OSError where the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        """Says what the watchdog knows."""

        timeout = 5
        server_version = sys_version = ""

        def do_GET(self) -> None:
            """Answer any path the same."""
            hanging = watchdog.hanging()
            body = json.dumps({"status": "hangs" if hanging else "ok", "job": hanging, "seconds": watchdog.state()})
            self.send_response(503 if hanging else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: it is asked all the time."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="jobs health", daemon=True).start()
    _log.info("jobs health", port=port)
    return server
