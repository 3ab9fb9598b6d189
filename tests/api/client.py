"""A client of the JSON surfaces, and what tests look at: problem documents, and a checksum of all that is stored."""

import json as plain_json
from contextvars import Context
from typing import Any

import psycopg
from apiflask import APIFlask
from psycopg import sql
from werkzeug.test import TestResponse

from careapp import localdb
from careapp.access import Actor
from careapp.api.document import CODES
from careapp.surface.tokens import own_token
from tests.database import TestDatabase


class Api:
    """A client that speaks as somebody: paths are relative to `base`, bodies are sent as JSON."""

    def __init__(self, app: APIFlask, headers: dict[str, str], base: str = "/api/v1") -> None:
        self._app, self.headers, self._base = app, headers, base

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """One request; header names are written with underscores, as in If_Match."""
        data = None if body is None else plain_json.dumps(body).encode()
        return self.raw(method, path, data, **({"Content_Type": "application/json"} if data else {}), **headers)

    def raw(self, method: str, path: str, data: bytes | None, **headers: str) -> TestResponse:
        """One request with these very bytes, in an application context of its own: the test's would lend it its `g`."""
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        address = path if path.startswith(("/api", "/internal")) else self._base + path
        client = self._app.test_client(use_cookies=False)
        return Context().run(client.open, address, method=method, data=data, headers=sent, buffered=True)

    def get(self, path: str, **headers: str) -> TestResponse:
        """GET."""
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """POST."""
        return self.send("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """PATCH."""
        return self.send("PATCH", path, body, **headers)


def speaking_for(app: APIFlask, actor: Actor) -> Api:
    """A client with a token of this actor; his roles and tenant are all that the token says of him."""
    return Api(app, {"Authorization": f"Bearer {own_token(actor, app.config['SETTINGS'])}"})


def all_stored(
    database: TestDatabase, *, but: tuple[str, ...] = ("audit_event", "audit_patients"), texts: bool = False
) -> dict[str, Any]:
    """A count and a checksum of every table, of all tenants, by name; what is audited does not count.

    The checksum is over the transactions that wrote the rows, so that an UPDATE that changes nothing shows as well;
    with `texts` over what the rows say, which takes many times as long once thousands of tests have left theirs.
    """
    seen = sql.SQL("t" if texts else "xmin")
    with psycopg.connect(localdb.libpq_url(database.whole)) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'care'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition"
        ).fetchall()
        assert names, "no table was found, so nothing would be compared"
        each = [
            sql.SQL("SELECT {}, count(*), sum(hashtext({}::text)) FROM care.{} t").format(
                name, seen, sql.Identifier(name)
            )
            for (name,) in names
            if name not in (*but, "rate_limits")  # that a request was made is counted there, whatever it was
        ]
        return {name: stored for name, *stored in connection.execute(sql.SQL(" UNION ALL ").join(each))}


def is_problem(answer: TestResponse, status: int | None = None, code: str | None = None) -> dict[str, Any]:
    """The problem document of a refusal, after looking at its form."""
    assert answer.content_type == "application/problem+json", (answer.status, answer.data[:300])
    document: dict[str, Any] = plain_json.loads(answer.data)
    assert {"type", "title", "status", "detail", "code", "errors"} <= set(document)
    assert document["status"] == answer.status_code
    assert status is None or answer.status_code == status, document
    assert code is None or document["code"] == code, document
    known = CODES.get(str(answer.status_code), (document["code"],))
    assert document["code"] in known, "a code that the document does not name (api/document.py)"
    return document
