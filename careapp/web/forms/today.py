"""Forms of the front desk: a walk-in, of a patient who is known or of one who is registered with it."""

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField

from careapp.episodes.states import CARE_TYPES
from careapp.scheduling.states import TYPES
from careapp.web.forms.fields import CareForm, SubmissionField
from careapp.web.forms.patients import PatientForm
from careapp.web.forms.scheduling import ChoiceField
from careapp.web.forms.typed import CodeField, WordsField

NEW_PATIENT = "NEW"  # the choice of somebody who is registered with his walk-in


class WalkInForm(CareForm):
    """Who came (EPI…: in this episode; PTY…: in a new one), and which place he gets."""

    submission = SubmissionField()
    choice = ChoiceField(_l("Episode"), _l("Choose an episode."))
    slot_locator = ChoiceField(_l("Place"), _l("Choose a place."))
    care_type = CodeField(_l("Care type"), CARE_TYPES)
    type = CodeField(_l("Kind of appointment"), TYPES, empty=_l("Not said"))
    reason = WordsField(_l("Reason"))


class NewWalkInForm(WalkInForm, PatientForm):
    """Somebody new (NEW_PATIENT). `looked_at`: the locators of those who may be the same and have been looked at."""

    choice = ChoiceField(_l("Patient"), _l("Choose an episode."), named={NEW_PATIENT: _l("New patient")})
    looked_at = HiddenField()
