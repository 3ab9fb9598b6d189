"""The log: one line a request, and only keys that somebody writes are let through."""

import ast
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from apiflask import APIFlask
from structlog.testing import capture_logs

from careapp.access import Actor
from careapp.logs import ALLOWED, MOMENT, configure_logs
from careapp.surface.headers import about_this
from tests import factories as make
from tests.api.client import Api, speaking_for
from tests.conftest import ROOT
from tests.database import TestDatabase
from tests.instance import shared_settings

ALWAYS = {"event", "level", "timestamp", "error", "where", "constraint"}  # of structlog, and of an error
LEVELS = {"info", "warning", "error", "critical", "tell"}


def requests(send: Callable[[], Any]) -> list[dict[str, Any]]:
    """The lines about requests that are written while something is sent."""
    with capture_logs() as lines:
        send()
    return [line for line in lines if line["event"] == "request"]


def test_a_request_leaves_one_line_without_the_address_as_sent(app: APIFlask, clinician: Actor, god: Actor) -> None:
    episode = make.an_episode(god).locator
    [line] = requests(lambda: speaking_for(app, clinician).get(f"/episodes/{episode}"))
    assert line.pop("milliseconds") > 0
    assert len(line.pop("request_id")) == 32
    assert line == {
        "event": "request", "log_level": "info", "method": "GET", "route": "/api/v1/episodes/<locator>", "status": 200,
        "tenant": clinician.tenant_key, "actor": f"token:{clinician.name}",
    }  # fmt: skip


def test_a_refused_stranger_and_an_unknown_address_leave_one_too(app: APIFlask) -> None:
    stranger = Api(app, {})
    [line] = requests(lambda: stranger.get("/patients?name=Daw+Secret"))
    assert (line["status"], line["actor"], line["route"]) == (401, None, "/api/v1/patients")
    [line] = requests(lambda: stranger.get("/nowhere/Daw-Secret"))
    assert (line["status"], line["route"]) == (404, None)
    assert "Secret" not in str(line)


def test_a_method_nobody_knows_is_not_repeated(app: APIFlask) -> None:
    [line] = requests(lambda: app.test_client().open("/today", method="DAW-SECRET"))
    assert (line["method"], line["status"]) == ("other", 405)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/static/app.css"])
def test_health_and_static_files_leave_none(app: APIFlask, path: str) -> None:
    assert requests(lambda: app.test_client().get(path).close()) == []


def test_the_list_holds_exactly_the_keys_that_are_written() -> None:
    written: set[str] = set()
    for path in (ROOT / "careapp").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and is_log(node.func):
                written |= {word.arg for word in node.keywords if word.arg}
    about_an_event = {"topic", "key", "event_id"}  # drain.py writes these as a dictionary
    assert (written - {"exc_info"}) | ALWAYS | about_an_event | set(about_this()) == ALLOWED


def is_log(called: ast.expr) -> bool:
    """Whether this writes a line: `_log.info`, or `tell`, which is one of its levels."""
    if isinstance(called, ast.Attribute):
        return isinstance(called.value, ast.Name) and called.value.id == "_log" and called.attr in LEVELS
    return isinstance(called, ast.Name) and called.id == "tell"


def test_lines_are_in_order_by_their_text_also_on_the_second() -> None:
    whole, later = (datetime(2026, 11, 22, 16, 10, 5, some, tzinfo=UTC).strftime(MOMENT) for some in (0, 7))
    assert whole == "2026-11-22T16:10:05.000000Z" < later


def test_a_key_that_is_not_on_the_list_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    kept = structlog.get_config()
    try:
        configure_logs(readable=False)
        structlog.get_logger().info("request", status=200, name="Daw Secret")
    finally:
        structlog.configure(**kept)
    line = json.loads(capsys.readouterr().out)
    assert set(line) == {"event", "level", "timestamp", "status"}
    assert datetime.strptime(line["timestamp"], MOMENT)


def test_what_libraries_and_flask_log_of_a_web_process_is_a_line_too_and_quotes_nothing(
    app: APIFlask, database: TestDatabase, tmp_path: Path
) -> None:
    """Where the page of an error fails as well, Flask logs the address as sent and the text of the error."""
    program = """
import logging, wsgi
logging.getLogger("some.library").warning("Daw Secret has %s", "rash")
try:
    raise ValueError("Daw Secret")
except ValueError:
    with wsgi.app.test_request_context("/patients/Daw-Secret"):
        wsgi.app.log_exception(__import__("sys").exc_info())
"""
    environment = {**os.environ, **shared_settings(app, database, tmp_path), "CAREAPP_ENV": "production"}
    environment |= {
        "TRUSTED_HOSTS": "localhost",
        "JWT_SECRET": "",
        "ENCRYPTION_KEYS": f"a:{b64encode(bytes(32)).decode()}",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "Secret" not in done.stdout + done.stderr
    assert done.stderr == ""
    warned, failed = [line for line in map(json.loads, done.stdout.splitlines()) if line["event"] == "library warns"]
    assert (warned["library"], warned["level"]) == ("some.library", "warning")
    assert warned["where"] == ["<string>:3 <module>"]
    assert (failed["library"], failed["level"], failed["error"]) == ("careapp", "error", "ValueError")
