"""Pages of signing in and out, and where somebody who is signed out is led."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, flash, request
from flask_wtf.csrf import generate_csrf

from careapp.errors import Invalid, Refusal, TooMany, Unauthenticated
from careapp.identity.second_stage import HalfSignedIn, SignedInBy
from careapp.identity.sign_in import SignedIn
from careapp.identity.sign_in import sign_in as start_session
from careapp.surface import sessions
from careapp.surface.actors import SignedOut, public, signed_in
from careapp.surface.csrf import safe_next
from careapp.web.drafts import keep_posted, typed_in_vain
from careapp.web.forms.fields import CareForm
from careapp.web.forms.sign_in import SignInForm
from careapp.web.htmx import is_htmx, page_or_fragment, see_other, signed_out, stale_token, unchanged
from careapp.web.refusals import said

bp = Blueprint("sign_in", __name__)

PAGE = "identity/sign_in.html"


@bp.get("/sign-in")
@public
def sign_in() -> Response:
    """The form; somebody signed in already goes straight on."""
    if sessions.signed_in_actor():
        return see_other(safe_next(request.args.get("next")))
    return show_sign_in(SignInForm(request.args.to_dict()))


@bp.post("/sign-in")
@public
def sign_in_post() -> Response:
    """Sign in and go on to `next`. The password is never sent back."""
    form = SignInForm()
    try:
        sent = form.checked()
        signed = start_session(sent.email, sent.password, address=sessions.peer(), device=sessions.device())
    except Invalid:
        return show_sign_in(form, 422)
    except (Unauthenticated, TooMany) as refusal:
        return refused_form(form, refusal, show_sign_in)
    if isinstance(signed, HalfSignedIn):
        sessions.begin_half(*signed)
        return see_other(f"/sign-in/second?next={quote(safe_next(sent.next), safe='/')}")
    return started(signed, sent.next)


def started(signed: SignedIn | SignedInBy, to: str | None) -> Response:
    """Put a session just begun into the cookie, in place of whatever it held, and go on to a page of ours."""
    sessions.end("signed in again")
    sessions.begin(*signed)
    return see_other(safe_next(to))


@bp.post("/sign-out")
@public
def sign_out() -> Response:
    """End the session; the browser also drops what it kept of our pages. Works when the session is over already."""
    goes_on_elsewhere = sessions.end("signed out")
    response = see_other("/signed-out" if goes_on_elsewhere else "/sign-in")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@bp.post("/session")
@signed_in
def stay_signed_in() -> Response:
    """The answer to "Stay signed in": being asked for is what extends the session."""
    return unchanged() if is_htmx() else see_other("/")


@bp.app_errorhandler(SignedOut)
def lead_to_sign_in(refusal: SignedOut) -> Response:
    """Lead somebody without a session to the form, and back to the page afterwards.

    A plain form that came too late is kept as a draft, and the way leads back to that. A session that was ended writes
    nothing any more, as its cookie may be in others' hands: the form goes back to the browser it came from.
    """
    draft = keep_posted()
    if draft is None and typed_in_vain():
        return stale_token(generate_csrf(), sign_in=sign_in_address())
    return signed_out(f"/sign-in?next={draft}" if draft else sign_in_address())


def sign_in_address() -> str:
    """The sign-in page's address, with the page to come back to."""
    return back_to("/sign-in")


def back_to(page: str, *, file: bool = False) -> str:
    """The address of a page somebody is led to, with the one to come back to: the one asked for, or, for a change and
    for a file, the one it was asked for on.

    For a plain form that is the Referer, which our Referrer-Policy lets the browser tell to ourselves alone.
    """
    if is_htmx():
        back = _path_of(request.headers.get("HX-Current-URL", ""))
    elif request.method == "GET" and not file:
        back = request.full_path.rstrip("?")
    else:
        back = _path_of(request.referrer or "")
    return f"{page}?next={quote(safe_next(back), safe='/')}"


def signed_out_by(refusal: Unauthenticated) -> SignedOut:
    """What to raise where a failed proof has ended the session: the sign-in page then says why."""
    sessions.forget()
    flash(said(refusal))
    return SignedOut()


def refused_form(form: CareForm, refusal: Refusal, shown: Callable[[Any, int], Response]) -> Response:
    """A form again, by `shown(form, status)`, with one sentence on top: 429 with Retry-After for a wait, else 422."""
    form.form_errors.append(said(refusal))
    response = shown(form, refusal.status if isinstance(refusal, TooMany) else 422)
    if isinstance(refusal, TooMany):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _path_of(page: str) -> str:
    """Path and query of a page's whole address; empty for one of another site or an unreadable one."""
    try:
        parts = urlsplit(page)
    except ValueError:
        return ""
    return parts._replace(scheme="", netloc="", fragment="").geturl() if parts.netloc == request.host else ""


def show_sign_in(form: SignInForm, status: int = 200) -> Response:
    """The page with the form. It says why it is there where a session is over, and that a form sent since is kept."""
    kept = str(form.next.data or "").startswith("/drafts/")
    return page_or_fragment(PAGE, PAGE, status, form=form, ended=sessions.ended(), kept=kept)
