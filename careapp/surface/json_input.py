"""JSON as it comes in: what the standard parser lets through and a database or a reader cannot take is refused."""

import json
import math
import re
from typing import Any, NoReturn

from flask import Flask, Request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from careapp.surface.many_fields import MOST_FIELDS

DEEPEST = 32
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def init_json(app: Flask) -> None:
    """Read bodies strictly, and say why one cannot be read. After the pages, which put a class of htmx's own in the
    place of Flask's requests.
    """
    app.json = StrictJSON(app)
    app.request_class = type("StrictRequest", (app.request_class,), {"on_json_loading_failed": _refuse_unreadable})


class StrictJSON(DefaultJSONProvider):
    """Refuses, with ValueError: repeated keys, NaN and infinities, absurd depth, NUL, lone surrogates, bad UTF-8.

    And objects of very many fields, as each that is wrong is named in the answer.
    """

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The value in a JSON text; an empty body counts as an empty object."""
        if not s.strip():
            return {}
        try:
            text = s.decode("utf-8") if isinstance(s, bytes) else s
            value = json.loads(text, object_pairs_hook=no_repeats, parse_constant=refuse_constant)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if value is None:
            raise ValueError("null is no body")
        _check(value, 0)
        return value


def _refuse_unreadable(request: Request, error: ValueError | None) -> NoReturn:
    """In place of a request's own `on_json_loading_failed`, which keeps to itself why a body cannot be read.

    Raises BadRequest, and UnsupportedMediaType where it does not call itself JSON.
    """
    if error is None:
        raise UnsupportedMediaType("Send the body as application/json.")
    raise BadRequest(f"The body cannot be read as JSON: {error}.")


def is_storable(text: str) -> bool:
    """Whether PostgreSQL and UTF-8 can hold a text: no NUL, no lone surrogate."""
    return _NOT_STORABLE.search(text) is None


def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises ValueError for too many keys, and for one twice: two readers could take two values."""
    if len(pairs) > MOST_FIELDS:
        raise ValueError("too many fields in one object")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def refuse_constant(name: str) -> Any:
    """Raises ValueError: NaN and Infinity are no JSON."""
    raise ValueError(f"{name} is no JSON number")


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check(key, depth)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)
    elif isinstance(value, str) and not is_storable(value):
        raise ValueError("a text holds NUL or half a character")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
