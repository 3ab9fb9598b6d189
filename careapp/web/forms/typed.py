"""More fields: text of a limited length, times of day, and moments on a clinic's clock."""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

import re
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import DateTimeLocalField, Field, SelectField, TimeField
from wtforms.validators import Optional, ValidationError

from careapp.errors import Invalid, NotFound
from careapp.web.forms.fields import CareForm, LongTextField, Present, TextField, WholeNumberField, options, refuse_year
from careapp.web.times import YEARS
from careapp.web.words import words

LINE, TEXT = 200, 4000  # characters; the JSON API takes as many
LOCATOR = re.compile(r"[A-Za-z]{3}-[0-9]{4}-[0-9]{6,}")
MOMENT_FORMATS = ("%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%d %b %Y %H:%M", "%d %b %Y, %H:%M")


def refuse_longer(field: Field, longest: int) -> None:
    """Raise ValidationError for text of more than `longest` characters."""
    if field.data and len(field.data) > longest:
        raise ValidationError(
            _("Use at most %(most)s characters; these are %(count)s.", most=longest, count=len(field.data))
        )


class LineField(TextField):
    """One line of at most LINE characters; the browser is told as well."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, render_kw={"maxlength": LINE} | kwargs.pop("render_kw", {}), **kwargs)

    def pre_validate(self, form: CareForm) -> None:
        """Refuse what is too long."""
        refuse_longer(self, LINE)


class WordsField(LongTextField):
    """Several lines of at most TEXT characters. No maxlength for the browser: it would cut a pasted text in silence."""

    def pre_validate(self, form: CareForm) -> None:
        """Refuse what is too long."""
        refuse_longer(self, TEXT)


class TimeOfDayField(TimeField):
    """A time such as 14:30, without a zone."""

    def __init__(self, label: str, *, required: bool = True, **kwargs: Any) -> None:
        message = _l("Enter a time such as 09:30.")
        presence = Present(message) if required else Optional()
        super().__init__(label, [presence], ["%H:%M", "%H:%M:%S"], invalid_value_message=message, **kwargs)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent. Raises ValueError for anything but a time."""
        super().process_formdata([valuelist[0].strip()] if valuelist else [""])


class LocalMomentField(DateTimeLocalField):
    """A day and time on a clock the page names, not yet a moment; optional."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        message = _l("Enter a day and time such as 2026-11-20 09:30.")
        super().__init__(label, format=list(MOMENT_FORMATS), invalid_value_message=message, **kwargs)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent; nothing sent is None. Raises ValueError for anything but a day and time in YEARS."""
        self.data: datetime | None = None
        if valuelist and valuelist[0].strip():
            super().process_formdata([valuelist[0].strip()])
        refuse_year(self.data, YEARS)


class CodeField(SelectField):
    """One of our codes, shown as its word. `empty` is the first choice, which stands for none."""

    def __init__(self, label: str, codes: Sequence[str], *, empty: str | None = None, **kwargs: Any) -> None:
        first = [("", empty)] if empty is not None else []
        super().__init__(label, choices=options([*first, *((code, words(code)) for code in codes)]), **kwargs)
        self.type = "SelectField"  # the field macro draws it as one

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent; the empty choice is None."""
        self.data = (valuelist[0] or None) if valuelist else None

    def pre_validate(self, form: CareForm) -> None:
        """Refuse what is no choice. Raises ValidationError."""
        if (self.data or "") not in {choice.value for choice in self.choices}:
            raise ValidationError(_("Choose one of the list."))


class QuantityField(WholeNumberField):
    """A whole number typed into a small box."""

    def __init__(self, label: str, *, minimum: int, maximum: int, **kwargs: Any) -> None:
        super().__init__(label, minimum=minimum, maximum=maximum, render_kw={"inputmode": "numeric"}, **kwargs)


def locator_in(text: str | None, prefix: str) -> str | None:
    """The locator of this kind in a parameter of an address, or None for no text. Raises Invalid for another text."""
    if not text:
        return None
    if not LOCATOR.fullmatch(text) or not text.upper().startswith(f"{prefix}-"):
        raise Invalid({"address": _("Give a number such as %(example)s.", example=f"{prefix}-2026-000042")})
    return text.upper()


def code_in(text: str | None, codes: Container[str]) -> str | None:
    """One of our codes in a parameter of an address, or None for no text. Raises NotFound for one that is none."""
    if text and text not in codes:
        raise NotFound()
    return text or None
