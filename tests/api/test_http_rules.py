"""HTTP itself: what proxies say and clients invent, methods nobody needs, types and charsets (ASVS 5.0 4.1)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from apiflask import APIFlask
from flask import request
from werkzeug.test import EnvironBuilder, run_wsgi_app

from careapp.db import db
from careapp.surface.headers import ALWAYS
from tests.api.client import Api, is_problem
from tests.conftest import make_app
from tests.database import TestDatabase

INVENTED = {
    "X-Forwarded-For": "198.51.100.9, 203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example",
    "Forwarded": "for=198.51.100.9;proto=https;host=evil.example", "X-Real-IP": "198.51.100.9",
}  # fmt: skip


@pytest.mark.parametrize(
    ("proxies", "address", "scheme"), [(0, "192.0.2.1", "http"), (1, "203.0.113.7", "https")], ids=["none", "one"]
)
def test_who_asks_is_what_our_own_proxies_say(
    database: TestDatabase, tmp_path: Path, proxies: int, address: str, scheme: str
) -> None:
    app = make_app(database, tmp_path, trusted_proxies=proxies)
    seen: list[tuple[str | None, str, str]] = []
    app.before_request_funcs.setdefault(None, []).insert(
        0, lambda: seen.append((request.remote_addr, request.scheme, request.host))
    )
    environ = EnvironBuilder(path="/healthz", headers=INVENTED, environ_base={"REMOTE_ADDR": "192.0.2.1"}).get_environ()
    _, _, headers = run_wsgi_app(app, environ)
    assert seen == [(address, scheme, "localhost")]
    assert ("Strict-Transport-Security" in headers) is (scheme == "https")
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("path", ["/", "/sign-in", "/healthz", "/static/app.css", "/api/v1/episodes", "/internal/x"])
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "DEBUG"])
def test_methods_nobody_needs_are_refused(app: APIFlask, path: str, method: str) -> None:
    answer = app.test_client().open(path, method=method, headers={"X-Secret": "echo me"})
    assert answer.status_code in (404, 405)
    assert "echo me" not in answer.text


@pytest.mark.parametrize(
    ("path", "mimetype"),
    [("/sign-in", "text/html"), ("/verify", "text/html"), ("/static/app.css", "text/css"),
     ("/static/app.js", "text/javascript"), ("/nothing", "text/html"), ("/api/docs", "text/html"),
     ("/api/openapi.json", "application/json"), ("/api/nothing", "application/problem+json")],
)  # fmt: skip
def test_an_answer_says_what_it_is(app: APIFlask, path: str, mimetype: str) -> None:
    answer = app.test_client().get(path, buffered=True)
    assert answer.mimetype == mimetype
    assert not mimetype.startswith("text/") or answer.mimetype_params["charset"].lower() == "utf-8"


def test_the_protecting_headers_say_this() -> None:
    """ASVS 5.0 3.4.3 to 3.4.6, word by word: other tests compare answers with the list in the code."""
    assert ALWAYS == {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                                   "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
                                   "frame-ancestors 'none'; object-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/sign-in", "/static/app.css", "/nothing", "/api/openapi.json", "/healthz"])
def test_other_sites_may_read_and_frame_nothing(app: APIFlask, path: str) -> None:
    answer = app.test_client().get(path, headers={"Origin": "https://evil.example"}, buffered=True)
    assert [name for name, _ in answer.headers if name.startswith("Access-Control-")] == []
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    policy = answer.headers["Content-Security-Policy"]
    assert all(part in policy for part in ("frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"))
    assert "unsafe" not in policy


def test_a_parameter_sent_twice_is_refused(api: Callable[..., Api]) -> None:
    assert "Send this once" in is_problem(api().get("/episodes?status=OPEN&status=CLOSED"), 422)["errors"][0]["detail"]


@pytest.mark.parametrize("path", ["/static/", "/static/vendor/", "/static/../config.py", "/.git/HEAD", "/.env"])
def test_nothing_is_listed_and_nothing_beside_the_static_files_is_served(app: APIFlask, path: str) -> None:
    assert app.test_client().get(path).status_code == 404
