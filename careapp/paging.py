"""Keyset paging: opaque cursors over (sort key, id), so that a page costs the same at the end of a long list.

A cursor holds a tag of the list it was made for: its name and what it was narrowed by. At another list, or with another
filter, it would mean another place or none, and an empty page would say that nobody is left.
"""

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Integer, Row, Select, bindparam, tuple_

from careapp.db import db
from careapp.errors import Invalid, Sentence
from careapp.kept import built_once
from careapp.views import Page

T = TypeVar("T")
MAX_LIMIT = 200
DEFAULT_LIMIT = 50

ListName = tuple[object, ...]  # the name of a list, then what it was narrowed by, without its tenant and its reader


def encode_cursor(of: ListName, *keys: datetime | int | str) -> str:
    """The list and the keys of the last row shown, as text that means nothing to the client."""
    plain = [_tag(of), *(key.isoformat() if isinstance(key, datetime) else key for key in keys)]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, of: ListName, *types: type) -> tuple[Any, ...]:
    """The keys in a cursor; raises Invalid when it is not one of ours, or was made for another list."""
    try:
        tag, *plain = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if tag != _tag(of) or len(plain) != len(types):
            raise ValueError("made for another list, or before cursors named theirs")
        keys = tuple(
            datetime.fromisoformat(key).astimezone(UTC) if kind is datetime else _exactly(kind, key)
            for key, kind in zip(plain, types, strict=True)
        )
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Invalid({"cursor": Sentence("Send the nextCursor of the page before, unchanged.")}) from error
    return keys


def _tag(of: ListName) -> int:
    """What tells one list from another: no proof, as whoever makes up a cursor gets but another page of the same."""
    return zlib.crc32(repr(of).encode())


def _exactly(kind: type, key: Any) -> Any:
    """`key` if it is of this kind and PostgreSQL can hold it: within a bigint, no NUL, no lone surrogate."""
    if type(key) is not kind or (isinstance(key, int) and not -(2**63) <= key < 2**63):
        raise ValueError("wrong kind of key")
    if isinstance(key, str) and b"\x00" in key.encode():  # which raises UnicodeEncodeError for a lone surrogate
        raise ValueError("NUL in a key")
    return key


def read_page(
    statement: Select[Any], keys: tuple[ColumnElement[Any], ...], views: Callable[[Sequence[Row[Any]]], list[T]], *,
    of: ListName, limit: int, cursor: str | None, newest_first: bool = False, values: dict[str, Any] | None = None,
) -> Page[T]:  # fmt: skip
    """One page of a list ordered by `keys`, the last of which is unique; `cursor` is the nextCursor of the page before.

    `values` are those of a statement that is built once and kept; a statement built for one request holds its own.
    `views` makes views of the rows that are shown. Raises Invalid for a cursor that was not made for this list.
    """
    last = () if cursor is None else decode_cursor(cursor, of, *(key.type.python_type for key in keys))
    after = {f"after_{number}": value for number, value in enumerate(last)}
    ordered = _ordered if values is None else _kept_ordered
    paged = ordered(statement, keys, newest_first, bool(last))
    rows = db.session.execute(paged, {**(values or {}), **after, "rows_wanted": limit + 1}).all()
    return page_of(rows, limit, views, lambda row: tuple(row._mapping[key] for key in keys), of)


def _ordered(
    statement: Select[Any], keys: tuple[ColumnElement[Any], ...], newest_first: bool, later: bool
) -> Select[Any]:
    """The statement in order, from its beginning or after the keys of a cursor, with room for a limit."""
    if later:
        last = tuple_(*(bindparam(f"after_{number}", type_=key.type) for number, key in enumerate(keys)))
        statement = statement.where(tuple_(*keys) < last if newest_first else tuple_(*keys) > last)
    order = [key.desc() if newest_first else key for key in keys]
    return statement.order_by(*order).limit(bindparam("rows_wanted", type_=Integer))


_kept_ordered = built_once(_ordered)


def page_of(
    rows: Sequence[Row[Any]], limit: int, views: Callable[[Sequence[Row[Any]]], list[T]],
    keys: Callable[[Row[Any]], tuple[Any, ...]], of: ListName,
) -> Page[T]:  # fmt: skip
    """A page from up to `limit` + 1 rows: one row more than the limit means that there is a next page."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(items=tuple(views(shown)), next_cursor=encode_cursor(of, *keys(shown[-1])) if more else None)


def patients_in(items: Sequence[Any]) -> tuple[str, ...]:
    """The patients a list shows, each once, for its audit row; the items are views with a `party_locator`."""
    return tuple(sorted({item.party_locator for item in items}))
