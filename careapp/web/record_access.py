"""Who may see a patient's record: restricting it, its care team, and what the patient consents to."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from careapp.access import Permission
from careapp.disclosure import team
from careapp.errors import Conflict, Forbidden, Invalid
from careapp.overviews.zones import get_tenant_zone
from careapp.patients import confidentiality
from careapp.patients.queries import get_patient_details
from careapp.surface.actors import current_actor, requires
from careapp.web.forms.disclosure import ConfidentialityForm, ConsentForm, MemberForm, RemoveMemberForm
from careapp.web.forms.fields import CareForm, options
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.refusals import said
from careapp.web.submissions import act_once

bp = Blueprint("record_access", __name__)

PAGE = "disclosure/access.html"
SAVED = _l("The change is saved.")


@bp.get("/patients/<locator>/access")
@requires(Permission.RECORD_RESTRICT)
def access(locator: str) -> Response:
    """Who may see the record."""
    return _page(locator)


@bp.post("/patients/<locator>/restrict")
@requires(Permission.RECORD_RESTRICT)
def restrict(locator: str) -> Response:
    """Close the record to all but the care team."""
    form = ConfidentialityForm()
    return _change(locator, form, lambda: confidentiality.restrict(current_actor(), locator, **_sent(form)))


@bp.post("/patients/<locator>/lift")
@requires(Permission.RECORD_RESTRICT)
def lift(locator: str) -> Response:
    """Open it to everybody in care again."""
    form = ConfidentialityForm()
    return _change(locator, form, lambda: confidentiality.lift(current_actor(), locator, **_sent(form)))


@bp.post("/patients/<locator>/care-team")
@requires(Permission.RECORD_RESTRICT)
def add_member(locator: str) -> Response:
    """Name somebody in the care team."""
    form = MemberForm()
    return _change(locator, form, lambda: team.add_member(current_actor(), locator, **_sent(form)))


@bp.post("/patients/<locator>/care-team/remove")
@requires(Permission.RECORD_RESTRICT)
def remove_member(locator: str) -> Response:
    """Take somebody out of it."""
    form = RemoveMemberForm()
    return _change(locator, form, lambda: team.remove_member(current_actor(), locator, **_sent(form)))


@bp.post("/patients/<locator>/consent")
@requires(Permission.RECORD_RESTRICT)
def consent(locator: str) -> Response:
    """Keep what the patient permits the member portal."""
    form = ConsentForm()
    return _change(locator, form, lambda: team.record_consent(current_actor(), locator, **_sent(form)))


def _sent(form: CareForm) -> dict[str, Any]:
    return vars(form.checked())


def _change(locator: str, form: CareForm, act: Callable[[], None]) -> Response:
    """Do it and show the page as it is then; a refusal keeps what was typed in its form."""
    try:
        act_once(current_actor(), act)
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(locator, 422, form)
    except Conflict as refusal:
        return _page(locator, refusal.status, alert=said(refusal))
    except Forbidden as refusal:
        if refusal.code != Forbidden.code:
            raise
        return _page(locator, refusal.status, form, alert=said(refusal))
    return see_other(f"/patients/{locator}/access", Notice(str(SAVED)))


def _page(locator: str, status: int = 200, form: CareForm | None = None, *, alert: str | None = None) -> Response:
    """The page; `form` is the one that was refused, the others are empty."""
    actor = current_actor()
    shown = team.get_record_access(actor, locator)
    empty = (ConfidentialityForm, MemberForm, ConsentForm)
    forms = {one: form if isinstance(form, one) else one(formdata=None) for one in empty}
    forms[MemberForm].who.choices = options((one.key, one.name) for one in shown.candidates)
    return page_or_fragment(
        PAGE, PAGE, status, title=_("Who may see the record"), alert=alert, shown=shown,
        patient=get_patient_details(actor, locator), zone=get_tenant_zone(actor),
        confidentiality_form=forms[ConfidentialityForm], member_form=forms[MemberForm], consent_form=forms[ConsentForm],
    )  # fmt: skip
