"""Requests that come from our own pages: CSRF tokens, the browser's own word for it, and addresses to go back to."""

from urllib.parse import unquote, urlsplit

from flask import Flask, current_app, g, request
from flask_wtf.csrf import CSRFProtect, generate_csrf
from werkzeug.exceptions import HTTPException, UnsupportedMediaType

from careapp.errors import Forbidden
from careapp.surface.actors import page_actor, way_of_request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN = ("same-origin", "none")  # "none": the person typed the address or used a bookmark
FIRST_PRINTABLE = "!"  # the first character that is neither a control character nor a blank
HOME = "/"


def init_csrf(app: Flask) -> None:
    """Protect every page. What is known by a header instead of a cookie needs no token, and is never asked for one.

    The token lives as long as the session: an hour's limit would throw away what is typed into a long form.
    A failed check raises flask_wtf.csrf.CSRFError; the pages' handler shows what was typed again.
    """
    app.config.update(WTF_CSRF_TIME_LIMIT=None, WTF_CSRF_CHECK_DEFAULT=False)
    protection = CSRFProtect(app)
    app.jinja_env.globals["csrf_token"] = form_token
    app.context_processor(lambda: {"csrf_token": form_token})

    @app.before_request
    def refuse_foreign_requests() -> None:
        if request.endpoint is None or request.method in SAFE_METHODS or way_of_request() is not page_actor:
            return
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in OWN:
            raise Forbidden("This came from another site, so nothing was done.", code="FOREIGN_SITE")
        protection.protect()
        if request.files:  # no form of ours has one, and a field of text cannot read one (ASVS 5.2)
            raise UnsupportedMediaType("No form here takes a file.")


def form_token() -> str:
    """The CSRF token of this request's forms, made once: a list has some in every row."""
    return g.get("csrf_token") or str(generate_csrf())


def safe_next(target: str | None) -> str:
    """`target` if it is the address of a page of ours, else the home page: nobody is sent to another site."""
    return target if target and is_ours(target, "GET") else HOME


def is_ours(target: str, method: str) -> bool:
    """Whether the URL map knows the address for this method, and no browser takes it for another site's.

    It starts with one slash and holds no backslash and nothing below `!` (browsers drop or turn those).
    """
    if target[:1] != "/" or target[1:2] in ("/", "\\"):
        return False
    if "\\" in target or any(sign < FIRST_PRINTABLE for sign in target):
        return False
    try:
        current_app.create_url_adapter(request).match(unquote(urlsplit(target).path), method=method)  # type: ignore[union-attr]
    except (HTTPException, ValueError):
        return False
    return True
