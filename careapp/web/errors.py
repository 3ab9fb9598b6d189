"""Errors on pages: each refusal as a page, or as a notice where htmx asked.

Addresses of the JSON surfaces get a problem document also where no blueprint of theirs answers.
"""

from flask import Flask, Response, current_app, g, make_response, request
from flask_babel import lazy_gettext as _l
from flask_wtf.csrf import CSRFError, generate_csrf
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.wrappers import Response as AnyResponse

from careapp.audit.writer import request_id
from careapp.errors import Refusal, Restricted, TenantSuspended, Upstream
from careapp.surface.problems import code_of, fault, problem_of, speaks_json
from careapp.surface.sessions import signed_in_actor
from careapp.telemetry.metrics import count_code
from careapp.web.emergency import restricted_page
from careapp.web.htmx import is_htmx, refused, signed_out, stale_token
from careapp.web.refusals import said
from careapp.web.sign_in import sign_in_address

FOR_ANYBODY = ("sign_in.sign_in_post", "prescription_print.verify_post")  # forms that need nobody signed in
SOON = "2"  # seconds until another try makes sense, as on the JSON surfaces
UNREADABLE = _l("The address or the form could not be read.")
WORDS_FOR = {
    404: _l("There is nothing here under that address."),
    405: _l("This address does not take that."),
    408: _l("The rest of the form did not come in time. Send it again."),
    413: _l("That is more than can be sent at once. Shorten it."),
}


def init_errors(app: Flask) -> None:
    """Answer everything that goes wrong outside the JSON blueprints, which answer for themselves."""
    app.register_error_handler(CSRFError, stale_form)
    app.register_error_handler(HTTPException, not_served)
    app.register_error_handler(Refusal, refusal_page)
    app.register_error_handler(Restricted, restricted_page)
    app.register_error_handler(TenantSuspended, suspended_page)
    app.register_error_handler(Exception, broken)


def refusal_page(refusal: Refusal) -> Response:
    """A refusal no view has shown on its own page."""
    g.refused = refusal.code  # for the log
    response = refused(refusal.status, said(refusal))
    if hasattr(refusal, "retry_after"):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def suspended_page(refusal: TenantSuspended) -> Response:
    """Nobody of this organisation is let in for now: one page says so, whatever was asked for."""
    g.refused = refusal.code
    return refused(refusal.status, said(refusal), page="errors/suspended.html")


def stale_form(error: CSRFError) -> Response:
    """A form from before the last sign-in, or the sign-out in another tab: what was typed is kept.

    The sign-in form itself and signing out need nobody signed in.
    """
    _tell("FORGED_FORM")
    if signed_in_actor() or request.endpoint in FOR_ANYBODY:
        return stale_token(generate_csrf())
    if is_htmx() or request.endpoint == "sign_in.sign_out":
        return signed_out(sign_in_address())
    return stale_token(generate_csrf(), sign_in=sign_in_address())


def not_served(error: HTTPException) -> AnyResponse:
    """An address nobody answers, a body too large, and the like."""
    status = error.code or 500
    cause = getattr(error, "original_exception", None) or error  # Flask's own 500 wraps what a handler has raised
    if error.response is not None or status < 400:
        return error.get_response(request.environ)
    if speaks_json(request.path):
        return problem_of(cause)
    if status < 500:
        _tell("UNTRUSTED_HOST" if isinstance(error, SecurityError) else code_of(error))
    if isinstance(error, SecurityError):  # a foreign Host: no address can be built, so no page of ours either
        return Response(str(UNREADABLE), status, mimetype="text/plain")
    return refused(status, str(WORDS_FOR.get(status, UNREADABLE))) if status < 500 else broken(cause)


def broken(error: Exception) -> Response:
    """A fault of ours: a page that stands alone, with the number the log knows. htmx's script keeps what was typed.

    Rendered without the context processors: they ask for the session, and that may be what failed.
    """
    if speaks_json(request.path):
        return problem_of(error)
    refusal = fault(error)
    _tell(refusal.code)
    status = refusal.status
    away = status == Upstream.status
    template = current_app.jinja_env.get_template("errors/500.html")
    page = "" if is_htmx() else template.render(request_id=request_id.get() or "none", away=away)
    response = make_response(page, status)
    if away:
        response.headers["Retry-After"] = SOON
    response.cache_control.no_store = True
    return response


def _tell(code: str) -> None:
    """Say to the log and the figures what was refused; a Refusal is counted where its words are looked for."""
    g.refused = code
    count_code(code)
