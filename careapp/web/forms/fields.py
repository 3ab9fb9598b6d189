"""The base of all forms, and fields that turn what a browser sends into the types commands take.

Nothing here is a rule of care: a field refuses only what cannot be converted or stored.
"""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

import re
from collections.abc import Iterable, Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any, ClassVar
from uuid import UUID, uuid4

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from wtforms import DateField, Field, HiddenField, IntegerField, SelectChoice, StringField, TextAreaField
from wtforms.validators import Optional, StopValidation
from wtforms.widgets import HiddenInput

from careapp.errors import Invalid
from careapp.web.language import in_words_of_reader
from careapp.web.times import DAY_YEARS

LARGEST_INTEGER = 2**31 - 1  # PostgreSQL's integer
DAY_FORMATS = ("%Y-%m-%d", "%d %b %Y", "%d %B %Y")  # 2026-11-20, 20 Nov 2026; never 11/12/2026, which reads two ways
DIGITS = re.compile(r"-?[0-9]{1,10}")
SURROGATE = re.compile("[\ud800-\udfff]")


def storable(name: str, text: str) -> str:
    """Return `text` without NUL, which PostgreSQL refuses. Raises Invalid for half a surrogate pair (not UTF-8)."""
    if SURROGATE.search(text):
        raise Invalid({name: _("Contains a character that cannot be stored.")})
    return text.replace("\0", "")


class CareForm(FlaskForm):
    """Base of all forms. `beside` names the field for what a command calls otherwise."""

    beside: ClassVar[dict[str, str]] = {}

    class Meta(FlaskForm.Meta):
        """Cleans every text field of the request before any field reads it."""

        def wrap_formdata(self, form: Any, formdata: Any) -> MultiDict[str, Any] | None:
            """Return what was sent with every text storable; None when nothing was sent."""
            sent = super().wrap_formdata(form, formdata)
            if sent is None:
                return None
            pairs = MultiDict(sent).items(multi=True)
            return ImmutableMultiDict((n, storable(n, v) if isinstance(v, str) else v) for n, v in pairs)

    def checked(self) -> SimpleNamespace:
        """Return the values by field name, in their fields' types. Raises Invalid naming what cannot be converted."""
        if not self.validate_on_submit():
            errors = {name or "form": str(messages[0]) for name, messages in self.errors.items()}
            raise Invalid(errors or {"form": _("Nothing was sent.")})
        return SimpleNamespace(**{name: value for name, value in self.data.items() if name != "csrf_token"})

    def refuse(self, refusal: Invalid) -> None:
        """Put a command's refusal beside the fields it names (`slotLocator` is our `slot_locator`); the rest on top."""
        for name, sentence in refusal.errors.items():
            message = in_words_of_reader(sentence)
            called = self.beside.get(name) or re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
            field = self._fields.get(name) or self._fields.get(called)
            if field is None:
                self.form_errors.append(message)
            elif message not in field.errors:
                field.errors = [*field.errors, message]


def refuse_year(on: date | None, years: range) -> None:
    """Raise ValueError for a year nobody means; of the first and the last one no time zone could be asked either."""
    if on and on.year not in years:
        raise ValueError(_("The year must lie between %(first)s and %(last)s.", first=years[0], last=years[-1]))


def options(pairs: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    """Return choices of a SelectField or RadioField from (value, label) pairs."""
    return [SelectChoice(value, label) for value, label in pairs]


class Present:
    """Refuses an empty field by what it was converted to, so blanks do not count and zero does."""

    field_flags: ClassVar[dict[str, bool]] = {"required": True}

    def __init__(self, message: str) -> None:
        self.message = message

    def __call__(self, form: CareForm, field: Field) -> None:
        """Raise StopValidation if nothing was sent; a field that could not be converted has its own message."""
        if field.data is None and not field.process_errors:
            raise StopValidation(self.message)


def _presence(required: bool, message: str) -> Present | Optional:
    return Present(message) if required else Optional()


class TextField(StringField):
    """One line of text without blanks at its ends; empty becomes None."""

    def __init__(self, label: str, *, required: bool = False, **kwargs: Any) -> None:
        super().__init__(label, [_presence(required, _l("Fill this in."))], **kwargs)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent."""
        self.data = (valuelist[0].strip() or None) if valuelist else None


class LongTextField(TextAreaField, TextField):
    """Several lines of text without blanks at its ends; empty becomes None."""


class WholeNumberField(IntegerField):
    """A whole number from `minimum` to `maximum`, both included; the browser is told the bounds as well."""

    def __init__(
        self, label: str, *, minimum: int = 0, maximum: int = LARGEST_INTEGER, required: bool = False, **kwargs: Any
    ) -> None:
        self.minimum, self.maximum = minimum, maximum
        render = {"min": minimum, "max": maximum} | kwargs.pop("render_kw", {})
        super().__init__(label, [_presence(required, _l("Enter a number."))], render_kw=render, **kwargs)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent. Raises ValueError for anything but a whole number within the bounds."""
        self.data = None
        text = valuelist[0].strip() if valuelist else ""
        if not text:
            return
        if not DIGITS.fullmatch(text) or not self.minimum <= int(text) <= self.maximum:
            message = _("Enter a whole number from %(least)s to %(most)s.", least=self.minimum, most=self.maximum)
            raise ValueError(message)
        self.data = int(text)


class DayField(DateField):
    """A calendar day: what `<input type="date">` sends, or typed as 2026-11-20 or 20 Nov 2026."""

    def __init__(self, label: str, *, required: bool = False, **kwargs: Any) -> None:
        message = _l("Enter a day such as 2026-11-20 or 20 Nov 2026.")
        validators = [_presence(required, _l("Enter a day."))]
        super().__init__(label, validators, list(DAY_FORMATS), invalid_value_message=message, **kwargs)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent. Raises ValueError for anything but a day in one of the forms above, in DAY_YEARS."""
        super().process_formdata([valuelist[0].strip()] if valuelist else [""])
        refuse_year(self.data, DAY_YEARS)


class SubmissionField(HiddenField):
    """The number of one filled-in form, kept like an Idempotency-Key: a form posted twice makes one record."""

    def __init__(self, label: str = "Submission", **kwargs: Any) -> None:
        super().__init__(label, [Present(_l("Load the form again."))], default=uuid4, **kwargs)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent. Raises ValueError for anything but a UUID."""
        self.data = UUID(valuelist[0]) if valuelist else None


class VersionField(WholeNumberField):
    """The version of the record the form was based on, hidden; a stale one is the command's Conflict."""

    widget = HiddenInput()

    def __init__(self, label: str = "Version", **kwargs: Any) -> None:
        super().__init__(label, minimum=1, required=True, **kwargs)
