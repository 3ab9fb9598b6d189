"""Health of the jobs process, for supervisors: GET / on JOBS_PORT answers 200 while no job hangs, else 503; its figures
for Prometheus stand at /metrics there.
"""

import json
from collections.abc import Callable
from http.server import ThreadingHTTPServer

from careapp.jobs.watchdog import Watchdog
from careapp.telemetry.listener import METRICS, Answer, own_figures
from careapp.telemetry.listener import serve as listen


def serve(port: int, watchdog: Watchdog, look: Callable[[], None]) -> ThreadingHTTPServer:
    """Listen on `port`, on every address of this machine, in a thread of its own; no job and no name is in an answer
    but those of the jobs themselves. `look` takes the figures of the moment. Raises OSError where the port is taken.
    """

    def health() -> Answer:
        hanging = watchdog.hanging()
        body = json.dumps({"status": "hangs" if hanging else "ok", "job": hanging, "seconds": watchdog.state()})
        return 503 if hanging else 200, "application/json", body.encode()

    def figures() -> Answer:
        look()
        return own_figures("jobs")

    return listen("", port, {METRICS: figures}, otherwise=health)
