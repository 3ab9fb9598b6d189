"""Pages between a right password and a session, and signing in with a passkey alone."""

import secrets

from flask import Blueprint, Response, request, session

from careapp.errors import Invalid, Refusal, TooMany, Unauthenticated
from careapp.identity import challenges, passkeys, second_stage
from careapp.identity.second_stage import HalfSignedIn, Over
from careapp.surface import sessions
from careapp.surface.actors import public
from careapp.surface.csrf import safe_next
from careapp.surface.site import site
from careapp.web.forms.factors import CodeForm, PasskeyForm
from careapp.web.forms.sign_in import SignInForm
from careapp.web.htmx import page_or_fragment, see_other
from careapp.web.sign_in import refused_form, show_sign_in, started

bp = Blueprint("second_stage", __name__)

PAGE = "identity/second_stage.html"


@bp.get("/sign-in/second")
@public
def second() -> Response:
    """Ask who has given the right password for something more; without a half session, for the password."""
    return _page(CodeForm(formdata=None, next=safe_next(request.args.get("next"))))


@bp.post("/sign-in/second")
@public
def second_by_code() -> Response:
    """Take a code of the app or a recovery code, and go on to `next`."""
    form, held = CodeForm(), _held()
    try:
        sent = form.checked()
        signed = second_stage.finish_by_code(held, sent.code, address=sessions.peer(), device=sessions.device())
    except Over as over:
        return _again(over)
    except Invalid:
        return _page(form, 422)
    except (Unauthenticated, TooMany) as refusal:
        return refused_form(form, refusal, _page)
    return started(signed, sent.next)


@bp.post("/sign-in/second/options")
@public
def second_options() -> Response:
    """What the browser needs to prove a passkey of who has given his password."""
    return _json(second_stage.passkey_options(_held(), site()))


@bp.post("/sign-in/second/passkey")
@public
def second_by_passkey() -> Response:
    """Take a passkey as second factor."""
    form, held = PasskeyForm(), _held()
    try:
        answer = form.checked().passkey or ""
        signed = second_stage.finish_by_passkey(
            held, answer, site=site(), address=sessions.peer(), device=sessions.device()
        )
    except Over as over:
        return _again(over)
    except (Unauthenticated, TooMany) as refusal:
        return refused_form(CodeForm(formdata=None, next=form.next.data), refusal, _page)
    return started(signed, form.next.data)


@bp.post("/sign-in/passkey/options")
@public
def passkey_options() -> Response:
    """What the browser needs to sign in with a passkey alone."""
    session["passkey"] = secrets.token_urlsafe(32)
    return _json(passkeys.proof_options(site(), challenges.give(session["passkey"], passkeys.SIGN_IN)))


@bp.post("/sign-in/passkey")
@public
def by_passkey() -> Response:
    """Sign in with a passkey alone."""
    form, binding = PasskeyForm(), str(session.pop("passkey", ""))
    try:
        answer = form.checked().passkey or ""
        signed = second_stage.sign_in_by_passkey(
            binding, answer, site=site(), address=sessions.peer(), device=sessions.device()
        )
    except (Unauthenticated, TooMany) as refusal:
        return refused_form(SignInForm(formdata=None, next=form.next.data), refusal, show_sign_in)
    return started(signed, form.next.data)


def _held() -> HalfSignedIn:
    """The half session of this request's cookie; one that is nobody's where it holds none."""
    tenant, half = session.get("half_tenant"), session.get("half")
    return HalfSignedIn(tenant if isinstance(tenant, int) else 0, str(half or ""))


def _page(form: CodeForm, status: int = 200) -> Response:
    try:
        held = second_stage.ways(_held())
    except Over as over:
        return see_other("/sign-in") if request.method == "GET" else _again(over)
    return page_or_fragment(PAGE, PAGE, status, form=form, held=held)


def _again(refusal: Refusal) -> Response:
    """The sign-in form, for who has been too slow."""
    session.clear()
    return refused_form(SignInForm(formdata=None, next=request.form.get("next")), refusal, show_sign_in)


def _json(options: str) -> Response:
    return Response(options, mimetype="application/json")
