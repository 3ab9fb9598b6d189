"""Late reads for whom: a browser carries the number of its last write in a cookie, a program in a header, if it likes.

So whoever wrote reads what he wrote, from whichever machine answers him next. A program that carries nothing is read
for from the primary: it need not know that there is a replica.

The number stands in the cookie's name: of two requests under way at once, as from two tabs, the answer that comes last
may be to the earlier write, and must not take the place of the later one's.
"""

import re
from contextlib import AbstractContextManager
from typing import Any

from flask import Flask, Response, g, request

from careapp import replica
from careapp.config import Settings
from careapp.surface.actors import page_actor, way_of_request

HEADER = "Careapp-Position"
POSITION = re.compile(r"[0-9]{1,18}")
NOTHING_WRITTEN = "0"
MARGIN_SECONDS = 60  # a write is carried for longer than a replica may be behind


def init_replica(app: Flask, settings: Settings) -> None:
    """Let reads go to the replica, where there is one, for requests that say what they have written."""
    there = settings.database_replica_url is not None
    replica.use(settings.replica_longest_lag_seconds if there else None)
    if not there:
        return
    prefix = "position-" if settings.development else "__Host-position-"
    kept = int(settings.replica_longest_lag_seconds) + MARGIN_SECONDS

    @app.before_request
    def begin() -> None:
        if request.endpoint is not None:
            g.late = replica.reading_after(_position(prefix))
            g.written = g.late.__enter__()

    @app.after_request
    def tell(response: Response) -> Response:
        if not g.get("written"):
            return response
        if way_of_request() is page_actor:
            _carry(response, prefix, max(g.written), kept, secure=not settings.development)
        else:
            response.headers[HEADER] = str(max(g.written))
        return response

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        late: AbstractContextManager[list[int]] | None = g.pop("late", None)
        if late is not None:
            late.__exit__(None, None, None)


def _carry(response: Response, prefix: str, written: int, kept: int, *, secure: bool) -> None:
    """Let the browser carry this number; it takes the place of those before it that came with the request."""
    given: dict[str, Any] = {"secure": secure, "httponly": True, "samesite": "Lax", "path": "/"}
    response.set_cookie(f"{prefix}{written}", "1", kept, **given)
    for number in _carried(prefix):
        if number.isdecimal() and int(number) < written:
            response.delete_cookie(f"{prefix}{number}", **given)


def _carried(prefix: str) -> list[str]:
    """The numbers that came in the names of cookies."""
    return [name.removeprefix(prefix) for name in request.cookies if name.startswith(prefix)]


def _position(prefix: str) -> int | None:
    """What the asker has written last; None where nobody knows, so that nothing he reads may be late."""
    if way_of_request() is page_actor:
        said = _carried(prefix) or [NOTHING_WRITTEN]
    else:
        said = [request.headers.get(HEADER, "")]
    return max(map(int, said)) if all(map(POSITION.fullmatch, said)) else None
