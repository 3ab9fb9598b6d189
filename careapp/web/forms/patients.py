"""Forms about patients: finding one, registering one, changing what is known of one."""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

import re
from collections.abc import Sequence
from typing import Any

from babel import Locale, UnknownLocaleError
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField
from wtforms.validators import ValidationError

from careapp.patients.contacts import FEWEST_DIGITS, LONGEST_EMAIL, MOST_DIGITS, is_email, is_phone, latin_digits
from careapp.patients.states import ALLERGY, CONDITION, GENDERS
from careapp.patients.views import ContactPoint, HumanName, Identifier, PatientDetails
from careapp.web.forms.fields import (
    CareForm,
    DayField,
    SubmissionField,
    TextField,
    WholeNumberField,
    options,
)
from careapp.web.forms.records import RecordForm
from careapp.web.forms.typed import CodeField, LineField
from careapp.web.language import current_locale

# What people in and around Myanmar speak, and what visitors do, as BCP 47 tags; a patient may have another one.
LANGUAGES = ("my", "en", "shn", "ksw", "kac", "mnw", "rki", "zh", "hi", "bn", "th", "vi", "fr", "de", "es")
# Those of them that the locale data names in no language.
NAMES = {"ksw": _l("S’gaw Karen"), "mnw": _l("Mon"), "rki": _l("Rakhine")}
TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
OFF = {"autocomplete": "off"}


class PhoneField(LineField):
    """A phone number, kept with the digits 0 to 9 in whatever script it is typed."""

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent."""
        super().process_formdata(valuelist)
        self.data = latin_digits(self.data) if self.data else None

    def pre_validate(self, form: CareForm) -> None:
        """Refuse what can be no phone number. Raises ValidationError."""
        super().pre_validate(form)
        if self.data and not is_phone(self.data):
            message = _l(
                "Enter a phone number of %(fewest)s to %(most)s digits, such as +95 9 555 0101.",
                fewest=FEWEST_DIGITS, most=MOST_DIGITS,
            )  # fmt: skip
            raise ValidationError(message)


class EmailField(TextField):
    """An e-mail address."""

    def pre_validate(self, form: CareForm) -> None:
        """Refuse what can be no e-mail address. Raises ValidationError."""
        if self.data and not is_email(self.data):
            raise ValidationError(_l("Enter an e-mail address such as name@example.org."))


class LanguageField(CodeField):
    """The language a patient speaks, shown by its name; one that is no choice of ours stays as it is."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, (), empty="", **kwargs)

    def process(self, *args: Any, **kwargs: Any) -> None:
        """Read the value, then name the choices in the reader's language."""
        super().process(*args, **kwargs)
        tags = dict.fromkeys([*LANGUAGES, *([self.data] if self.data and TAG.fullmatch(self.data) else [])])
        self.choices = options([("", _l("Not known")), *((tag, language_name(tag)) for tag in tags)])


class PatientForm(CareForm):
    """Who a patient is and how he is reached."""

    given = LineField(_l("Given names"), render_kw=OFF)
    family = LineField(_l("Family name"), render_kw=OFF)
    birth_date = DayField(_l("Birth date"))
    gender = CodeField(_l("Gender"), GENDERS, default="unknown")
    phone = PhoneField(_l("Phone"), render_kw={**OFF, "inputmode": "tel"})
    email = EmailField(_l("E-mail address"), render_kw={**OFF, "maxlength": LONGEST_EMAIL})
    language = LanguageField(_l("Language"))
    identifier = LineField(_l("Number elsewhere"), render_kw=OFF)
    identifier_system = LineField(_l("Whose number"), render_kw=OFF)


class RegisterPatientForm(PatientForm):
    """A new patient. `looked_at`: the locators of those who may be the same and have been looked at."""

    submission = SubmissionField()
    looked_at = HiddenField()


class EditPatientForm(PatientForm, RecordForm):
    """A patient as he is known now."""


class FactForm(CareForm):
    """An allergy or a condition."""

    kind = CodeField(_l("What"), (ALLERGY, CONDITION))
    text = LineField(_l("Allergy or condition"), required=True, render_kw=OFF)


class EndFactForm(CareForm):
    """Which fact ends, and how."""

    fact = WholeNumberField("Fact", maximum=2**63 - 1, required=True)
    ending = LineField("Ending", required=True)


def language_name(tag: str) -> str:
    """What a language is called in the reader's language; the tag itself where nobody knows."""
    try:
        return Locale.parse(tag, sep="-").get_display_name(current_locale()) or tag
    except (UnknownLocaleError, ValueError):
        language = tag.split("-")[0].lower()
        return str(current_locale().languages.get(language) or NAMES.get(language, tag))


def patient_values(sent: Any) -> dict[str, Any]:
    """What the form holds, in the terms of patients.register()."""
    contacts = [("phone", sent.phone), ("email", sent.email)]
    return {
        "name": HumanName(family=sent.family, given=(sent.given or "").split()),
        "birth_date": sent.birth_date,
        "gender": sent.gender or "unknown",
        "language": sent.language,
        "telecom": [ContactPoint(system=system, value=value) for system, value in contacts if value],
        "identifiers": [Identifier(system=sent.identifier_system, value=sent.identifier)] if sent.identifier else [],
    }


def values_of(patient: PatientDetails) -> dict[str, Any]:
    """A patient in the terms of the form: his first phone number, e-mail address and identifier."""
    reached = {point.system: point.value for point in reversed(patient.telecom)}
    known = patient.identifiers[0] if patient.identifiers else None
    return {
        "given": " ".join(patient.name.given), "family": patient.name.family, "birth_date": patient.birth_date,
        "gender": patient.gender, "phone": reached.get("phone"), "email": reached.get("email"),
        "language": patient.language, "identifier": known and known.value,
        "identifier_system": known and known.system,
    }  # fmt: skip


def changed_values(sent: Any, before: PatientDetails) -> dict[str, Any]:
    """What the form holds, in the terms of patients.update(): what it does not show of the patient stays.

    A number that is only written otherwise keeps what is known of it, such as that it is a mobile phone's.
    """
    values = patient_values(sent)
    new, kept, shown = {point.system: point for point in values["telecom"]}, [], set()
    for point in before.telecom:
        if point.system not in ("phone", "email") or point.system in shown:
            kept.append(point)
            continue
        shown.add(point.system)
        if given := new.pop(point.system, None):
            kept.append(point.model_copy(update={"value": given.value}))
    values["telecom"] = [*kept, *new.values()]
    values["identifiers"] = [*values["identifiers"], *before.identifiers[1:]]
    return values
