"""How long a web server takes from its start to its first good answer, as the Procfile starts it."""

import http.client
import statistics
import time

from bench.databases import working_copy
from bench.servers import web_server
from bench.whole import prepared, tell

TIMES = 7
PATIENCE = 60.0  # seconds


def run_start() -> None:
    """Start it several times, the first to warm up, and print the median and the range in seconds."""
    with working_copy("small") as database:
        prepared(database)
        found = []
        for number in range(TIMES + 1):
            tell(f"start {number + 1} of {TIMES + 1}")
            began = time.monotonic()
            with web_server({}, application="wsgi:app") as server:
                _first_answer(server.port)
                found.append(time.monotonic() - began)
    tell("")
    found = sorted(found[1:])
    print(f"From start to the first answer of /readyz: {statistics.median(found):.2f} s"
          f" ({found[0]:.2f} to {found[-1]:.2f}, {TIMES} starts)")  # fmt: skip


def _first_answer(port: int) -> None:
    """Return when /readyz answers 200; raises RuntimeError when it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    raise RuntimeError("the web server did not answer")
