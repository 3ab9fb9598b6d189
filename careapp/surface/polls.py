"""Polls answered again: "nothing new" is said from memory while all that it was found by is as it was (ADR 29).

Every screen asks each 15 to 20 seconds, and nearly always nothing has changed. The first such answer is found by the
application: who asks, whether he may, what his screen shows and what it would show now. It is given again without the
application while his session goes on and the version is the same. Both are asked of the database, for all screens of a
tenant at once, and hold for a second, or until this process writes in that tenant. What is said so shows nothing of
anybody; anything else, and whatever is not certain, is left to the application.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import uuid4

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from careapp import clock, tenancy
from careapp.access import Actor
from careapp.audit.writer import request_id
from careapp.config import Settings
from careapp.errors import Refusal
from careapp.identity.sessions import good_sessions
from careapp.surface.headers import tell
from careapp.surface.request_limits import spend_of_actor
from careapp.telemetry.metrics import POLLS

STANDS_ON = "careapp.stands_on"  # where in a request's environment a view leaves what its answer stands on
MOST_SCREENS = 4096  # of a process, about 2 kB each
AT_ONCE = 256  # sessions asked about in one statement
FORGOTTEN = timedelta(minutes=2)  # a screen that is looked at asks more often, also when nobody touches it

T = TypeVar("T")
Start = Callable[..., Any]
Environ = dict[str, Any]


class Poll(NamedTuple):
    """What makes two polls the same, but for the version their screens show."""

    scheme: str
    host: str
    path: str
    query: str
    cookie: str

    @classmethod
    def of(cls, environ: Environ) -> "Poll | None":
        """The poll that a request is; None for every other request, and for a poll of nobody."""
        asks = environ.get("HTTP_X_POLL") == "1" and environ.get("HTTP_HX_REQUEST") == "true"
        if not asks or environ["REQUEST_METHOD"] != "GET" or "HTTP_COOKIE" not in environ:
            return None
        if "HTTP_HX_BOOSTED" in environ or "HTTP_HX_HISTORY_RESTORE_REQUEST" in environ:
            return None
        return cls(
            environ["wsgi.url_scheme"], environ.get("HTTP_HOST", ""), environ["PATH_INFO"],
            environ.get("QUERY_STRING", ""), environ["HTTP_COOKIE"],
        )  # fmt: skip


class Question(NamedTuple):
    """A query for a version, and what it is given besides the actor: all that the version depends on but for the
    actor's tenant and clinics.
    """

    version: Callable[..., str | None]
    given: tuple[object, ...]
    named: tuple[tuple[str, object], ...]

    def ask(self, actor: Actor) -> str | None:
        """The version now; raises what the query raises."""
        return self.version(actor, *self.given, **dict(self.named))


class Standing(NamedTuple):
    """What an answer "nothing new" stands on: a session, who holds it, and the version; and the route, for the log."""

    actor: Actor
    sid: str
    question: Question
    route: str

    @property
    def what(self) -> tuple[object, ...]:
        """What is the same for all screens that show the same."""
        return self.question, self.actor.clinic_ids


class Screen(NamedTuple):
    """A screen that polls: what its answer stands on, and the answer's headers."""

    stands_on: Standing
    headers: list[tuple[str, str]]


class Sessions(NamedTuple):
    """Sessions that were asked about, and those of them that go on."""

    asked: frozenset[str]
    good: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sight(Generic[T]):
    """What was found out: when it was asked, after which write of this process, and what was answered."""

    at: datetime
    after: object
    found: T


@dataclass(slots=True)
class Watched:
    """A tenant with screens: when each session asked last, and what was found out of sessions and versions."""

    tenant_id: int
    asked_at: dict[str, datetime] = field(default_factory=dict)
    sessions: Sight[Sessions] | None = None
    versions: dict[object, Sight[str | None]] = field(default_factory=dict)
    looking: threading.Lock = field(default_factory=threading.Lock)


