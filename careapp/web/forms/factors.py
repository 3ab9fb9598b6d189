"""Forms of second factors: codes, and what a passkey's device answered."""

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField

from careapp.web.forms.fields import CareForm, TextField

CODE = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "maxlength": 64}


class AppCodeForm(CareForm):
    """The first code of an authenticator app."""

    code = TextField(_l("Code the app shows"), required=True, render_kw={**CODE, "inputmode": "numeric"})


class CodeForm(CareForm):
    """A code of the app, or a recovery code, and the page to go to afterwards."""

    code = TextField(_l("Code"), required=True, render_kw=CODE)
    next = HiddenField()


class PasskeyForm(CareForm):
    """What a device answered, put here by the page's script, and the page to go to afterwards."""

    passkey = HiddenField()
    next = HiddenField()


class NewPasskeyForm(CareForm):
    """The same for a new passkey, with a name to know it by."""

    passkey = HiddenField()
    name = TextField(_l("Name of the passkey"), required=True, render_kw={"autocomplete": "off", "maxlength": 60})
