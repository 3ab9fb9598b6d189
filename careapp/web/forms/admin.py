"""Forms of administration: staff, clinics, providers, settings, withheld events, and what the log is searched by."""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

from collections.abc import Iterable, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, PasswordField, SelectField, SelectMultipleField
from wtforms.validators import Optional, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from careapp.access import Role
from careapp.config import LANGUAGES, NEEDS_SECOND_FACTOR
from careapp.operations.audit_search import OUTCOMES
from careapp.web.forms.fields import CareForm, Present, SubmissionField, options
from careapp.web.forms.records import RecordForm
from careapp.web.forms.typed import LineField, LocalMomentField, QuantityField, WordsField
from careapp.web.words import words

LANGUAGE_NAMES = {"en": "English", "my": "မြန်မာ"}  # each in itself, so that who needs it finds it


class ChecksField(SelectMultipleField):
    """Any number of boxes to tick; nothing ticked is an empty list, and means `none`. The view may set the choices."""

    widget, option_widget = ListWidget(prefix_label=False), CheckboxInput()

    def __init__(self, label: str, *, none: str = "", **kwargs: Any) -> None:
        super().__init__(label, [Optional()], **kwargs)
        self.none = none

    def pre_validate(self, form: CareForm) -> None:
        """Refuse what is no choice. Raises ValidationError."""
        if not set(self.data or ()) <= {choice.value for choice in self.choices}:
            raise ValidationError(_("One of these is not there any more. Look at the list again."))


class SecretField(PasswordField):
    """A password as it was typed, blanks included; empty is None. It is never printed back."""

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent."""
        self.data = (valuelist[0] or None) if valuelist else None


class FindStaffForm(CareForm):
    """Part of a name or address. Sent by POST, so that no name stands in an address."""

    q = LineField(_l("Name or e-mail address"), render_kw={"autocomplete": "off"})


class StaffForm(CareForm):
    """What a member of staff is and may do. Choices of clinics and provider are set by the view."""

    name = LineField(_l("Name"), required=True, render_kw={"autocomplete": "off"})
    roles = ChecksField(_l("Roles"))
    clinics = ChecksField(_l("Clinics"), none=_l("All"))
    provider = SelectField(_l("Provider"), default="")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.roles.choices = options((role.value, words(role.value)) for role in Role)


class AddStaffForm(StaffForm):
    """A new member of staff, with the address he signs in with. His first password is made for him."""

    submission = SubmissionField()
    email = LineField(_l("E-mail address"), required=True, render_kw={"autocomplete": "off", "maxlength": 254})


class ChangeStaffForm(StaffForm, RecordForm):
    """The same of somebody who is there."""


class NewPasswordForm(CareForm):
    """A new password, or none, so that one is made."""

    password = SecretField(_l("New password"), render_kw={"autocomplete": "new-password"})


class ClinicForm(CareForm):
    """A clinic: what it is called, on whose clock it works, and what its prints say at their head."""

    name = LineField(_l("Name"), required=True)
    time_zone = LineField(
        _l("Time zone"), required=True, render_kw={"list": "zones", "autocomplete": "off", "spellcheck": "false"}
    )
    address = WordsField(_l("Address"))
    phone = LineField(_l("Phone"), render_kw={"inputmode": "tel", "autocomplete": "off"})


class AddClinicForm(ClinicForm):
    """A new clinic."""

    submission = SubmissionField()


class ChangeClinicForm(ClinicForm, RecordForm):
    """A clinic that is there. `zone_meant` is asked for where another zone changes times that people were told."""

    zone_meant = BooleanField(_l("The clinic really is in the new time zone"))


class ProviderForm(CareForm):
    """A provider: who he is, what he does and where. Choices of specialty and clinics are set by the view."""

    name = LineField(_l("Name"), required=True, render_kw={"autocomplete": "off"})
    specialty = SelectField(_l("Specialty"), [Present(_l("Choose the specialty."))], coerce=lambda code: code or None)
    npi = LineField(_l("NPI"), render_kw={"inputmode": "numeric", "autocomplete": "off"})
    clinics = ChecksField(_l("Works at"), none=_l("None"))


class AddProviderForm(ProviderForm):
    """A new provider."""

    submission = SubmissionField()


class ChangeProviderForm(ProviderForm, RecordForm):
    """A provider who is there."""


class SettingsForm(RecordForm):
    """What a tenant may set."""

    name = LineField(_l("Name"), required=True)
    buffer_minutes = QuantityField(
        _l("Minutes kept free after each appointment"), minimum=0, maximum=240, required=True
    )
    language = SelectField(_l("Language of pages"), default="")
    second_factor = SelectField(_l("Second factor required for"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [("", _("As each browser asks for")), *((code, LANGUAGE_NAMES[code]) for code in LANGUAGES)]
        self.language.choices = options(offered)
        self.second_factor.choices = options((one, words(one)) for one in NEEDS_SECOND_FACTOR)


class WithholdForm(CareForm):
    """Why consumers shall not have an event's data."""

    reason = LineField(_l("Reason"), required=True)


class AuditFilterForm(CareForm):
    """What the log is searched by; it stands in the address, which locators and codes may. Times are on the tenant's
    clock. Choices of actor and action are set by the view.
    """

    class Meta(CareForm.Meta):
        """A search changes nothing, so its form needs no token."""

        csrf = False

    patient = LineField(_l("Patient number"), render_kw={"placeholder": "PTY-2026-000042", "autocomplete": "off"})
    subject = LineField(_l("About"), render_kw={"placeholder": "EPI-2026-000042", "autocomplete": "off"})
    actor = SelectField(_l("Who"), validate_choice=False, default="")
    action = SelectField(_l("Act"), validate_choice=False, default="")
    purpose = SelectField(_l("Purpose"), default="")
    outcome = SelectField(_l("Outcome"), default="")
    since = LocalMomentField(_l("From"))
    until = LocalMomentField(_l("Until"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.outcome.choices = options([("", _("Any")), *((one, words(one)) for one in OUTCOMES)])


def with_staff_choices(
    form: StaffForm, clinics: Iterable[tuple[str, str]], providers: Iterable[tuple[str, str]]
) -> None:
    """Set the choices of a user's form from (locator, name) pairs."""
    form.clinics.choices = options(clinics)
    form.provider.choices = options([("", _("None")), *providers])
