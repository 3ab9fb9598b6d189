"""The page that asks somebody signed in to prove once more who he is, and the way back to what he was about to do.

By the password, or by a second factor for who has one. Who signed in at an identity provider is sent there instead: it
authenticates him anew, and he comes back with a new session, which is a proof of itself.
"""

from collections.abc import Callable

from flask import Blueprint, Response, request

from careapp.access import Permission
from careapp.errors import Invalid, TooMany, Unauthenticated
from careapp.identity import confirmation, factors, passkeys
from careapp.surface import sessions
from careapp.surface.actors import current_actor, page_session, requires, while_enrolling
from careapp.surface.csrf import safe_next
from careapp.surface.site import site
from careapp.surface.step_up import NotConfirmed
from careapp.web.drafts import keep_posted
from careapp.web.forms.account import ConfirmForm
from careapp.web.forms.factors import CodeForm, PasskeyForm
from careapp.web.forms.fields import CareForm
from careapp.web.htmx import is_htmx, led_to, page_or_fragment, see_other
from careapp.web.sign_in import back_to, refused_form, signed_out_by

bp = Blueprint("confirm", __name__)

PAGE, DONE, AGAIN = "account/confirm.html", "account/_confirmed.html", "account/_confirm_again.html"
BY_PASSWORD, BY_FACTOR, ELSEWHERE = (f"account/_confirm_{way}.html" for way in ("password", "factor", "elsewhere"))


@bp.get("/confirm")
@requires(Permission.OWN_ACCOUNT)
@while_enrolling
def confirm() -> Response:
    """Ask for a proof."""
    return _page(ConfirmForm(formdata=None, next=safe_next(request.args.get("next"))))


@bp.post("/confirm")
@requires(Permission.OWN_ACCOUNT)
@while_enrolling
def confirm_post() -> Response:
    """Take the password as proof and go on; in the corner of a page, htmx stays on it."""
    form = ConfirmForm()

    def prove() -> str:
        password = form.checked().password
        return confirmation.confirm_by_password(
            current_actor(), page_session().id, password, address=sessions.peer()
        )  # fmt: skip

    return _proved(form, prove, _corner if is_htmx() else _page)


@bp.post("/confirm/code")
@requires(Permission.OWN_ACCOUNT)
def by_code() -> Response:
    """Take a code of the app, or a recovery code, as proof and go on."""
    form = CodeForm()

    def prove() -> str:
        code = form.checked().code
        return confirmation.confirm_by_code(current_actor(), page_session().id, code, address=sessions.peer())

    return _proved(form, prove, _page)


@bp.post("/confirm/options")
@requires(Permission.OWN_ACCOUNT)
def passkey_options() -> Response:
    """What the browser needs to prove a passkey."""
    options = confirmation.passkey_options(current_actor(), page_session().id, site())
    return Response(options, mimetype="application/json")


@bp.post("/confirm/passkey")
@requires(Permission.OWN_ACCOUNT)
def by_passkey() -> Response:
    """Take a passkey as proof and go on."""
    form = PasskeyForm()

    def prove() -> str:
        answer = form.checked().passkey
        if not answer:  # no try at all: nothing to count
            raise Invalid({"passkey": passkeys.REFUSED})
        return confirmation.confirm_by_passkey(
            current_actor(), page_session().id, answer, site=site(), address=sessions.peer()
        )

    return _proved(form, prove, _page)


def _proved(form: CareForm, prove: Callable[[], str], shown: Callable[[CareForm, int], Response]) -> Response:
    """Go on after a proof; otherwise show the form with what was wrong, or lead out who failed too often."""
    try:
        sid = prove()
    except Invalid as refusal:
        form.refuse(refusal)
        return shown(form, 422)
    except TooMany as refusal:
        return refused_form(form, refusal, shown)
    except Unauthenticated as refusal:
        raise signed_out_by(refusal) from None
    return gone_on(sid, form.data["next"])


def gone_on(sid: str, to: str | None) -> Response:
    """Renew the cookie after a proof and lead to `to`, where that is a page of ours."""
    sessions.renew(sid)
    if is_htmx():
        return page_or_fragment(DONE, DONE)
    return see_other(safe_next(to))


@bp.app_errorhandler(NotConfirmed)
def ask(refusal: NotConfirmed) -> Response:
    """Lead to the page that asks, and from there back: to the form with what was typed, which is kept as a draft but
    for passwords, or to the page. htmx asks in the corner, so the page stays as it is.
    """
    draft = keep_posted()
    address = f"/confirm?next={draft}" if draft else back_to("/confirm", file=_is_file())
    here = not page_session().federated and not confirmation.has_second_factor(current_actor())
    alert = "confirm_alert" if here else "confirm_elsewhere_alert"
    return led_to(address, refusal.status, alert=alert)


def _is_file() -> bool:
    """Whether a file was asked for, such as an export: a browser stays where it is when one comes."""
    return "." in request.path.rpartition("/")[2]


def _page(form: CareForm, status: int = 200) -> Response:
    if page_session().federated:
        return page_or_fragment(PAGE, PAGE, status, form=form, way=ELSEWHERE)
    held = factors.own_factors(current_actor())
    if not held.count:
        return page_or_fragment(PAGE, PAGE, status, form=_as(ConfirmForm, form), way=BY_PASSWORD)
    return page_or_fragment(PAGE, PAGE, status, form=_as(CodeForm, form), held=held, way=BY_FACTOR)


def _as(kind: type[CareForm], form: CareForm) -> CareForm:
    """The form that this person is asked for, with what was wrong in another one on top."""
    if isinstance(form, kind):
        return form
    asked = kind(formdata=None, next=form.data["next"])
    asked.form_errors.extend(text for texts in form.errors.values() for text in texts)
    return asked


def _corner(form: CareForm, status: int) -> Response:
    """The small form again, with what was wrong."""
    problem = " ".join(str(text) for texts in form.errors.values() for text in texts)
    return page_or_fragment(AGAIN, AGAIN, status, problem=problem, address="/confirm")
