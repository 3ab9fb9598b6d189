"""Forms of care: opening an episode, prescribing, referring."""

from wtforms import SelectField

from careapp.episodes.states import CARE_TYPES
from careapp.referrals.states import PRIORITIES, TYPES
from careapp.web.forms.fields import CareForm, SubmissionField
from careapp.web.forms.typed import CodeField, LineField, QuantityField, WordsField


class OpenEpisodeForm(CareForm):
    """What a new episode is about."""

    submission = SubmissionField()
    care_type = CodeField("Care type", CARE_TYPES)
    reason = WordsField("Reason for the visit")


class PrescriptionForm(CareForm):
    """A medicine and how to take it. The prescriber's choices are set by the view."""

    submission = SubmissionField()
    medication = LineField("Medicine", required=True)
    dosage = WordsField("Dosage", required=True)
    quantity = QuantityField("Quantity", minimum=1, maximum=100_000)
    refills = QuantityField("Repeats", minimum=0, maximum=99)
    provider_locator = SelectField("Prescriber")


class ReferralForm(CareForm):
    """What is ordered elsewhere, and why."""

    submission = SubmissionField()
    type = CodeField("Kind", TYPES)
    priority = CodeField("Priority", PRIORITIES)
    reason = WordsField("Reason", required=True)
    facility = LineField("Facility")
