"""The base of forms that change a record: what becomes of what was typed where somebody else was quicker."""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

import json
from collections.abc import Iterable
from datetime import date
from typing import Any, Self

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from wtforms import Field, HiddenField

from careapp.errors import Invalid
from careapp.web.forms.fields import CareForm, VersionField
from careapp.web.times import short_day

UNKNOWN = object()  # equal to nothing that anybody typed


class RecordForm(CareForm):
    """A form that holds a record as it was when the page was opened, and has others change it meanwhile.

    `opened` says what its fields held then. It is the user's own word, and decides on nothing but which of his entries
    he made himself.
    """

    version = VersionField()
    opened = HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.opened.raw_data is None:  # nothing was sent: this is the form as a page opens with it
            held = {name: _sent(self[name].data) for name in kwargs if name in self and name != "version"}
            self.opened.data = json.dumps(held, ensure_ascii=False)

    def meet(self, now: Self) -> list[tuple[str, str]]:
        """Go on from `now`, the form as a page would open with it, after a refusal as stale.

        A field that was not touched takes what is stored; one that both have changed keeps what was typed, and says
        what is stored. What is sent next is based on that. Returns label and present text of each field in which the
        record differs from what was opened, or from what is typed.
        """
        before, stored, differing = self._converted(self.opened.data), self._converted(now.opened.data), []
        for name, present in stored.items():
            field, opened, typed = self[name], before.get(name, UNKNOWN), _plain(self[name].data)
            if opened == present == typed:
                continue
            differing.append((field.label.text, _shown(now[name])))
            if typed == opened:
                field.raw_data = None
                field.process(None, now[name].data)
            elif present not in (typed, opened):
                text = _("Somebody else has changed this meanwhile. It is now: %(now)s", now=differing[-1][1] or "–")
                field.errors = [*field.errors, text]
        for name in ("version", "opened"):
            self[name].raw_data, self[name].data = None, now[name].data
        return differing

    def _converted(self, opened: str | None) -> dict[str, Any]:
        """What fields held, read as if it were sent, so that a number written in other digits is the same number.

        Nothing for what no page of ours can have said, or a page of before there was any: all then counts as typed.
        """
        try:
            held = dict(json.loads(opened or "{}"))
            read = type(self)(MultiDict(held), meta={"csrf": False})
        except (ValueError, TypeError, AttributeError, RecursionError, Invalid):
            return {}
        return {name: _plain(read[name].data) for name in held if name in self}


def _sent(value: Any) -> str | list[str]:
    """A field's value as a browser would send it."""
    if isinstance(value, list):
        return [str(one) for one in value]
    return "" if value is None else str(value)


def _plain(value: Any) -> Any:
    """A value to compare by: lines end as they may, and boxes are ticked in any order."""
    if isinstance(value, str):
        return "\n".join(value.splitlines())
    return sorted(value) if isinstance(value, list) else value


def _shown(field: Field) -> str:
    """What a field holds, as it is read on a page."""
    if isinstance(field.data, date):
        return short_day(field.data)
    choices: Iterable[Any] | None = getattr(field, "choices", None)
    if choices is None:
        return str(_sent(field.data))
    held = field.data if isinstance(field.data, list) else [field.data or ""]
    return ", ".join(str(choice.label) for choice in choices if choice.value in held) or str(getattr(field, "none", ""))
