"""Forms of one's own account: a new password, and confirming that it is oneself."""

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, PasswordField
from wtforms.validators import InputRequired

from careapp.web.forms.fields import CareForm

NEEDED = _l("Fill this in.")


class OwnPasswordForm(CareForm):
    """A new password of one's own, proved by the old one. Paste and password managers are welcome (WCAG 3.3.8)."""

    old_password = PasswordField(
        _l("Present password"), [InputRequired(NEEDED)], render_kw={"autocomplete": "current-password"}
    )
    new_password = PasswordField(
        _l("New password"), [InputRequired(NEEDED)], render_kw={"autocomplete": "new-password"}
    )
    next = HiddenField()


class ConfirmForm(CareForm):
    """The password once more, and where to go afterwards."""

    password = PasswordField(_l("Password"), [InputRequired(NEEDED)], render_kw={"autocomplete": "current-password"})
    next = HiddenField()
