"""Pages of patients: finding one, registering one, and the page of one."""

from typing import Any

from flask import Blueprint, Response, request

from careapp.access import Permission
from careapp.errors import Invalid
from careapp.overviews.patients import get_patient_chart
from careapp.patients import service
from careapp.patients.queries import search_patients
from careapp.surface.actors import current_actor, requires
from careapp.web.forms.patients import FindPatientForm, RegisterPatientForm, patient_values
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.submissions import create_once

bp = Blueprint("patients", __name__)

FOUND_AT_ONCE = 25


@bp.get("/patients")
@requires(Permission.PATIENT_VIEW)
def find_form() -> Response:
    """The form a patient is found with."""
    return _find_page(FindPatientForm(formdata=None), None)


@bp.post("/patients")
@requires(Permission.PATIENT_VIEW)
def find() -> Response:
    """The patients that match, newest first; a POST, so that what was searched for stands in no address."""
    form = FindPatientForm()
    try:
        sent = form.checked()
        found = search_patients(
            current_actor(), name=sent.name, birth_date=sent.birth_date, locator=sent.locator, limit=FOUND_AT_ONCE
        )
    except Invalid as refusal:
        form.refuse(refusal)
        return _find_page(form, None, 422)
    return _find_page(form, found)


@bp.get("/patients/new")
@requires(Permission.PATIENT_REGISTER)
def register_form() -> Response:
    """The form a patient is registered with."""
    return _register_page(RegisterPatientForm(formdata=None))


@bp.post("/patients/new")
@requires(Permission.PATIENT_REGISTER)
def register() -> Response:
    """Register the patient and show his page."""
    actor, form = current_actor(), RegisterPatientForm()
    try:
        values = patient_values(form.checked())

        def create() -> str:
            return f"/patients/{service.register(actor, **values).locator}"

        return see_other(create_once(actor, form, create), Notice("The patient is registered."))
    except Invalid as refusal:
        form.refuse(Invalid({{"name": "family"}.get(name, name): text for name, text in refusal.errors.items()}))
        return _register_page(form, 422)


@bp.get("/patients/<locator>")
@requires(Permission.PATIENT_VIEW)
def patient(locator: str) -> Response:
    """The page of one patient."""
    chart = get_patient_chart(current_actor(), locator, cursor=request.args.get("cursor"))
    return page_or_fragment("patients/patient.html", "patients/_episodes.html", chart=chart)


def _find_page(form: FindPatientForm, found: Any, status: int = 200) -> Response:
    return page_or_fragment(
        "patients/find.html", "patients/_find.html", status, title="Patients", form=form, found=found
    )


def _register_page(form: RegisterPatientForm, status: int = 200) -> Response:
    return page_or_fragment("patients/new.html", "patients/_register.html", status, title="Register patient", form=form)
