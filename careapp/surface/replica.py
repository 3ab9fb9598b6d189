"""Late reads for whom: a browser carries the number of its last write in a cookie, a program in a header, if it likes.

So whoever wrote reads what he wrote, from whichever machine answers him next. A program that carries nothing is read
for from the primary: it need not know that there is a replica.
"""

import re
from contextlib import AbstractContextManager

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
    cookie = "position" if settings.development else "__Host-position"
    kept = int(settings.replica_longest_lag_seconds) + MARGIN_SECONDS

    @app.before_request
    def begin() -> None:
        if request.endpoint is not None:
            g.late = replica.reading_after(_position(cookie))
            g.written = g.late.__enter__()

    @app.after_request
    def tell(response: Response) -> Response:
        if not g.get("written"):
            return response
        if way_of_request() is page_actor:
            # Never back: who was told that an outcome is unknown carries a number beyond all others.
            position = str(max(*g.written, _position(cookie) or 0))
            secure = not settings.development
            response.set_cookie(cookie, position, kept, secure=secure, httponly=True, samesite="Lax", path="/")
        else:
            response.headers[HEADER] = str(max(g.written))
        return response

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        late: AbstractContextManager[list[int]] | None = g.pop("late", None)
        if late is not None:
            late.__exit__(None, None, None)


def _position(cookie: str) -> int | None:
    """What the asker has written last; None where nobody knows, so that nothing he reads may be late."""
    if way_of_request() is page_actor:
        said = request.cookies.get(cookie, NOTHING_WRITTEN)
    else:
        said = request.headers.get(HEADER, "")
    return int(said) if POSITION.fullmatch(said) else None
