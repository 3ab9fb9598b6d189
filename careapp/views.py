"""Views: the frozen values that commands and queries give back; the JSON API sends them as they are."""

from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import Row


class View(BaseModel):
    """A frozen value with camelCase names on the outside, made from a database row whose columns have its names."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, from_attributes=True)

    @classmethod
    def of(cls, row: Row[Any], **changes: Any) -> Self:
        """The view of a row; `changes` overrides single columns."""
        values = dict(zip(row._fields, row, strict=True))
        values.update(changes)
        return cls.__pydantic_validator__.validate_python(values)  # type: ignore[no-any-return]


V = TypeVar("V")


class Page(BaseModel, Generic[V]):
    """One page of a list and the cursor of the next; no cursor means the end."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    items: Sequence[V]
    next_cursor: str | None = None
