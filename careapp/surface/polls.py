"""Polls answered again: "nothing new" is said from memory while all that it was found by is as it was (ADR 29).

Every screen asks each 15 to 120 seconds, and nearly always nothing has changed. The first such answer is found by the
application: who asks, whether he may, what his screen shows and what it would show now. It is given again without the
application while his session goes on and the version is the same. Both are asked of the database, for many screens of a
tenant at once, and hold for a second, or until this process writes in that tenant. What is said so shows nothing of
anybody; anything else, and whatever is not certain, is left to the application.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import uuid4

import structlog
from flask import Flask

from careapp import clock, tenancy
from careapp.access import Actor
from careapp.audit.writer import request_id
from careapp.config import Settings
from careapp.errors import Refusal
from careapp.identity.sessions import good_sessions
from careapp.surface.headers import tell
from careapp.surface.health import asked_before_the_application
from careapp.surface.request_limits import spend_of_actor
from careapp.telemetry.metrics import POLLS

STANDS_ON = "careapp.stands_on"  # where in a request's environment a view leaves what its answer stands on
MOST_SCREENS = 4096  # of a process, under 2 kB each
AT_ONCE = 32  # sessions asked about in one statement
FORGOTTEN = timedelta(seconds=150)  # a screen that is looked at asks more often, also when nobody touches it

K = TypeVar("K")
V = TypeVar("V")
Start = Callable[..., Any]
Environ = dict[str, Any]
_log = structlog.get_logger()


def poll_of(environ: Environ) -> bytes | None:
    """What two polls have in common that are the same but for the version their screens show: a hash of address and
    cookie. None for every other request, and for a poll of nobody.
    """
    asks = environ.get("HTTP_X_POLL") == "1" and environ.get("HTTP_HX_REQUEST") == "true"
    if not asks or environ["REQUEST_METHOD"] != "GET" or "HTTP_COOKIE" not in environ:
        return None
    if "HTTP_HX_BOOSTED" in environ or "HTTP_HX_HISTORY_RESTORE_REQUEST" in environ:
        return None
    parts = [environ["wsgi.url_scheme"], environ.get("HTTP_HOST", ""), environ["PATH_INFO"]]
    parts += [environ.get("QUERY_STRING", ""), environ["HTTP_COOKIE"]]
    return hashlib.sha256(repr(parts).encode()).digest()


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


class AsOf(NamedTuple):
    """When something was asked, by both clocks, and after which write of this process."""

    at: datetime
    ticked: float
    write: object


class Recent(Generic[K, V]):
    """What was found out in a tenant: each thing holds for some seconds, and until this process writes there."""

    def __init__(self, tenant_id: int, seconds: float) -> None:
        self._tenant_id, self._seconds = tenant_id, seconds
        self._found: dict[K, tuple[AsOf, V]] = {}  # replaced, never changed: threads read it without a lock

    def get(self, what: K) -> V | None:
        """What was found out, if it holds still."""
        as_of, found = self._found.get(what, (None, None))
        return found if as_of and self._holds(as_of) else None

    def now(self) -> AsOf:
        """What to remember with an answer; taken before it is asked for, as what is written later is not in it."""
        return AsOf(clock.now(), monotonic(), tenancy.last_write(self._tenant_id))

    def keep(self, as_of: AsOf, found: Mapping[K, V]) -> None:
        """Remember answers, and forget those that hold no more."""
        still = {what: kept for what, kept in self._found.items() if self._holds(kept[0])}
        self._found = still | {what: (as_of, one) for what, one in found.items()}

    def _holds(self, as_of: AsOf) -> bool:
        ages = (clock.now() - as_of.at).total_seconds(), monotonic() - as_of.ticked
        return as_of.write is tenancy.last_write(self._tenant_id) and all(0 <= age < self._seconds for age in ages)


class Watched:
    """A tenant with screens: when its sessions asked, and what was found out of them and of versions."""

    def __init__(self, tenant_id: int, settings: Settings) -> None:
        self.looking = threading.Lock()
        self._tenant_id, self._settings = tenant_id, settings
        self._asked_at: dict[str, datetime] = {}  # the longest ago first
        self._good: Recent[str, bool] = Recent(tenant_id, settings.poll_memory_seconds)
        self._versions: Recent[object, str | None] = Recent(tenant_id, settings.poll_memory_seconds)

    def asks(self, sid: str) -> None:
        """Note that a screen of this session asks now."""
        self._asked_at.pop(sid, None)
        self._asked_at[sid] = clock.now()

    def knows(self, answer: Standing, shown: str) -> bool | None:
        """Whether all is as it was, by what was found out; None where that does not hold any more."""
        good, version = self._good.get(answer.sid), self._versions.get(answer.what)
        return None if good is None or version is None else good and version == shown

    def goes_on(self, sid: str) -> bool:
        """Whether a session does. It is asked about together with others, whose screens will ask next."""
        found = self._good.get(sid)
        if found is None:
            as_of, asked = self._good.now(), {sid, *self._next_to_ask()}
            good = good_sessions(self._tenant_id, asked, settings=self._settings)
            self._good.keep(as_of, {one: one in good for one in asked})
            found = sid in good
        return found

    def version_now(self, answer: Standing) -> str | None:
        """The version of what a screen shows, in the same transaction if sessions were just asked about."""
        found = self._versions.get(answer.what)
        if found is None:
            as_of, found = self._versions.now(), answer.question.ask(answer.actor)
            self._versions.keep(as_of, {answer.what: found})
        return found

    def _next_to_ask(self) -> list[str]:
        asked, oldest = list(self._asked_at.items()), clock.now() - FORGOTTEN
        self._asked_at = {sid: at for sid, at in asked if at > oldest}
        return list(islice((sid for sid in tuple(self._asked_at) if self._good.get(sid) is None), AT_ONCE - 1))


class Polls:
    """The screens of a process, before its application (WSGI)."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app, self._inner, self._settings = app, app.wsgi_app, settings
        self._screens: dict[bytes, Screen] = {}
        self._tenants: dict[int, Watched] = {}

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answer a poll again, or let the application answer."""
        poll = poll_of(environ)
        if poll is None:
            return self._inner(environ, start)
        screen, begun = self._screens.get(poll), time.perf_counter()
        if screen is not None:
            request_id.set(uuid4().hex)
            if self._stands(poll, screen.stands_on, environ.get("HTTP_X_SEEN", "")):
                tell(screen.stands_on.route, "GET", 204, time.perf_counter() - begun, screen.stands_on.actor)
                start("204 NO CONTENT", [*screen.headers, ("X-Request-Id", request_id.get() or "")])
                return [b""]

        def start_and_note(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            found: Standing | None = environ.get(STANDS_ON)
            if found is not None and status.startswith("204"):
                self._remember(poll, found, headers)
            return start(status, headers, *rest)

        return self._inner(environ, start_and_note)

    def _stands(self, poll: bytes, answer: Standing, shown: str) -> bool:
        """Whether all that an answer stands on is as it was."""
        watched = self._tenants.get(answer.actor.tenant_id)
        if watched is None:
            return False
        watched.asks(answer.sid)
        known = watched.knows(answer, shown)
        if known:
            POLLS.labels("memory").inc()
        return self._look(poll, watched, answer, shown) if known is None else known

    def _look(self, poll: bytes, watched: Watched, answer: Standing, shown: str) -> bool:
        """Ask the database whether all is as it was. Who comes while somebody asks does not wait for him.

        A screen of a session that is over, or about which nothing can be told, is forgotten: the application will find
        the same, and say it.
        """
        if not watched.looking.acquire(blocking=False):
            return False
        try:
            with self._app.app_context(), asked_before_the_application():
                if watched.goes_on(answer.sid):
                    if watched.version_now(answer) != shown:
                        return False
                    spend_of_actor(answer.actor)  # of what is said from memory nobody keeps count: that costs more
                    POLLS.labels("database").inc()
                    return True
        except Refusal:
            pass
        except Exception as error:
            _log.warning("poll not looked up", exc_info=error)
        finally:
            watched.looking.release()
        self._screens.pop(poll, None)
        return False

    def _remember(self, poll: bytes, found: Standing, headers: list[tuple[str, str]]) -> None:
        """Keep a screen, and forget the one that is known for longest where there are too many; unless its answer sets
        a cookie, which is for once.
        """
        if not self._settings.poll_memory_seconds or any(name == "Set-Cookie" for name, _ in headers):
            return
        tenant_id = found.actor.tenant_id
        _make_room(self._screens)
        _make_room(self._tenants)
        self._tenants.setdefault(tenant_id, Watched(tenant_id, self._settings)).asks(found.sid)
        self._screens[poll] = Screen(found, [one for one in headers if one[0] != "X-Request-Id"])


def _make_room(kept: dict[Any, Any]) -> None:
    if len(kept) >= MOST_SCREENS:
        for one in tuple(kept)[: len(kept) + 1 - MOST_SCREENS]:
            kept.pop(one, None)


def init_polls(app: Flask, settings: Settings) -> None:
    """Put this before an application; call it before anything else is."""
    app.wsgi_app = Polls(app, settings)  # type: ignore[method-assign, assignment]
