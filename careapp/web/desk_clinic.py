"""The clinic this desk stands at: the browser remembers it, as a desk's computer does not move about."""

from flask import Response, current_app, request

from careapp.errors import Invalid
from careapp.web.forms.typed import locator_in

KEPT_SECONDS = 365 * 24 * 3600


def cookie_name() -> str:
    """The cookie's name; where it is Secure, with the prefix by which no other host can set it (RFC 6265bis)."""
    return "desk-clinic" if current_app.config["SETTINGS"].development else "__Host-desk-clinic"


def desk_clinic() -> str | None:
    """The locator of the clinic last chosen in this browser, or None. Whether the user may see it is for the read."""
    try:
        return locator_in(request.cookies.get(cookie_name()), "CLN")
    except Invalid:
        return None  # not ours: a cookie is the browser's to change


def remember_clinic(response: Response, locator: str) -> Response:
    """Let the browser remember the clinic; it holds a locator and nothing of anybody."""
    if locator != request.cookies.get(cookie_name()):
        secure = not current_app.config["SETTINGS"].development
        response.set_cookie(
            cookie_name(), locator, max_age=KEPT_SECONDS, secure=secure, httponly=True, samesite="Lax", path="/"
        )
    return response
