"""The form of care that opens an episode."""

from careapp.episodes.states import CARE_TYPES
from careapp.web.forms.fields import CareForm, SubmissionField
from careapp.web.forms.typed import CodeField, WordsField


class OpenEpisodeForm(CareForm):
    """What a new episode is about."""

    submission = SubmissionField()
    care_type = CodeField("Care type", CARE_TYPES)
    reason = WordsField("Reason for the visit")
