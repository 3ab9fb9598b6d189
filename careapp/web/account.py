"""Pages of one's own account: who one is here, one's password, and where one is signed in."""

from flask import Blueprint, Response, current_app, request
from flask_babel import gettext as _
from flask_babel import ngettext

from careapp.access import Permission
from careapp.errors import Conflict, Invalid, TooMany, Unauthenticated
from careapp.identity import session_list
from careapp.identity.own_password import change_own_password
from careapp.overviews.account import get_account
from careapp.surface import sessions
from careapp.surface.actors import NewPasswordNeeded, current_actor, page_session, requires, with_any_password
from careapp.surface.csrf import safe_next
from careapp.web.forms.account import OwnPasswordForm
from careapp.web.htmx import Notice, led_to, page_or_fragment, see_other
from careapp.web.sign_in import back_to, refused_form, signed_out_by
from careapp.web.submissions import act_once

bp = Blueprint("account", __name__)

PAGE, PASSWORD_PAGE = "account/account.html", "account/password.html"


@bp.get("/account")
@requires(Permission.OWN_ACCOUNT)
def account() -> Response:
    """Who one is, and where one is signed in."""
    mine = get_account(current_actor(), settings=current_app.config["SETTINGS"])
    session = page_session()
    return page_or_fragment(PAGE, PAGE, account=mine, current=session.id, federated=session.federated)


@bp.get("/account/password")
@requires(Permission.OWN_ACCOUNT)
@with_any_password
def password_form() -> Response:
    """The form for a new password; the only page there is for a password that others know."""
    return _password_page(OwnPasswordForm(formdata=None, next=safe_next(request.args.get("next"))))


@bp.post("/account/password")
@requires(Permission.OWN_ACCOUNT)
@with_any_password
def change_password() -> Response:
    """Change it: every other session ends, and this one goes on under a new value."""
    form, actor, session = OwnPasswordForm(), current_actor(), page_session()
    try:
        sent = form.checked()
        sid = change_own_password(
            actor, session.id, old=sent.old_password, new=sent.new_password, address=sessions.peer()
        )
    except Invalid as refusal:
        form.refuse(refusal)
        return _password_page(form, 422)
    except (TooMany, Conflict) as refusal:
        return refused_form(form, refusal, _password_page)
    except Unauthenticated as refusal:
        raise signed_out_by(refusal) from None
    sessions.begin(actor.tenant_id, sid)
    to = safe_next(sent.next) if session.needs_new_password else "/account"
    return see_other(to, Notice(_("Your password is changed. You are signed out everywhere else.")))


@bp.post("/account/sessions/<row:session_id>/end")
@requires(Permission.OWN_ACCOUNT)
def end_session(session_id: int) -> Response:
    """Sign out in one place."""
    actor = current_actor()
    act_once(actor, lambda: session_list.end_own_session(actor, session_id))
    return see_other("/account", Notice(_("Signed out there.")))


@bp.post("/account/sessions/end-others")
@requires(Permission.OWN_ACCOUNT)
def end_others() -> Response:
    """Sign out everywhere but here."""
    ended = session_list.end_own_other_sessions(current_actor(), page_session().id)
    text = ngettext("Signed out in %(num)s other place.", "Signed out in %(num)s other places.", ended)
    return see_other("/account", Notice(text))


@bp.app_errorhandler(NewPasswordNeeded)
def lead_to_new_password(refusal: NewPasswordNeeded) -> Response:
    """Lead somebody whose password others know to the page where he chooses another."""
    return led_to(back_to("/account/password"), refusal.status, alert="new_password_alert")


def _password_page(form: OwnPasswordForm, status: int = 200) -> Response:
    needed = page_session().needs_new_password
    return page_or_fragment(PASSWORD_PAGE, PASSWORD_PAGE, status, form=form, needed=needed)
