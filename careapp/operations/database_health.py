"""Database health: asked beside the pool whether the database answers at all, and what is done while it does not.

A server that ended says so: its connections close. One that hangs says nothing, and whoever waits for it waits for
ever, because the limits on statements are the server's own. So a thread looks after connections that have been out
for a while. When the database answers nobody, those connections are cut, requests that need it are refused at once
instead of queueing, and both end by themselves when it answers again.
"""

import os
import select
import socket
import threading
import time
import weakref
from contextlib import suppress
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import structlog
from alembic.script import ScriptDirectory
from psycopg.pq import ConnStatus, PGconn, PollingStatus, abc
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

from careapp.localdb import libpq_url

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
PATIENCE = 1.5  # seconds for an answer; readiness is to be known within two
LOOK_SECONDS = 0.25
SLOW_SECONDS = 0.5  # a connection out for longer is a reason to ask whether the database answers
SILENT_TIMES = 2  # in a row, before connections are cut: one answer may be late on a machine with much to do
LONGEST_SECONDS = 20.0  # no transaction of a request lasts this long: the server ends its statements after 15

HEALTH = "careapp.database_health"  # where an application keeps the health of its database
NEW = "careapp.new"

MIGRATE = "the database waits for its migrations: until `flask --app wsgi db upgrade` has run, requests are refused"

_REVISION = b"SELECT version_num FROM alembic_version"
_log = structlog.get_logger()


class Answer(Enum):
    """What came of asking: an answer, one that tells of a schema older than this code, a refusal, or nothing."""

    READY = "ready"
    OLD_SCHEMA = "the database waits for its migrations"
    REFUSED = "the database takes no connection"
    SILENT = "the database does not answer"


def ask(address: str, patience: float = PATIENCE) -> Answer:
    """Ask over a connection of its own, within `patience` seconds in all, whatever the other side does."""
    deadline = time.monotonic() + patience
    connection = PGconn.connect_start(libpq_url(address).encode())
    try:
        if not _connected(connection, deadline):
            return Answer.SILENT
        if connection.status != ConnStatus.OK:
            return Answer.REFUSED
        connection.send_query(_REVISION)
        while connection.is_busy():
            if not _ready(connection.socket, select.POLLIN, deadline):
                return Answer.SILENT
            connection.consume_input()
        result = connection.get_result()
        revision = (result.get_value(0, 0) or b"").decode() if result and result.ntuples else ""
    except psycopg.Error:
        return Answer.REFUSED
    finally:
        connection.finish()
    return Answer.OLD_SCHEMA if revision in _earlier_revisions() or not revision else Answer.READY


