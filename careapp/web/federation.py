"""Pages of signing in through an identity provider: the way there, the way back, and out.

The way there is a link, not a form: our policy keeps forms, and what they are redirected to, on our own site.
"""

from typing import Any
from urllib.parse import quote

import structlog
from flask import Blueprint, Response, current_app, redirect, render_template, request
from flask_babel import gettext as _

from careapp.db import let_go
from careapp.errors import Forbidden, Refusal, TooMany, Upstream, found
from careapp.identity import attempts, federation
from careapp.identity.sign_in import SignedIn
from careapp.surface import sessions
from careapp.surface.actors import public
from careapp.surface.csrf import safe_next
from careapp.surface.jwks import PAUSE
from careapp.surface.oidc import started
from careapp.surface.oidc.claims import subject_of
from careapp.surface.oidc.origin import own_address
from careapp.surface.oidc.provider import Provider, current_provider
from careapp.surface.oidc.tokens import Claims, Untrusted, read_id_token
from careapp.web.forms.sign_in import SignInForm
from careapp.web.htmx import see_other
from careapp.web.refusals import said
from careapp.web.sign_in import show_sign_in

bp = Blueprint("federation", __name__)

CALLBACK = "/sign-in/oidc/callback"
ATTEMPT = "oidc"
PARAMETERS = ("state", "code", "iss", "error")  # of the answer (RFC 6749 §4.1.2, RFC 9207)
LONGEST_PARAMETER = 4096  # characters

_log = structlog.get_logger()


@bp.get("/sign-in/oidc")
@public
def start() -> Response:
    """Lead to the provider. `again` asks it to make sure who is there, for somebody signed in already."""
    provider = _provider()
    again = request.args.get("again") == "1" and sessions.signed_in_actor() is not None
    if sessions.signed_in_actor() and not again:
        return see_other(safe_next(request.args.get("next")))
    if not again and request.headers.get("Sec-Fetch-Site") == "cross-site":  # begun by a press on our page (ASVS 7.6.2)
        return see_other(f"/sign-in?next={quote(safe_next(request.args.get('next')), safe='/')}")
    begun = started.start(request.args.get("next"), again=again)
    let_go()  # where the provider is has to be asked now and then
    try:
        there = provider.authorization_url(
            state=begun.state,
            nonce=begun.nonce,
            verifier=begun.verifier,
            redirect_uri=own_address(CALLBACK),
            again=again,
        )
    except Upstream as refusal:
        return _refused(refusal)
    return started.keep(_uncached(redirect(there, 303)), adding=begun)


@bp.get("/sign-in/oidc/callback")
@public
def callback() -> Response:
    """The way back: whoever the provider says this is has a session from here on, or is told why not."""
    provider, state = _provider(), request.args.get("state", "")
    begun = started.take(state)
    try:
        attempts.admit_code(sessions.peer(), of=ATTEMPT)
        signed = _signed_in(provider, begun)
    except (Refusal, Untrusted) as error:
        if not isinstance(error, Upstream | TooMany):
            attempts.count_code_failure(sessions.peer(), of=ATTEMPT)
        return started.keep(_refused(error), without=state)
    assert begun is not None, "refused above"
    sessions.end("signed in again")
    sessions.begin(*signed)
    return started.keep(see_other(begun.next), without=state)


@bp.get("/signed-out")
@public
def signed_out() -> Response:
    """Signed out here; the browser goes on to end the provider's session, by itself or by the link."""
    provider = current_provider()
    there = provider.sign_out_url(own_address("/sign-in")) if provider else None
    if provider is None or there is None:
        return see_other("/sign-in")
    page = Response(render_template("identity/signed_out.html", there=there, label=provider.label))
    page.headers["Refresh"] = f"0; url={there}"
    return _uncached(page)


def _signed_in(provider: Provider, begun: started.Started | None) -> SignedIn:
    """Check everything that came back, and start the session. Raises Untrusted or a Refusal."""
    state, code, issuer, error = (_given(name) for name in PARAMETERS)
    if begun is None or not state:
        raise Untrusted("state")
    if issuer != provider.issuer and (issuer or provider.endpoints().names_itself):
        raise Untrusted("iss")  # another provider's answer under our state (RFC 9207)
    if error:
        raise Forbidden(_("%(provider)s did not sign you in.", provider=provider.label), code="PROVIDER_REFUSED")
    answer = provider.redeem(code, verifier=begun.verifier, redirect_uri=own_address(CALLBACK))
    claims = read_id_token(
        answer.get("id_token"), keys=provider.keys, issuer=provider.issuer, client_id=provider.client_id,
        nonce=begun.nonce, access_token=answer.get("access_token"), signed_in_since=begun.at if begun.again else None,
    )  # fmt: skip
    return _session_of(claims, begun)


def _session_of(claims: Claims, begun: started.Started) -> SignedIn:
    settings, now = current_app.config["SETTINGS"], sessions.signed_in_actor()
    who = subject_of(claims, settings)
    if who is None:
        raise Forbidden(_("You are known there, but not as a member of a clinic here."), code="NO_TENANT")
    if begun.again and now is None:
        raise Untrusted("nobody to confirm")
    return federation.sign_in(
        who, address=sessions.peer(), once=begun.nonce, link_by_email=settings.oidc_link_by_email,
        as_user=now.user_id if begun.again and now else None, device=sessions.device(),
    )  # fmt: skip


def _given(name: str) -> str:
    """A parameter of the answer; empty where there is none. Raises Untrusted where it came twice, or is no answer's."""
    values = request.args.getlist(name)
    if len(values) > 1 or any(len(value) > LONGEST_PARAMETER or not value.isprintable() for value in values):
        raise Untrusted(name)
    return values[0] if values else ""


def _refused(error: Refusal | Untrusted) -> Response:
    """The sign-in page with what happened and what to do on top. Details that may be an attacker's go to the log."""
    form, status = SignInForm(formdata=None), 400
    if isinstance(error, Untrusted):
        _log.warning("a sign-in through the identity provider was refused", check=str(error))
        form.form_errors.append(_(
            "This sign-in could not be finished: it took too long, was used before, or was not started here. Try again."
        ))  # fmt: skip
    else:
        status = error.status
        form.form_errors.append(said(error))
    response = show_sign_in(form, status)
    if isinstance(error, Upstream | TooMany):
        response.headers["Retry-After"] = str(getattr(error, "retry_after", PAUSE))
    return response


def _provider() -> Provider:
    """The provider. Raises NotFound where this installation has none."""
    return found(current_provider())


def _uncached(response: Any) -> Response:
    response.cache_control.no_store = True
    answer: Response = response
    return answer
