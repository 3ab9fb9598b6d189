"""Pages of registering a patient, after a look at who is here already, and of changing what is known of one."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Blueprint, Response, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from careapp.access import Permission
from careapp.errors import Conflict, Invalid
from careapp.patients import registering, service
from careapp.patients.duplicates import Reason
from careapp.patients.queries import get_patient_details
from careapp.patients.views import PatientDetails
from careapp.surface.actors import current_actor, requires
from careapp.surface.csrf import HOME, safe_next
from careapp.web.drafts import keep_on_the_way
from careapp.web.forms.fields import CareForm
from careapp.web.forms.finding import QuickFindForm, known_of, meant
from careapp.web.forms.patients import (
    EditPatientForm,
    RegisterPatientForm,
    changed_values,
    patient_values,
    values_of,
)
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.patients import last_digits
from careapp.web.refusals import said
from careapp.web.submissions import create_once

bp = Blueprint("registration", __name__)

REASONS = {
    Reason.SAME_IDENTIFIER: _l("same number elsewhere"),
    Reason.SAME_BIRTH_DATE: _l("same birth date"),
    Reason.SWAPPED_BIRTH_DATE: _l("birth date with day and month swapped"),
    Reason.NEAR_BIRTH_DATE: _l("birth date but for one digit"),
    Reason.SAME_NAME: _l("same name"),
    Reason.SIMILAR_NAME: _l("similar name"),
    Reason.SAME_PHONE: _l("same phone number"),
    Reason.SAME_EMAIL: _l("same e-mail address"),
}
FIELD_OF = {"name": "family"}  # a command's word for a field, and ours


@bp.get("/patients/new")
@requires(Permission.PATIENT_REGISTER)
def register_form() -> Response:
    """The form a patient is registered with; `next` is where to go on with him, such as the slot to book."""
    return _register_page(RegisterPatientForm(formdata=None))


@bp.post("/patients/new/found-nobody")
@requires(Permission.PATIENT_REGISTER)
def register_searched() -> Response:
    """The form with what somebody was searched for and not found by: nobody types it twice. Nor what stood beside it
    in the form of the page that is gone on with.
    """
    searched, wanted = meant(QuickFindForm().q.data), safe_next(request.args.get("next"))
    if wanted != HOME:
        wanted = keep_on_the_way(wanted)
    return _register_page(RegisterPatientForm(formdata=None, **known_of(searched)), wanted=wanted)


@bp.post("/patients/new")
@requires(Permission.PATIENT_REGISTER)
def register() -> Response:
    """Register the patient and go on with him; where somebody may be the same, show them first."""
    actor, form, values = current_actor(), RegisterPatientForm(), {}
    try:
        values = patient_values(form.checked())
        looked_at = (form.looked_at.data or "").split(",")

        def create() -> str:
            return go_on(registering.register_unless_known(actor, looked_at=looked_at, **values).locator)

        return see_other(create_once(actor, form, create), Notice(_("The patient is registered.")))
    except Conflict as refusal:
        values.pop("language", None)
        return _register_page(form, refusal.status, likely=registering.find_likely(actor, **values))
    except Invalid as refusal:
        _refuse(form, refusal)
        return _register_page(form, 422)


@bp.get("/patients/<locator>/edit")
@requires(Permission.PATIENT_REGISTER)
def edit_form(locator: str) -> Response:
    """What is known of the patient, to be changed."""
    patient = get_patient_details(current_actor(), locator)
    return _edit_page(_as_it_is(patient), patient)


@bp.post("/patients/<locator>/edit")
@requires(Permission.PATIENT_REGISTER)
def edit(locator: str) -> Response:
    """Change it; who comes too late sees what it is now, with what he typed himself, and may press again."""
    actor, form = current_actor(), EditPatientForm()
    before = get_patient_details(actor, locator)
    try:
        sent = form.checked()
        service.update(actor, locator, version=sent.version, **changed_values(sent, before))
    except Conflict as refusal:
        form.form_errors.append(said(refusal))
        now = get_patient_details(actor, locator)
        meanwhile = form.meet(_as_it_is(now)) if refusal.code == "STALE_VERSION" else []
        return _edit_page(form, now, refusal.status, meanwhile=meanwhile)
    except Invalid as refusal:
        _refuse(form, refusal)
        return _edit_page(form, before, 422)
    return see_other(f"/patients/{locator}", Notice(_("The change is saved.")))


def go_on(locator: str) -> str:
    """Where to go with a patient: to the page named by `next`, which gets him as `party`, else to his own."""
    wanted = safe_next(request.args.get("next"))
    if wanted == HOME:
        return f"/patients/{locator}"
    parts = urlsplit(wanted)
    parameters = [pair for pair in parse_qsl(parts.query) if pair[0] != "party"]
    return f"{parts.path}?{urlencode([*parameters, ('party', locator)])}"


def reasons(likely: registering.Likely) -> str:
    """What agrees between a patient and the one about to be registered, in words."""
    return ", ".join(str(REASONS[one]) for one in likely.reasons)


def _refuse(form: CareForm, refusal: Invalid) -> None:
    form.refuse(Invalid({FIELD_OF.get(name, name): text for name, text in refusal.errors.items()}))


def _register_page(
    form: RegisterPatientForm, status: int = 200, *, likely: Any = (), wanted: str | None = None
) -> Response:
    """The form; with those who may be the same, sending it once more says that they have been looked at."""
    wanted = wanted or safe_next(request.args.get("next"))
    action = "/patients/new" if wanted == HOME else f"/patients/new?{urlencode({'next': wanted})}"
    form.looked_at.raw_data, form.looked_at.data = None, ",".join(one.patient.locator for one in likely)
    return page_or_fragment(
        "patients/new.html", "patients/_register.html", status, title=_("Register patient"), form=form, likely=likely,
        reasons=reasons, last_digits=last_digits, go_on=go_on, action=action,
        back="/patients" if wanted == HOME else wanted,
    )  # fmt: skip


def _as_it_is(patient: PatientDetails) -> EditPatientForm:
    return EditPatientForm(formdata=None, version=patient.version, **values_of(patient))


def _edit_page(form: EditPatientForm, patient: PatientDetails, status: int = 200, *, meanwhile: Any = ()) -> Response:
    return page_or_fragment(
        "patients/edit.html", "patients/_edit.html", status, title=_("Change patient"), form=form, patient=patient,
        locator=patient.locator, meanwhile=meanwhile,
    )  # fmt: skip
