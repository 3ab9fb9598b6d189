"""Forms of erasure: finding a patient by number, a hold and its end, and forgetting somebody for good."""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import IntegerField, SelectField

from careapp.erasure.states import CATEGORIES
from careapp.web.forms.fields import CareForm, VersionField, options
from careapp.web.forms.typed import LineField
from careapp.web.words import words


class FindErasureForm(CareForm):
    """A patient's number; it may stand in an address."""

    locator = LineField(_l("Patient number"), required=True, render_kw={"autocomplete": "off"})


class HoldForm(CareForm):
    """Why nobody may erase."""

    reason = LineField(_l("Reason"), required=True, id="hold-reason")  # the page has another form with a reason


class LiftForm(CareForm):
    """Which hold is lifted."""

    hold_id = IntegerField()


class EraseForm(CareForm):
    """Why, and the number once more: nothing brings anybody back."""

    version = VersionField()
    category = SelectField(_l("Because of"))
    reason = LineField(_l("Reason, without a name"), required=True)
    typed = LineField(_l("Type the patient number again"), required=True, render_kw={"autocomplete": "off"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.category.choices = options((one, words(one)) for one in CATEGORIES)
