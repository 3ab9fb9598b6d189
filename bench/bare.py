"""The ruler behind HTTP: a WSGI function that runs recorded statements and answers their rows, and does nothing else.

`BENCH_DATABASE` is the database's address and `BENCH_PLANS` the file of plans by name. A request is a POST to
`/NAME` with the plan's inputs as JSON. Each thread of the server keeps one psycopg connection.
"""

import json
import os
import pickle
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psycopg

from bench.statements import Plan, run

_own = threading.local()
_plans: dict[str, Plan] = {}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Run the plan named in the path and answer the rows of the statement that returned most."""
    inputs = json.loads(environ["wsgi.input"].read())
    results = run(connection(), plan(environ["PATH_INFO"][1:]), inputs)
    body = json.dumps(max(results, key=len), default=str).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def connection() -> psycopg.Connection[Any]:
    """This thread's connection."""
    if not hasattr(_own, "connection"):
        _own.connection = psycopg.connect(os.environ["BENCH_DATABASE"], options="-c timezone=UTC")
    kept: psycopg.Connection[Any] = _own.connection
    return kept


def plan(name: str) -> Plan:
    """The plan of that name. The file is our own, written by the same run."""
    if not _plans:
        _plans.update(pickle.loads(Path(os.environ["BENCH_PLANS"]).read_bytes()))
    return _plans[name]
