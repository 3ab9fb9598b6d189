"""Forms of scheduling: offering slots, booking one, moving an appointment."""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

from typing import Any

from wtforms import RadioField, SelectField
from wtforms.validators import ValidationError

from careapp.episodes.states import CARE_TYPES
from careapp.scheduling.states import TYPES
from careapp.web.forms.fields import CareForm, DayField, SubmissionField, VersionField
from careapp.web.forms.typed import CodeField, QuantityField, TimeOfDayField, WordsField


class AddSlotsForm(CareForm):
    """A span of one day, cut into slots of equal length. Provider's and clinic's choices are set by the view."""

    submission = SubmissionField()
    provider_locator = SelectField("Provider")
    clinic_locator = SelectField("Clinic")
    day = DayField("Day", required=True)
    first = TimeOfDayField("From")
    last = TimeOfDayField("To")
    minutes = QuantityField("Minutes for each slot", minimum=5, maximum=720, required=True)
    capacity = QuantityField("Places in each slot", minimum=1, maximum=500, required=True)


class ChoiceField(RadioField):
    """Radio buttons whose choices the page prints itself: a locator, of an open episode or of a patient."""

    def __init__(self, label: str, missing: str, **kwargs: Any) -> None:
        super().__init__(label, choices=[], validate_choice=False, **kwargs)
        self.missing = missing

    def pre_validate(self, form: CareForm) -> None:
        """Refuse a form in which nothing is chosen. Raises ValidationError."""
        if not self.data:
            raise ValidationError(self.missing)


class BookForm(CareForm):
    """Whom a slot is booked for: an open episode (EPI…), or a patient (PTY…) for whom one is opened on the spot."""

    submission = SubmissionField()
    choice = ChoiceField("Patient", "Find the patient and choose him.")
    care_type = CodeField("Care type of a new episode", CARE_TYPES)
    type = CodeField("Kind of appointment", TYPES, empty="Not said")
    reason = WordsField("Reason")


class RescheduleForm(CareForm):
    """The slot an appointment goes to."""

    version = VersionField()
    slot_locator = ChoiceField("New time", "Choose a time.")
    reason = WordsField("Reason")
