"""Pages of patients: finding one, the page of one, and his lists at length."""

from typing import Any

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Invalid
from careapp.overviews.patients import (
    PatientList,
    get_patient_chart,
    list_all_prescriptions,
    list_all_referrals,
    list_finished_episodes,
    list_past_appointments,
)
from careapp.patients.queries import search_patients
from careapp.surface.actors import current_actor, requires
from careapp.web.forms.disclosure import EmergencyForm
from careapp.web.forms.finding import QuickFindForm, meant, meant_by_now
from careapp.web.forms.patients import FactForm, language_name
from careapp.web.htmx import is_htmx, page_or_fragment

bp = Blueprint("patients", __name__)

FOUND_AT_ONCE = 25


@bp.get("/patients")
@requires(Permission.PATIENT_VIEW)
def find_form() -> Response:
    """The field a patient is found with."""
    return _find_page(QuickFindForm(formdata=None), None)


@bp.post("/patients")
@requires(Permission.PATIENT_VIEW)
def find() -> Response:
    """The patients that match, newest first; a POST, so that what was searched for stands in no address.

    Too few letters find nobody while somebody types, and are a slip in a form that was sent.
    """
    form = QuickFindForm()
    wanted = (form.q.data or "").strip()
    if is_htmx() and not meant_by_now(wanted):
        return _find_page(form, None)
    try:
        found = search_patients(
            current_actor(), **meant(wanted), limit=FOUND_AT_ONCE, cursor=request.form.get("cursor")
        )
    except Invalid as refusal:
        form.refuse(Invalid({{"name": "q"}.get(name, name): text for name, text in refusal.errors.items()}))
        return _find_page(form, None, 422)
    return _find_page(form, found)


@bp.get("/patients/<locator>")
@requires(Permission.PATIENT_VIEW)
def patient(locator: str) -> Response:
    """The page of one patient."""
    return patient_page(locator)


@bp.get("/patients/<locator>/episodes")
@requires(Permission.PATIENT_VIEW)
def episodes(locator: str) -> Response:
    """The patient's episodes that are over."""
    return _list_page("episodes", list_finished_episodes(current_actor(), locator, cursor=_cursor()))


@bp.get("/patients/<locator>/appointments")
@requires(Permission.APPOINTMENT_VIEW)
def appointments(locator: str) -> Response:
    """The patient's appointments that are over."""
    return _list_page("appointments", list_past_appointments(current_actor(), locator, cursor=_cursor()))


@bp.get("/patients/<locator>/prescriptions")
@requires(Permission.PRESCRIPTION_VIEW)
def prescriptions(locator: str) -> Response:
    """The patient's prescriptions."""
    return _list_page("prescriptions", list_all_prescriptions(current_actor(), locator, cursor=_cursor()))


@bp.get("/patients/<locator>/referrals")
@requires(Permission.REFERRAL_VIEW)
def referrals(locator: str) -> Response:
    """The patient's referrals."""
    return _list_page("referrals", list_all_referrals(current_actor(), locator, cursor=_cursor()))


def patient_page(
    locator: str, status: int = 200, *, form: FactForm | None = None, alert: str | None = None
) -> Response:
    """The page of a patient as it is now; htmx gets the part with the facts. A refusal says why, and keeps the form."""
    return page_or_fragment(
        "patients/patient.html", "patients/_facts.html", status, title=locator, alert=alert, **context(locator, form)
    )


def last_digits(phone: str) -> str:
    """The end of a phone number, which tells people of one name apart and is no number to call."""
    return "".join(sign for sign in phone if sign.isdigit())[-4:]


def context(locator: str, form: FactForm | None = None) -> dict[str, Any]:
    """What the page of a patient, and the part of it with the facts, show."""
    chart = get_patient_chart(current_actor(), locator)
    fact_form = form or FactForm(formdata=None)
    return {
        "chart": chart, "patient": chart.patient, "fact_form": fact_form, "language_name": language_name,
        "emergency_form": EmergencyForm(formdata=None),
    }  # fmt: skip


def _cursor() -> str | None:
    return request.args.get("cursor")


def _list_page(part: str, shown: PatientList) -> Response:
    template = "patients/list.html"
    return page_or_fragment(template, template, part=part, shown=shown, patient=shown.patient)


def _find_page(form: QuickFindForm, found: Any, status: int = 200) -> Response:
    more = found is not None and bool(request.form.get("cursor"))
    return page_or_fragment(
        "patients/find.html", "patients/_more.html" if more else "patients/_found.html", status, title=_("Patients"),
        form=form, found=found, last_digits=last_digits,
    )  # fmt: skip
