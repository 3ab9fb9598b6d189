"""Answers of pages: the whole page for a plain request, a fragment with notices for htmx.

Every answer made here says `Cache-Control: no-store` (a shared desk's Back button must not show a patient) and
`Vary: HX-Request` (one address has two forms). Of htmx-flask only the truth of `request.htmx` is used; headers are
set by hand.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, flash, get_template_attribute, make_response, redirect, request
from flask_babel import gettext as _
from htmx_flask import request as htmx_request
from markupsafe import escape

from careapp.surface.actors import current_actor
from careapp.surface.polls import STANDS_ON, Question, Standing
from careapp.surface.sessions import held
from careapp.web.drawn import with_token
from careapp.web.forms.entered import entries

NOTICES = "_macros/notices.html"
PAGES_OF_THEIR_OWN = frozenset({400, 403, 404, 409})


@dataclass(frozen=True)
class Undo:
    """What the Undo button of a notice needs: where to post, the version now, the id of the element that comes back,
    and how it is put in place ("keep" where something may be typed in it).
    """

    url: str
    version: int
    target: str
    swap: str = "outerHTML"


@dataclass(frozen=True)
class Notice:
    """What was done. `text` names nobody, because after a plain request it travels in the readable session cookie;
    `whom` (a name or locator) is printed in htmx answers only.
    """

    text: str
    whom: str | None = None
    undo: Undo | None = None


def is_htmx() -> bool:
    """Say whether a fragment is wanted. Plain and boosted links and the Back button get the whole page."""
    htmx = htmx_request.htmx
    return bool(htmx and not htmx.boosted and not htmx.history_restore_request)


def _private(response: Response) -> Response:
    """What was just made, with these two set as they are: Werkzeug would read and write each as a set."""
    response.headers["Vary"] = "HX-Request"
    response.headers["Cache-Control"] = "no-store"
    return response


def _rendered(template: str, **context: Any) -> bytes:
    """A template with the CSRF token where its pieces have a mark for it.

    One sign beyond ASCII, in somebody's name, would have all of a page copied at twice the length: then each part is
    written by itself.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    app.update_template_context(context)
    parts = list(app.jinja_env.get_template(template).generate(context))
    if all(map(str.isascii, parts)):
        return with_token("".join(parts).encode())
    return with_token(b"".join([part.encode() for part in parts]))


def _out_of_band(notice: Notice | None = None, alert: str | None = None) -> bytes:
    return str(get_template_attribute(NOTICES, "out_of_band")(notice, alert)).encode()


def page_or_fragment(
    page: str, fragment: str, status: int = 200, *, title: str | None = None, alert: str | None = None, **context: Any
) -> Response:
    """Render `page`, or for htmx only `fragment`, which the page includes.

    `status` is the answer's, so a template's own status needs another name. 422 is a form shown again: with `title`
    the browser's title then begins "Error: " for htmx as well. `alert` says why the whole was refused (409) and stands
    in the corner. A normal answer leaves the corner alone.
    """
    context |= {"errors": status == 422, "alert": alert, "title": title}
    if not is_htmx():
        return _private(make_response(_rendered(page, **context), status))
    body = _rendered(fragment, **context)
    if status == 422 and title:
        body = f"<title>{_('Error:')} {escape(title)} - careapp</title>".encode() + body
    if status >= 400:
        body += _out_of_band(alert=alert)
    return _private(make_response(body, status))


def changed(fragment: str, *, to: str, notice: Notice, **context: Any) -> Response:
    """Answer a change that leaves the user on the page: htmx gets the fresh fragment and the notice, a plain request
    a 303 to `to`, where the notice's text is shown.
    """
    if not is_htmx():
        return see_other(to, notice)
    return _private(make_response(_rendered(fragment, **context) + _out_of_band(notice)))


def see_other(to: str, notice: Notice | None = None) -> Response:
    """Answer a form that ends on another page: 303 to `to`, our own address, where the notice's text is shown."""
    if notice:
        flash(notice.text)
    return _private(make_response(redirect(to, 303)))


