"""Health of the jobs process, for supervisors: GET / on JOBS_PORT answers 200 while no job hangs, else 503; its figures
for Prometheus stand at /metrics there.
"""

import functools
import json
from http.server import ThreadingHTTPServer

from careapp.jobs.watchdog import Watchdog
from careapp.telemetry.listener import METRICS, Answer, own_figures
from careapp.telemetry.listener import serve as listen


def serve(port: int, watchdog: Watchdog) -> ThreadingHTTPServer:
    """Listen on `port`, on every address of this machine, in a thread of its own; no job and no name is in an answer
    but those of the jobs themselves. Raises OSError where the port is taken.
    """

    def health() -> Answer:
        hanging = watchdog.hanging()
        body = json.dumps({"status": "hangs" if hanging else "ok", "job": hanging, "seconds": watchdog.state()})
        return 503 if hanging else 200, "application/json", body.encode()

    return listen("", port, {METRICS: functools.partial(own_figures, "jobs")}, otherwise=health)
