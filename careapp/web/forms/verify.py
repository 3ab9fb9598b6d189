"""The form in which whoever holds a printed prescription asks whether it is genuine."""

from flask_babel import lazy_gettext as _l

from careapp.web.forms.fields import CareForm
from careapp.web.forms.typed import LineField


class VerifyForm(CareForm):
    """The three things the paper says how to ask with. Capitals, blanks and hyphens do not matter in the last two."""

    clinic = LineField(_l("Clinic code"), required=True)
    prescription = LineField(_l("Prescription number"), required=True)
    code = LineField(_l("Verification code"), required=True)
