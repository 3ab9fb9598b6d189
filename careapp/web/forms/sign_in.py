"""The sign-in form."""

from wtforms import HiddenField, PasswordField
from wtforms.validators import InputRequired

from careapp.web.forms.fields import CareForm, TextField


class SignInForm(CareForm):
    """Address and password, and the page to go to afterwards. Paste and password managers are welcome (WCAG 3.3.8)."""

    email = TextField("E-mail address", required=True)
    password = PasswordField("Password", [InputRequired("Fill this in.")])
    next = HiddenField()
