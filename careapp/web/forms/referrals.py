"""The referral form."""

from flask_babel import lazy_gettext as _l

from careapp.referrals.states import PRIORITIES, TYPES
from careapp.web.forms.fields import CareForm, SubmissionField
from careapp.web.forms.typed import CodeField, LineField, WordsField


class ReferralForm(CareForm):
    """What is ordered elsewhere, and why."""

    submission = SubmissionField()
    type = CodeField(_l("Kind"), TYPES)
    priority = CodeField(_l("Priority"), PRIORITIES)
    reason = WordsField(_l("Reason"), required=True)
    facility = LineField(_l("Facility"), render_kw={"list": "facilities", "autocomplete": "off"})
