"""Browser sessions: the signed cookie holds a tenant and a random value; who that is stands in the database.

The cookie is signed, not secret, so it never holds a name. Flask-Login is used with a request loader only:
`login_user()` would write keys of its own into the cookie beside ours.
"""

from flask import Flask, Request, Response, current_app, g, request, session
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_login import LoginManager, current_user
from itsdangerous import URLSafeTimedSerializer

from careapp.access import Actor
from careapp.config import Settings
from careapp.errors import TenantSuspended
from careapp.identity import sessions as rows
from careapp.identity.devices import device_of
from careapp.identity.drafts import user_of_ended
from careapp.identity.preferences import Preferences
from careapp.identity.sessions import Holder, OpenSession
from careapp.surface.received import receive_body


class SignedCookie(SecureCookieSessionInterface):
    """Flask's cookie. What signs it and checks it is made once for a set of keys, instead of in every request, and an
    answer for which nobody looked at it is left as it is.
    """

    def __init__(self) -> None:
        self._made: tuple[list[object], URLSafeTimedSerializer | None] = ([], None)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """What signs by the newest key, and believes all of them; they change only when somebody sets others."""
        keys = [app.secret_key, *app.config["SECRET_KEY_FALLBACKS"]]
        made = self._made
        if made[0] != keys:
            made = self._made = (keys, super().get_signing_serializer(app))
        return made[1]

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Send the cookie if it has changed, and say that the answer depends on it if anybody looked."""
        if session.accessed or session.modified:
            super().save_session(app, session, response)


class Person:
    """Flask-Login's view of somebody signed in: the actor, and nothing kept in the cookie."""

    is_authenticated = is_active = True
    is_anonymous = False

    def __init__(self, holder: Holder) -> None:
        self.actor, self.preferences, self.session = holder

    def get_id(self) -> str:
        """The actor's name."""
        return self.actor.name


def init_sessions(app: Flask, settings: Settings) -> None:
    """Set the cookie's rules and find out who holds it, at most once a request and only when somebody asks.

    Plain HTTP is for development: there the `__Host-` name and Secure would make clients drop the cookie.
    """
    assert settings.secret_key, "config.load() makes one or refuses to start"
    set_keys(app, settings.secret_key.get_secret_value(), settings.older_secret_keys())
    app.session_interface = SignedCookie()
    app.config.update(
        SESSION_COOKIE_NAME="session" if settings.development else "__Host-session",
        SESSION_COOKIE_SECURE=not settings.development,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
    )
    manager = LoginManager()
    manager.session_protection = None  # it hashes an address the client can choose
    manager.request_loader(_load)
    manager.init_app(app, add_context_processor=False)


def set_keys(app: Flask, newest: str, older: list[str]) -> None:
    """Let `newest` sign cookies and forms, and what `older` have signed hold as well (ASVS 5.0 11.2.2).

    It is for the start: polls.py does not look at the signature of a cookie again that it knows.
    """
    app.config.update(
        SECRET_KEY=newest,
        SECRET_KEY_FALLBACKS=older,
        WTF_CSRF_SECRET_KEY=[*reversed(older), newest],  # itsdangerous signs with the last one
    )


def secret_keys() -> list[str]:
    """The key that signs, and after it the older ones whose signatures are still believed."""
    return [current_app.config["SECRET_KEY"], *current_app.config["SECRET_KEY_FALLBACKS"]]


def signed_in_actor() -> Actor | None:
    """Who is signed in by this request's cookie, or None."""
    person = _person()
    return person.actor if person else None


def signed_in_preferences() -> Preferences | None:
    """How who is signed in likes pages, or None."""
    person = _person()
    return person.preferences if person else None


def signed_in_session() -> OpenSession | None:
    """The live session of this request's cookie, or None."""
    person = _person()
    return person.session if person else None


def session_waits() -> bool:
    """Whether this request's cookie holds a session that is refused because its tenant is suspended."""
    return signed_in_actor() is None and bool(g.get("session_waits"))


def held() -> tuple[int, str] | None:
    """The tenant and the value of this request's cookie, whether or not a session stands behind it."""
    tenant, sid = session.get("tenant"), session.get("sid")
    return (tenant, sid) if isinstance(tenant, int) and isinstance(sid, str) else None


def held_before() -> tuple[int, int] | None:
    """The tenant and the user of this request's cookie where its session has run out by itself; None else.

    Good for keeping what he sent until he has signed in again, and for nothing more: he is not signed in.
    """
    mine = held()
    user_id = user_of_ended(*mine) if mine and signed_in_actor() is None else None
    return (mine[0], user_id) if mine and user_id else None


def ended() -> str | None:
    """How the session of this request's cookie is over: "elsewhere", where somebody ended it, or "by itself". None
    where it is not, and where there is none.
    """
    mine = held()
    if mine is None or signed_in_actor() or session_waits():
        return None
    return "elsewhere" if rows.was_ended(*mine) else "by itself"


def begin(tenant_id: int, sid: str) -> None:
    """Start a new cookie for a session just made; nothing of the old one stays, its CSRF token included."""
    session.clear()
    session["tenant"], session["sid"] = tenant_id, sid


def begin_half(tenant_id: int, half: str) -> None:
    """Start a new cookie for half a session; it is nobody's until a second factor makes a session of it."""
    session.clear()
    session["half_tenant"], session["half"] = tenant_id, half


def renew(sid: str) -> None:
    """Put a session's new value in the cookie. The CSRF token stays, so that open forms of other tabs do too."""
    session["sid"] = sid


def forget() -> None:
    """Empty the cookie of a session that is over."""
    session.clear()


def end(reason: str) -> bool:
    """End the session this request's cookie holds, if any, and empty the cookie.

    Says whether it was begun at an identity provider, where a session of its own goes on.
    """
    mine = held()
    session.clear()
    return rows.end_session(*mine, reason, address=peer()) if mine else False


def peer() -> str:
    """The network address the request came from, for limits and the audit."""
    return request.remote_addr or "unknown"


def device() -> str | None:
    """The browser and system the request came from, in words, where they are known."""
    return device_of(request.headers.get("User-Agent"))


def _person() -> Person | None:
    """Who is signed in, as Flask-Login keeps him for this request."""
    found = current_user._get_current_object()
    return found if isinstance(found, Person) else None


def _load(request: Request) -> Person | None:
    """Flask-Login's request loader. A poll (X-Poll: 1) never extends the session.

    Raises nothing for a suspended tenant: whoever draws a page asks who is signed in, the page that says so as well.
    """
    mine = held()
    if mine is None:
        return None
    receive_body()
    poll = request.headers.get("X-Poll") == "1"
    try:
        found = rows.session_actor(*mine, settings=current_app.config["SETTINGS"], poll=poll)
    except TenantSuspended:
        g.session_waits = True
        return None
    return Person(found) if found else None
