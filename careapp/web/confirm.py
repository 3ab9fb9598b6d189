"""The page that asks somebody signed in to prove once more who he is, and the way back to what he was about to do.

A further way of proving it (a code, a passkey) adds a template to WAYS and a route of its own that calls
`identity.confirmation` and answers with `gone_on`. Who signed in at an identity provider is sent there instead: it
authenticates him anew, and he comes back with a new session, which is a proof of itself.
"""

from flask import Blueprint, Response, request

from careapp.access import Permission
from careapp.errors import Invalid, TooMany, Unauthenticated
from careapp.identity.confirmation import confirm_by_password
from careapp.surface import sessions
from careapp.surface.actors import current_actor, page_session, requires, while_enrolling
from careapp.surface.csrf import safe_next
from careapp.surface.step_up import NotConfirmed
from careapp.web.drafts import keep_posted
from careapp.web.forms.account import ConfirmForm
from careapp.web.htmx import is_htmx, led_to, page_or_fragment, see_other
from careapp.web.sign_in import back_to, refused_form, signed_out_by

bp = Blueprint("confirm", __name__)

PAGE, DONE, AGAIN = "account/confirm.html", "account/_confirmed.html", "account/_confirm_again.html"
WAYS: list[str] = ["account/_confirm_password.html"]  # templates, each a form of its own; they expect form
ELSEWHERE = ["account/_confirm_elsewhere.html"]


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
    try:
        password = form.checked().password
        sid = confirm_by_password(current_actor(), page_session().id, password, address=sessions.peer())
    except Invalid as refusal:
        form.refuse(refusal)
        return _corner(form, 422) if is_htmx() else _page(form, 422)
    except TooMany as refusal:
        return refused_form(form, refusal, _corner if is_htmx() else _page)
    except Unauthenticated as refusal:
        raise signed_out_by(refusal) from None
    return gone_on(sid, form.next.data)


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
    alert = "confirm_elsewhere_alert" if page_session().federated else "confirm_alert"
    return led_to(address, refusal.status, alert=alert)


def _is_file() -> bool:
    """Whether a file was asked for, such as an export: a browser stays where it is when one comes."""
    return "." in request.path.rpartition("/")[2]


def _page(form: ConfirmForm, status: int = 200) -> Response:
    ways = ELSEWHERE if page_session().federated else WAYS
    return page_or_fragment(PAGE, PAGE, status, form=form, ways=ways)


def _corner(form: ConfirmForm, status: int) -> Response:
    """The small form again, with what was wrong."""
    problem = " ".join(str(text) for texts in form.errors.values() for text in texts)
    return page_or_fragment(AGAIN, AGAIN, status, problem=problem, address="/confirm")
