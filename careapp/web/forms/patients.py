"""Forms about patients: finding one and registering one."""

from typing import Any

from careapp.patients.states import GENDERS
from careapp.patients.views import ContactPoint, HumanName
from careapp.web.forms.fields import CareForm, DayField, SubmissionField, TextField
from careapp.web.forms.typed import CodeField, LineField


class FindPatientForm(CareForm):
    """What a patient is found by. Sent by POST, so that no name stands in an address."""

    name = LineField("Name", render_kw={"autocomplete": "off"})
    birth_date = DayField("Birth date")
    locator = LineField("Patient number", render_kw={"autocomplete": "off", "placeholder": "PTY-2026-000042"})


class RegisterPatientForm(CareForm):
    """A new patient."""

    submission = SubmissionField()
    given = LineField("Given names", render_kw={"autocomplete": "off"})
    family = LineField("Family name", render_kw={"autocomplete": "off"})
    birth_date = DayField("Birth date")
    gender = CodeField("Gender", GENDERS, default="unknown")
    phone = LineField("Phone", render_kw={"autocomplete": "off", "inputmode": "tel"})
    email = TextField("E-mail address", render_kw={"autocomplete": "off", "maxlength": 254})


def patient_values(sent: Any) -> dict[str, Any]:
    """What a registration form holds, in the terms of patients.register()."""
    contacts = [("phone", sent.phone), ("email", sent.email)]
    return {
        "name": HumanName(family=sent.family, given=(sent.given or "").split()),
        "birth_date": sent.birth_date,
        "gender": sent.gender or "unknown",
        "telecom": [ContactPoint(system=system, value=value) for system, value in contacts if value],
    }
