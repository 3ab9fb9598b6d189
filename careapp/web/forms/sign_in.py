"""The sign-in form."""

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, PasswordField
from wtforms.validators import InputRequired

from careapp.web.forms.fields import CareForm, TextField


class SignInForm(CareForm):
    """Address and password, and the page to go to afterwards. Paste and password managers are welcome (WCAG 3.3.8)."""

    email = TextField(_l("E-mail address"), required=True)
    password = PasswordField(_l("Password"), [InputRequired(_l("Fill this in."))])
    next = HiddenField()
