"""How long a web server takes from its start to its first good answer, as the Procfile starts it."""

import http.client
import json
import statistics
import time
from typing import Any

from bench.databases import working_copy
from bench.servers import VAR, web_server
from bench.whole import describe, prepared, tell

TIMES = 7
PATIENCE = 60.0  # seconds


def run_start() -> None:
    """Start it several times, the first to warm up; print median and range and keep them in var/bench/start.json."""
    with working_copy("small") as database:
        prepared(database)
        found = []
        for number in range(TIMES + 1):
            tell(f"start {number + 1} of {TIMES + 1}")
            began = time.monotonic()
            with web_server({}, application="wsgi:app") as server:
                _first_answer(server.port)
                found.append(time.monotonic() - began)
        made = {"about": describe(database, "small", TIMES, [], []), "seconds": sorted(found[1:])}
    tell("")
    (VAR / "start.json").write_text(json.dumps(made, indent=1))
    print(markdown(made))


def markdown(made: dict[str, Any]) -> str:
    """What was found, as a section of figures.md without its heading."""
    about, found = made["about"], made["seconds"]
    return (
        f"{about['at']}, commit {about['commit']}. From the start of a web server to its first 200 at `/readyz`:"
        f" {statistics.median(found):.2f} s ({found[0]:.2f} to {found[-1]:.2f}, {len(found)} starts)."
    )


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
