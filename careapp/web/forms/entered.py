"""What was typed into a form that is shown nowhere any more, in the words of that form: its labels and its choices."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, HiddenField

from careapp.errors import Invalid
from careapp.web.forms.fields import CareForm
from careapp.web.words import label

NOT_TYPED = frozenset({"csrf_token", "version", "opened", "submission", "draft", "next", "looked_at", "q"})


def entries(posted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Label and text of each field that somebody filled in, of a form whose fields were sent so.

    The form is known by the names of its fields; of one that is none of ours, they are read out as they are written.
    """
    form = _form_with({name for name, text in posted}, posted)
    typed = [(name, text) for name, text in posted if text and name not in NOT_TYPED]
    fields = [(form[name] if form and name in form else None, name, text) for name, text in typed]
    return [_entry(*one) for one in fields if not isinstance(one[0], HiddenField)]


def _entry(field: Field | None, name: str, text: str) -> tuple[str, str]:
    if field is None:
        return label(name.replace("_", " ").capitalize()), text
    if isinstance(field, BooleanField):
        return field.label.text, _("Ticked")
    offered: Iterable[Any] = getattr(field, "choices", None) or ()
    said = next((str(choice.label) for choice in offered if choice.value == text), None)
    return field.label.text, said or str(getattr(field, "named", {}).get(text, text))


def _form_with(names: set[str], posted: Sequence[tuple[str, str]]) -> CareForm | None:
    """The form that has most of these fields, and of such forms the one with fewest others; None where none has any."""
    counted = names - NOT_TYPED
    fitting = [(len(counted & held), -len(held), one) for one in _forms(CareForm) if (held := _fields(one)) & counted]
    if not fitting:
        return None
    best = max(fitting, key=lambda fit: fit[:2])[2]
    try:
        return best(MultiDict(posted), meta={"csrf": False})
    except Invalid:
        return None


def _forms(base: type[CareForm]) -> Iterator[type[CareForm]]:
    for one in base.__subclasses__():
        yield one
        yield from _forms(one)


def _fields(form: type[CareForm]) -> set[str]:
    """The names of a form's fields, as its class has them."""
    return {name for name in dir(form) if hasattr(getattr(form, name), "_formfield")}
