"""Views: the frozen values that commands and queries give back; the JSON API sends them as they are."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import Row

Changes = Callable[[Row[Any]], dict[str, Any]]


class View(BaseModel):
    """A frozen value with camelCase names on the outside, made from a database row whose columns have its names."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, from_attributes=True)

    @classmethod
    def of(cls, row: Row[Any], **changes: Any) -> Self:
        """The view of a row; `changes` overrides single columns."""
        values = dict(zip(row._fields, row, strict=True))
        values.update(changes)
        return cls.__pydantic_validator__.validate_python(values)  # type: ignore[no-any-return]

    @classmethod
    def of_each(cls, rows: Iterable[Row[Any]], changes: Changes | None = None) -> list[Self]:
        """The views of the rows of one statement; `changes` says what overrides columns of a row.

        The names of the columns are asked of the first row: SQLAlchemy puts them together anew for each.
        """
        made: list[Self] = []
        names: tuple[str, ...] = ()
        validated = cls.__pydantic_validator__.validate_python
        for row in rows:
            names = names or row._fields
            values = dict(zip(names, row, strict=True))
            if changes is not None:
                values.update(changes(row))
            made.append(validated(values))
        return made


V = TypeVar("V")


class Page(BaseModel, Generic[V]):
    """One page of a list and the cursor of the next; no cursor means the end."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    items: tuple[V, ...]
    next_cursor: str | None = None
