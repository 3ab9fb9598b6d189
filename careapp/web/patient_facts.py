"""What is known of a patient, from his page: recording allergies and conditions, and ending them."""

from collections.abc import Callable

from flask import Blueprint, Response
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Conflict, Invalid
from careapp.patients import facts
from careapp.patients.views import FactView
from careapp.surface.actors import current_actor, requires
from careapp.web.forms.patients import EndFactForm, FactForm
from careapp.web.htmx import Notice, changed
from careapp.web.patients import context, patient_page
from careapp.web.refusals import said

bp = Blueprint("patient_facts", __name__)


@bp.post("/patients/<locator>/facts")
@requires(Permission.CLINICAL_WRITE)
def add_fact(locator: str) -> Response:
    """Record an allergy or a condition."""
    form = FactForm()

    def act() -> FactView:
        sent = form.checked()
        return facts.add_fact(current_actor(), locator, kind=sent.kind, text=sent.text)

    return _answer(locator, act, form)


@bp.post("/patients/<locator>/facts/none-known")
@requires(Permission.CLINICAL_WRITE)
def record_none_known(locator: str) -> Response:
    """Record that the patient was asked and knows of no allergy."""
    return _answer(locator, lambda: facts.record_no_known_allergy(current_actor(), locator))


@bp.post("/patients/<locator>/facts/end")
@requires(Permission.CLINICAL_WRITE)
def end_fact(locator: str) -> Response:
    """Note that a fact holds no longer, or was entered in error."""

    def act() -> FactView:
        sent = EndFactForm().checked()
        if sent.ending not in facts.ENDINGS:
            raise Invalid({"ending": _("Choose one of the list.")})
        return facts.end_fact(current_actor(), locator, fact_id=sent.fact, ending=sent.ending)

    return _answer(locator, act)


def _answer(locator: str, act: Callable[[], FactView], form: FactForm | None = None) -> Response:
    """Do it and show the facts as they are then; a refusal says why and keeps what was typed."""
    try:
        fact = act()
    except (Conflict, Invalid) as refusal:
        if form and isinstance(refusal, Invalid):
            form.refuse(refusal)
            return patient_page(locator, refusal.status, form=form)
        return patient_page(locator, refusal.status, alert=said(refusal))
    text = _("An allergy or a condition is ended.") if fact.abated_at else _("An allergy or a condition is recorded.")
    shown = context(locator)
    notice = Notice(text, f"{fact.text} · {shown['patient'].name.text}")
    return changed("patients/_facts.html", to=f"/patients/{locator}", notice=notice, **shown)