class DatabaseHealth:
    """Watches the connections an engine gives out. `applies` says whether the present code is a request's.

    `address` is where to ask, unless it is the engine's own: behind a pooler a question would wait in its queue.
    `name` is what the log calls it. `away` is true while the database answers nobody.
    """

    def __init__(self, engine: Engine, *, applies: Any, address: str | None = None, name: str = "database") -> None:
        self._name = name
        self._address = address or engine.url.render_as_string(hide_password=False)
        self._applies = applies
        self._out: dict[int, tuple[float, Any]] = {}
        self._mutex = threading.RLock()  # a connection nobody gave back comes back while Python tidies up, anywhere
        self._asking = threading.Lock()
        self._silent = 0
        self._waits = False
        self._process = 0
        for end in ("checkin", "invalidate", "close"):
            event.listen(engine, end, self._came_back)
        event.listen(engine, "connect", _is_new)
        event.listen(engine, "checkout", self._goes_out)
        event.listen(engine, "do_connect", self._is_made)

    @property
    def away(self) -> bool:
        """Whether requests are refused at once, because the database answers nobody."""
        return self._silent >= SILENT_TIMES

    def ready(self) -> Answer:
        """Whether requests can be served now: at most one question is under way, and none takes two seconds."""
        if not self._asking.acquire(timeout=0 if self._silent else PATIENCE):
            return Answer.SILENT
        try:
            answer = self._ask()
            self._tell_of_schema(answer)
            return answer
        finally:
            self._asking.release()

    def look(self) -> None:
        """Ask if there is a reason to, and cut what has waited in vain."""
        now = time.monotonic()
        with self._mutex:
            longest = max((now - since for since, _ in self._out.values()), default=0.0)
        if longest > LONGEST_SECONDS:
            self._cut(LONGEST_SECONDS)
        if not self._silent and longest < SLOW_SECONDS:
            return
        with self._asking:
            self._ask()
        if self.away:
            self._cut(PATIENCE)

    def _ask(self) -> Answer:
        was_away, answer = self.away, ask(self._address)
        self._silent = self._silent + 1 if answer is Answer.SILENT else 0
        if self.away != was_away:
            tell, said = (_log.critical, "does not answer") if self.away else (_log.warning, "is back")
            tell(f"the {self._name} {said}")
        return answer

    def _tell_of_schema(self, answer: Answer) -> None:
        """Say once that the schema is older than this code, for all the requests that are refused until it is not."""
        if answer in (Answer.READY, Answer.OLD_SCHEMA):
            before, self._waits = self._waits, answer is Answer.OLD_SCHEMA
            if self._waits and not before:
                _log.critical(MIGRATE)

    def _cut(self, seconds: float) -> None:
        """End the connections that have been out for longer, under whoever waits for them: he is told so by an error.

        A connection leaves the table before it is closed, so no number of a socket is used after it has been given to
        another.
        """
        limit = time.monotonic() - seconds
        with self._mutex:
            late = [connection for since, connection in self._out.values() if since < limit]
            for connection in late:
                with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as wire:
                    wire.shutdown(socket.SHUT_RDWR)
        if late:
            _log.warning("database connections cut", count=len(late))

    def _goes_out(self, connection: Any, record: Any, fairy: Any) -> None:
        """Give out no connection that the server has closed, and none to a request while the database is away.

        To look costs a microsecond, to ask the server a round trip: an idle connection has nothing to say, so
        anything to read on it, its end included, means that another one is needed. A new one is given out as it is: the
        pool gives up after two that were refused.
        """
        new = record.info.pop(NEW, False)
        if not new and (connection.closed or _ready(connection.fileno(), select.POLLIN, 0.0)):
            raise DisconnectionError("the server has closed it")
        if not self._applies():
            return
        if self.away:
            raise psycopg.OperationalError("the database does not answer")
        with self._mutex:
            self._out[id(record)] = (time.monotonic(), connection)
            if self._process != os.getpid():
                self._begin()

    def _is_made(self, *_: Any) -> None:
        """Make none for a request while the database is away: who waits for it would wait for as long as one may take.

        Without this, whoever finds the pool empty, as it is when connections have been cut, comes to `_goes_out` five
        seconds late.
        """
        if self.away and self._applies():
            raise psycopg.OperationalError("the database does not answer")

    def _came_back(self, connection: Any, record: Any, *_: Any) -> None:
        with self._mutex:
            self._out.pop(id(record), None)

    def _begin(self) -> None:
        """Start the thread with the first request of this process: one started before a fork would not be in it."""
        self._process = os.getpid()
        threading.Thread(target=_watch, args=(weakref.ref(self),), name="database health", daemon=True).start()


def _is_new(connection: Any, record: Any) -> None:
    """Remember of a connection that nobody has used it yet."""
    record.info[NEW] = True


def _watch(watched: "weakref.ref[DatabaseHealth]") -> None:
    """Look for as long as the application is there."""
    while (health := watched()) is not None:
        health.look()
        del health
        time.sleep(LOOK_SECONDS)


def _connected(connection: abc.PGconn, deadline: float) -> bool:
    """Wait until connecting has succeeded or failed; False when neither happens in time."""
    state = PollingStatus.WRITING
    while state not in (PollingStatus.OK, PollingStatus.FAILED):
        if connection.status == ConnStatus.BAD:
            return True
        what = select.POLLOUT if state == PollingStatus.WRITING else select.POLLIN
        if not _ready(connection.socket, what, deadline):
            return False
        state = PollingStatus(connection.connect_poll())
    return True


def _ready(wire: int, what: int, deadline: float) -> bool:
    """Whether a socket can be read or written before the deadline, a moment of the monotonic clock; 0 means now."""
    waiting = select.poll()
    waiting.register(wire, what)
    left = max(0.0, deadline - time.monotonic()) if deadline else 0.0
    return bool(waiting.poll(left * 1000))


@cache
def _earlier_revisions() -> frozenset[str]:
    """The migrations this code knows and has gone past. A later one, which it does not know, it can live with."""
    script = ScriptDirectory(str(MIGRATIONS))
    heads = set(script.get_heads())
    return frozenset(one.revision for one in script.walk_revisions() if one.revision not in heads)
