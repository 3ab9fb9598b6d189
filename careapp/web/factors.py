"""Pages of one's own second factors: authenticator app, passkeys, recovery codes."""

from typing import Any

import segno
from apiflask import APIBlueprint
from flask import Response
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Conflict, Forbidden, Invalid
from careapp.identity import challenges, factors, passkeys, recovery, totp
from careapp.surface.actors import FactorNeeded, current_actor, page_session, requires, while_enrolling
from careapp.surface.site import site
from careapp.surface.step_up import recently_confirmed
from careapp.web.forms.factors import AppCodeForm, NewPasskeyForm
from careapp.web.htmx import Notice, led_to, page_or_fragment, see_other
from careapp.web.refusals import said

# APIFlask looks for security schemes in what runs before the views of a blueprint, and knows only its own kind.
bp = APIBlueprint("factors", __name__, enable_openapi=False)

HERE = "/account/factors"
PAGE, APP_PAGE, CODES_PAGE = "account/factors.html", "account/factors_app.html", "account/factors_codes.html"
Codes = tuple[str, ...]


@bp.before_request
def refuse_federated() -> None:
    """A factor of ours would be a way round the identity provider, which knows whether somebody may still come in."""
    if page_session().federated:
        raise Forbidden("Your identity provider looks after how you sign in.")


@bp.get(HERE)
@requires(Permission.OWN_ACCOUNT)
@while_enrolling
def mine() -> Response:
    """What one signs in with beside the password."""
    return _page()


@bp.post(f"{HERE}/app")
@requires(Permission.OWN_ACCOUNT)
@while_enrolling
@recently_confirmed
def begin_app() -> Response:
    """Make a secret for an authenticator app."""
    totp.begin(current_actor())
    return see_other(f"{HERE}/app")


@bp.get(f"{HERE}/app")
@requires(Permission.OWN_ACCOUNT)
@while_enrolling
@recently_confirmed
def app() -> Response:
    """The secret that waits for its first code."""
    return _app_page(AppCodeForm(formdata=None))


@bp.post(f"{HERE}/app/confirm")
@requires(Permission.OWN_ACCOUNT)
@while_enrolling
@recently_confirmed
def confirm_app() -> Response:
    """Take the app into use by its first code."""
    form = AppCodeForm()
    try:
        codes = totp.confirm(current_actor(), session_id=page_session().id, code=form.checked().code)
    except Invalid as refusal:
        form.refuse(refusal)
        return _app_page(form, 422)
    except Conflict as refusal:
        return _page(409, alert=said(refusal))
    return _added(codes, _("The authenticator app is in use."))


@bp.post(f"{HERE}/app/remove")
@requires(Permission.OWN_ACCOUNT)
@recently_confirmed
def remove_app() -> Response:
    """Take the app out of use."""
    try:
        factors.remove_app(current_actor(), session_id=page_session().id)
    except Conflict as refusal:
        return _page(409, alert=said(refusal))
    return see_other(HERE, Notice(_("The authenticator app is removed.")))


@bp.post(f"{HERE}/passkeys/options")
@requires(Permission.OWN_ACCOUNT)
@while_enrolling
@recently_confirmed
def passkey_options() -> Response:
    """What the browser needs to make a passkey."""
    challenge = challenges.give(_binding(), passkeys.REGISTER)
    options = passkeys.registration_options(current_actor(), site=site(), challenge=challenge)
    return Response(options, mimetype="application/json")


@bp.post(f"{HERE}/passkeys")
@requires(Permission.OWN_ACCOUNT)
@while_enrolling
@recently_confirmed
def add_passkey() -> Response:
    """Keep the passkey that was made."""
    form, challenge = NewPasskeyForm(), challenges.take(_binding(), passkeys.REGISTER)
    try:
        sent = form.checked()
        codes = passkeys.register(
            current_actor(), session_id=page_session().id, site=site(), challenge=challenge,
            answer=sent.passkey or "", name=sent.name,
        )  # fmt: skip
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(422, form=form)
    except Conflict as refusal:
        return _page(409, alert=said(refusal))
    return _added(codes, _("The passkey is in use."))


@bp.post(f"{HERE}/passkeys/<row:passkey_id>/remove")
@requires(Permission.OWN_ACCOUNT)
@recently_confirmed
def remove_passkey(passkey_id: int) -> Response:
    """Take a passkey out of use."""
    try:
        factors.remove_passkey(current_actor(), passkey_id, session_id=page_session().id)
    except Conflict as refusal:
        return _page(409, alert=said(refusal))
    return see_other(HERE, Notice(_("The passkey is removed. Delete it on the device as well.")))


@bp.post(f"{HERE}/codes")
@requires(Permission.OWN_ACCOUNT)
@recently_confirmed
def new_codes() -> Response:
    """Make recovery codes anew and show them, this once."""
    return _codes_page(recovery.make(current_actor()), _("New recovery codes are made; the old ones work no longer."))


@bp.app_errorhandler(FactorNeeded)
def lead_to_enrolment(refusal: FactorNeeded) -> Response:
    """Lead somebody of whom more than a password is asked to where he sets it up."""
    return led_to(HERE, refusal.status, alert="factor_alert")


def _binding() -> str:
    """What a challenge is bound to: the session, which nobody else holds."""
    return f"session:{current_actor().tenant_id}:{page_session().id}"


def _added(codes: Codes, text: str) -> Response:
    """A factor is in use: the codes that were made with the first one are shown, this once."""
    return _codes_page(codes, text) if codes else see_other(HERE, Notice(text))


def _codes_page(codes: Codes, text: str) -> Response:
    return page_or_fragment(CODES_PAGE, CODES_PAGE, codes=codes, text=text)


def _app_page(form: AppCodeForm, status: int = 200) -> Response:
    waiting = totp.pending(current_actor())
    if waiting is None:
        return _page()
    picture = segno.make(waiting.uri, error="m", micro=False).svg_data_uri(scale=4, light="#fff")
    return page_or_fragment(APP_PAGE, APP_PAGE, status, form=form, waiting=waiting, picture=picture)


def _page(status: int = 200, *, form: NewPasskeyForm | None = None, **more: Any) -> Response:
    form = form or NewPasskeyForm(formdata=None)
    held = factors.own_factors(current_actor())
    return page_or_fragment(PAGE, PAGE, status, held=held, form=form, enrol=page_session().needs_factor, **more)
