"""Which query parameters and form fields a route reads: found out by letting it read, so that none is forgotten."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from apiflask import APIFlask
from flask import request
from werkzeug.datastructures import ImmutableMultiDict

from careapp.web.forms.fields import CareForm

Names = dict[str, set[str]]


class Asked(ImmutableMultiDict[str, str]):
    """Parameters that note by which names a route looks for them."""

    seen: ClassVar[Names] = defaultdict(set)

    def get(self, key: Any, *rest: Any, **more: Any) -> Any:
        self._note(key)
        return super().get(key, *rest, **more)

    def getlist(self, key: Any, *rest: Any, **more: Any) -> Any:
        self._note(key)
        return super().getlist(key, *rest, **more)

    def __contains__(self, key: Any) -> bool:
        self._note(key)
        return super().__contains__(key)

    def __getitem__(self, key: Any) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def _note(self, key: Any) -> None:
        if isinstance(key, str):
            self.seen[request.endpoint or ""].add(key)


@contextmanager
def noting(app: APIFlask) -> Iterator[Names]:
    """`with noting(app) as names`: names by endpoint, of every request until the block ends."""
    plain = app.request_class
    noted: Names = defaultdict(set)
    own = type("Own", (Asked,), {"seen": noted})
    clean = CareForm.Meta.wrap_formdata

    def note(self: Any, form: Any, formdata: Any) -> Any:  # a form reads from a copy of what was sent
        noted[request.endpoint or ""] |= set(form._fields)
        return clean(self, form, formdata)

    CareForm.Meta.wrap_formdata = note  # type: ignore[method-assign]
    app.request_class = type("Noting", (plain,), {"parameter_storage_class": own})
    try:
        yield noted
    finally:
        app.request_class, CareForm.Meta.wrap_formdata = plain, clean  # type: ignore[method-assign]
