"""Forms of scheduling: offering slots, blocking a time, booking a slot, moving an appointment, finding a free time."""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

from collections.abc import Mapping
from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, RadioField, SelectField, SelectMultipleField
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from careapp.episodes.states import CARE_TYPES
from careapp.scheduling.states import TYPES
from careapp.web.forms.fields import CareForm, DayField, SubmissionField, VersionField, WholeNumberField, options
from careapp.web.forms.typed import CodeField, LineField, QuantityField, TimeOfDayField, WordsField

WEEKDAYS = (
    _l("Monday"), _l("Tuesday"), _l("Wednesday"), _l("Thursday"), _l("Friday"), _l("Saturday"), _l("Sunday"),
)  # fmt: skip
EVERYBODY = "all"  # in the place of a provider's locator
PARTS = {
    "": _l("Any"), "MORNING": _l("Morning, until 12:00"), "AFTERNOON": _l("Afternoon, 12:00 to 17:00"),
    "EVENING": _l("Evening, from 17:00"),
}  # fmt: skip


class WeekdaysField(SelectMultipleField):
    """Days of the week, 0 for Monday, as boxes to tick."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def __init__(self, label: str, **kwargs: Any) -> None:
        choices = options((str(number), name) for number, name in enumerate(WEEKDAYS))
        super().__init__(label, choices=choices, validate_choice=False, **kwargs)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Convert what was sent. Raises ValueError for anything but days of the week."""
        if not set(valuelist) <= {str(number) for number in range(len(WEEKDAYS))}:
            raise ValueError(_l("Choose days of the week."))
        self.data = valuelist


class ProviderField(SelectField):
    """A provider, chosen by hand: nobody stands in it already where there are several."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.type = "SelectField"  # the field macro draws it as one
        self.flags.required = True

    def pre_validate(self, form: CareForm) -> None:
        """Refuse a form in which nobody is chosen. Raises ValidationError."""
        if not self.data:
            raise ValidationError(_l("Choose the provider."))
        super().pre_validate(form)


class AddSlotsForm(CareForm):
    """A span of one day, cut into slots of equal length, perhaps repeated until a later day.

    Provider's and clinic's choices are set by the view; `skip_overlaps` is a button's, pressed after a refusal.
    """

    beside: ClassVar[dict[str, str]] = {"end": "day"}  # of a slot, refused where it is over

    submission = SubmissionField()
    provider_locator = ProviderField(_l("Provider"))
    clinic_locator = SelectField(_l("Clinic"))
    day = DayField(_l("Day"), required=True)
    first = TimeOfDayField(_l("From"))
    last = TimeOfDayField(_l("To"))
    minutes = QuantityField(_l("Minutes for each slot"), minimum=5, maximum=720, required=True)
    capacity = QuantityField(_l("Places in each slot"), minimum=1, maximum=500, required=True)
    until = DayField(_l("Repeat until"))
    weekdays = WeekdaysField(_l("On these days"))
    skip_overlaps = HiddenField()


class SpanForm(CareForm):
    """Days, and on each of them the times from one to the other; no times are the whole day.

    The provider may be EVERYBODY: all of the clinic.
    """

    provider_locator = ProviderField(_l("Provider"))
    clinic_locator = SelectField(_l("Clinic"))
    first_day = DayField(_l("First day"), required=True)
    last_day = DayField(_l("Last day"))
    first = TimeOfDayField(_l("From"), required=False)
    last = TimeOfDayField(_l("To"), required=False)


class UnblockForm(SpanForm):
    """A span that is made free again; with `because`, only the slots that were blocked for this reason."""

    because = HiddenField()


class SpanSearchForm(SpanForm):
    """The same as a search in an address, which carries no token."""

    class Meta(CareForm.Meta):
        """A search changes nothing."""

        csrf = False

    provider_locator = SelectField(_l("Provider"), validate_choice=False)
    clinic_locator = SelectField(_l("Clinic"), validate_choice=False)
    first_day = DayField(_l("First day"))


class BlockForm(SpanForm):
    """A span with the reason why no booking is taken in it."""

    reason = LineField(_l("Reason"), required=True)


class ChoiceField(RadioField):
    """Radio buttons whose choices the page prints itself: a locator, of an open episode or of a patient, or what is
    `named` by words.
    """

    def __init__(self, label: str, missing: str, *, named: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(label, choices=[], validate_choice=False, **kwargs)
        self.missing, self.named = missing, named or {}

    def pre_validate(self, form: CareForm) -> None:
        """Refuse a form in which nothing is chosen. Raises ValidationError."""
        if not self.data:
            raise ValidationError(self.missing)


class BookForm(CareForm):
    """Whom a slot is booked for: an open episode (EPI…), or a patient (PTY…) for whom one is opened on the spot."""

    submission = SubmissionField()
    choice = ChoiceField(_l("Patient"), _l("Find the patient and choose him."))
    care_type = CodeField(_l("Care type of a new episode"), CARE_TYPES)
    type = CodeField(_l("Kind of appointment"), TYPES, empty=_l("Not said"))
    reason = WordsField(_l("Reason"))


class RescheduleForm(CareForm):
    """The slot an appointment goes to. `back`: the calendar or list it was moved on, where the user stays."""

    version = VersionField()
    slot_locator = ChoiceField(_l("New time"), _l("Choose a time."))
    reason = WordsField(_l("Reason"))
    back = HiddenField()


class NextFreeForm(CareForm):
    """What a free time must be. Sent by GET: nothing of it is about a patient."""

    class Meta(CareForm.Meta):
        """A search changes nothing, so it carries no token."""

        csrf = False

    specialty = SelectField(_l("Specialty"), validate_choice=False)
    clinic = SelectField(_l("Clinic"), validate_choice=False)
    provider = SelectField(_l("Provider"), validate_choice=False)
    since = DayField(_l("From"))
    part = SelectField(_l("Part of the day"), choices=lambda: options(PARTS.items()), validate_choice=False)
    minutes = WholeNumberField(_l("Minutes at least"), minimum=1, maximum=1440)
    type = CodeField(_l("Kind of appointment"), TYPES, empty=_l("Not said"))