def is_poll() -> bool:
    """Whether a live region asks by itself, unasked by any person: that extends no session and leads nowhere."""
    return is_htmx() and request.headers.get("X-Poll") == "1"


def poll_seen() -> str | None:
    """The version of a live region that its poll shows now; None when this is no poll."""
    return request.headers.get("X-Seen", "") if is_poll() else None


def nothing_new(version: Callable[..., str | None], *given: object, **named: object) -> bool:
    """Whether this is a poll whose screen shows the version that the query `version(actor, …)` returns. It must depend
    on what it is given, the actor's tenant and clinics, and nothing else of him: who has the same share it (polls.py).
    """
    seen = poll_seen()
    if seen is None:
        return False
    actor, question = current_actor(), Question(version, given, tuple(sorted(named.items())))
    if question.ask(actor) != seen:
        return False
    mine, rule = held(), request.url_rule
    if mine and rule:
        request.environ[STANDS_ON] = Standing(actor, mine[1], question, rule.rule)
    return True


def unchanged() -> Response:
    """Answer htmx where there is nothing new to show: 204, nothing is swapped."""
    return _private(make_response("", 204))


def _alert(body: str, status: int) -> Response:
    """An answer htmx puts into the alerts corner instead of its target, so the form that was sent stays as it is."""
    response = make_response(body, status)
    response.headers["HX-Retarget"] = "#alerts"
    response.headers["HX-Reswap"] = "innerHTML"
    return _private(response)


def refused(status: int, message: str, *, page: str | None = None, **context: Any) -> Response:
    """Answer a refusal by an error page, `page` where it is not the status's; for htmx by the message as an alert."""
    if is_htmx():
        return _alert(str(escape(message)), status)
    usual = f"errors/{status}.html" if status in PAGES_OF_THEIR_OWN else "errors/other.html"
    return _private(make_response(_rendered(page or usual, message=message, **context), status))


def signed_out(sign_in: str) -> Response:
    """Answer a request without a session. `sign_in` is the sign-in page's address, `next` included.

    A plain request goes there by 303, an htmx GET by HX-Redirect (else the page would land inside a fragment); an
    htmx POST, and a poll, get an alert with a link, so that what was typed stays.
    """
    return led_to(sign_in, 401, alert="signed_out_alert")


def led_to(address: str, status: int, *, alert: str) -> Response:
    """Answer a request that has to wait for what `address`, a page of ours, is there for. `alert` names the macro of
    NOTICES that says so, given the address, where the page stays.
    """
    if is_htmx() and (request.method != "GET" or is_poll()):
        return _alert(str(get_template_attribute(NOTICES, alert)(address)), status)
    if not is_htmx():
        return see_other(address)
    response = _private(make_response("", status))
    response.headers["HX-Redirect"] = address
    return response


def stale_token(token: str, sign_in: str | None = None) -> Response:
    """Answer a form whose CSRF token is old (the user signed in again elsewhere) without losing what was typed.

    htmx: the page script takes the new `token`, and the next press works. Plain: a page with the posted fields and one
    button, only when the browser vouches that our own page sent the form (Sec-Fetch-Site), so that a foreign site
    cannot have its form confirmed here; never with a password in it. With `sign_in`, that page's address, nobody is
    signed in at all: the page says so first.
    """
    if is_htmx():
        message = _("Not saved yet: you signed in again in another tab. Press the button once more.")
        response = _alert(message, 400)
        response.headers["HX-Trigger"] = json.dumps({"token": {"value": token}})
        return response
    posted = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    own = request.headers.get("Sec-Fetch-Site") == "same-origin" and not request.files
    if not own or any("password" in name for name, _ in posted):
        return refused(400, _("This page was open for too long. Go back, reload it and try again."))
    query = f"?{request.query_string.decode('ascii', 'replace')}" if request.query_string else ""
    page = _rendered(
        "errors/not_saved.html", posted=posted, entered=entries(posted), action=request.path + query, sign_in=sign_in,
        about=None, held=False,
    )  # fmt: skip
    return _private(make_response(page, 400))