class Polls:
    """The screens of a process, before its application (WSGI)."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app, self._inner, self._settings = app, app.wsgi_app, settings
        self._holds = timedelta(seconds=settings.poll_memory_seconds)
        self._screens: dict[Poll, Screen] = {}
        self._tenants: dict[int, Watched] = {}

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answer a poll again, or let the application answer."""
        poll = Poll.of(environ)
        if poll is None:
            return self._inner(environ, start)
        screen, begun = self._screens.get(poll), time.perf_counter()
        if screen is not None and self._again(screen, environ.get("HTTP_X_SEEN", ""), begun):
            start("204 NO CONTENT", [*screen.headers, ("X-Request-Id", request_id.get() or "")])
            return [b""]

        def start_and_note(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            found: Standing | None = environ.get(STANDS_ON)
            if found is not None and status.startswith("204"):
                self._remember(poll, found, headers)
            return start(status, headers, *rest)

        return self._inner(environ, start_and_note)

    def _again(self, screen: Screen, seen: str, begun: float) -> bool:
        """Whether a screen's answer may be given again; then it counts as a request, and stands in the log as one."""
        request_id.set(uuid4().hex)
        on = screen.stands_on
        if not self._stands(on, seen):
            return False
        tell(on.route, "GET", 204, time.perf_counter() - begun, on.actor)
        return True

    def _stands(self, on: Standing, seen: str) -> bool:
        """Whether all is as it was. Who finds that it was asked long ago asks; who comes meanwhile does not wait."""
        watched = self._tenants.get(on.actor.tenant_id)
        if watched is None:
            return False
        watched.asked_at[on.sid] = clock.now()
        sessions, version = self._fresh(watched, watched.sessions), self._fresh(watched, watched.versions.get(on.what))
        if not sessions or not version or on.sid not in sessions.asked:
            return self._look(watched, on, seen)
        POLLS.labels("memory").inc()
        return on.sid in sessions.good and version == seen

    def _fresh(self, watched: Watched, sight: Sight[T] | None) -> T | None:
        """What was found out, if it holds still."""
        if sight is None or sight.after is not tenancy.last_write(watched.tenant_id):
            return None
        return sight.found if timedelta() <= clock.now() - sight.at < self._holds else None

    def _look(self, watched: Watched, on: Standing, seen: str) -> bool:
        """Ask the database whether all is as it was; False also where somebody asks already, or it cannot be told."""
        if not watched.looking.acquire(blocking=False):
            return False
        try:
            with self._app.app_context():
                POLLS.labels("database").inc()
                spend_of_actor(on.actor)  # what is said from memory is not counted: to count costs more
                return on.sid in self._sessions(watched, on.sid).good and self._version(watched, on) == seen
        except (SQLAlchemyError, Refusal):
            return False  # the application meets it as well, and says it
        finally:
            watched.looking.release()

    def _sessions(self, watched: Watched, sid: str) -> Sessions:
        """A session, and others whose screens have asked lately, in one statement."""
        found = self._fresh(watched, watched.sessions)
        if found is None or sid not in found.asked:
            now, after = clock.now(), tenancy.last_write(watched.tenant_id)
            recent = {one: at for one, at in list(watched.asked_at.items()) if at > now - FORGOTTEN}
            asked = frozenset([sid, *islice(recent, AT_ONCE - 1)])
            watched.asked_at = recent
            found = Sessions(asked, good_sessions(watched.tenant_id, asked, settings=self._settings))
            watched.sessions = Sight(now, after, found)
        return found

    def _version(self, watched: Watched, on: Standing) -> str | None:
        """The version of what a screen shows, in the same transaction if the sessions were just asked about."""
        found = self._fresh(watched, watched.versions.get(on.what))
        if found is None:
            now, after = clock.now(), tenancy.last_write(watched.tenant_id)
            found = on.question.ask(on.actor)
            kept = {what: one for what, one in watched.versions.items() if self._fresh(watched, one) is not None}
            watched.versions = kept | {on.what: Sight(now, after, found)}
        return found

    def _remember(self, poll: Poll, found: Standing, headers: list[tuple[str, str]]) -> None:
        """Keep a screen, unless its answer sets a cookie, which is for once."""
        if not self._holds or any(name == "Set-Cookie" for name, _ in headers):
            return
        if len(self._screens) >= MOST_SCREENS:  # those that go on asking are back within half a minute
            self._screens, self._tenants = {}, {}
        watched = self._tenants.setdefault(found.actor.tenant_id, Watched(found.actor.tenant_id))
        watched.asked_at[found.sid] = clock.now()
        self._screens[poll] = Screen(found, [one for one in headers if one[0] != "X-Request-Id"])


def init_polls(app: Flask, settings: Settings) -> None:
    """Put this before an application; call it before anything else is."""
    app.wsgi_app = Polls(app, settings)  # type: ignore[method-assign, assignment]
