"""The form of preferences."""

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, RadioField

from careapp.web.forms.fields import CareForm, options


class PreferencesForm(CareForm):
    """How pages speak and look for one user."""

    language = RadioField(
        _l("Language"),
        choices=options([("", _l("As this browser asks for")), ("en", "English"), ("my", "မြန်မာ")]),
    )
    theme = RadioField(
        _l("Colours"),
        choices=options([("system", _l("As this device is set")), ("light", _l("Light")), ("dark", _l("Dark"))]),
    )
    density = RadioField(_l("Rows"), choices=options([("normal", _l("Normal")), ("dense", _l("Dense"))]))
    shortcuts = BooleanField(_l("Single keys are shortcuts (press ? for the list)"))
