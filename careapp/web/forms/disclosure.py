"""Forms about who may see a record: its confidentiality, care team, consent, and emergency access with its review."""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

from flask_babel import lazy_gettext as _l
from wtforms import SelectField

from careapp.disclosure.rules import DECISIONS
from careapp.web.forms.fields import CareForm, Present, WholeNumberField
from careapp.web.forms.typed import CodeField, LineField, WordsField


class ConfidentialityForm(CareForm):
    """Why a record is restricted, or open again."""

    reason = LineField(_l("Reason"), required=True)


class MemberForm(CareForm):
    """Who is added to the care team; the choices are put in by the page."""

    # The command knows who is there.
    who = SelectField(_l("Who"), [Present(_l("Choose one of the list."))], validate_choice=False)
    role = LineField(_l("What he is for the patient"), required=True)


class RemoveMemberForm(CareForm):
    """Who leaves the care team."""

    member = WholeNumberField(_l("Who"), required=True)


class ConsentForm(CareForm):
    """What the patient permits the member portal."""

    decision = CodeField(_l("The patient"), DECISIONS)


class EmergencyForm(CareForm):
    """Why a restricted record is opened in an emergency."""

    reason = LineField(_l("Reason"), required=True)


class ReviewForm(CareForm):
    """What the review of an emergency access says."""

    remark = WordsField(_l("Remark"))
