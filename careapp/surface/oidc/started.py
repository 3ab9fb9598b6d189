"""Sign-ins that were started in this browser and are not over: a signed cookie of its own, good for ten minutes.

The cookie holds which states were given to this browser, so an answer that was got elsewhere is refused (RFC 9700
§4.7); each is taken out at its first use, and several tabs stand side by side. Nonce and PKCE verifier are derived from
the state by our secret and stand nowhere. Two more uses are counted elsewhere: the provider takes a code once, and
identity takes a nonce once.
"""

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from flask import Response, current_app, request
from itsdangerous import BadData, URLSafeSerializer

from careapp.surface.csrf import safe_next
from careapp.surface.sessions import secret_keys

LIFE = 600  # seconds
MOST = 5  # tabs at once; the oldest gives way
MARK = 6  # signs of a state that tell its key
LONGEST_NEXT = 400  # characters; a cookie holds 4 KB


@dataclass(frozen=True)
class Started:
    """One sign-in on its way: when it began, where it leads, and whether it confirms who is signed in already."""

    state: str
    at: int
    next: str
    again: bool

    @property
    def nonce(self) -> str:
        """What the ID token has to repeat."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """PKCE's secret (RFC 7636), which only this server can know."""
        return self._derived("verifier")

    def _derived(self, what: str) -> str:
        digest = hmac.digest(_secret_of(self.state), f"oidc:{what}:{self.state}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def start(next_page: str | None, *, again: bool) -> Started:
    """A new sign-in; `keep` puts it into the cookie."""
    to = safe_next(next_page)
    return Started(_new_state(), int(time.time()), to if len(to) <= LONGEST_NEXT else safe_next(None), again)


def take(state: str) -> Started | None:
    """The sign-in of this browser with that state, or None; `keep` without it makes that its only use."""
    return next((one for one in _held() if hmac.compare_digest(one.state.encode(), state.encode())), None)


def keep(response: Response, *, adding: Started | None = None, without: str | None = None) -> Response:
    """Write the cookie anew, with one sign-in more or one less."""
    held = [one for one in _held() if one.state != without] + ([adding] if adding else [])
    value = _serializer().dumps([[one.state, one.at, one.next, one.again] for one in held[-MOST:]])
    response.set_cookie(
        _name(), value, max_age=LIFE if held else 0, path="/", httponly=True, samesite="Lax",
        secure=current_app.config["SESSION_COOKIE_SECURE"],
    )  # fmt: skip
    return response


def _held() -> list[Started]:
    try:
        listed = _serializer().loads(request.cookies.get(_name(), ""))
        held = [Started(*one) for one in listed]
    except (BadData, TypeError):
        return []
    return [one for one in held if 0 <= time.time() - one.at <= LIFE]


def _name() -> str:
    return "__Host-oidc" if current_app.config["SESSION_COOKIE_SECURE"] else "oidc"


def _new_state() -> str:
    """A random state, with a mark at its end of the key its secrets are derived by: it may be an older one by then."""
    number = secrets.token_urlsafe(32)
    return number + _mark(_secrets()[0], number)


def _secret_of(state: str) -> bytes:
    number, mark = state[:-MARK], state[-MARK:]
    own = (secret for secret in _secrets() if hmac.compare_digest(_mark(secret, number).encode(), mark.encode()))
    return next(own, _secrets()[0])


def _mark(secret: bytes, number: str) -> str:
    digest = hmac.digest(secret, f"oidc:key:{number}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode()[:MARK]


def _secrets() -> list[bytes]:
    return [key.encode() for key in secret_keys()]


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(_secrets()[::-1], salt="careapp.oidc")  # the last one signs
