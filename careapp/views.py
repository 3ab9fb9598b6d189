"""Views: the frozen values that commands and queries give back; the JSON API sends them as they are."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from sqlalchemy import Row

Changes = Callable[[Row[Any]], dict[str, Any]]


def codes(values: Sequence[str]) -> WithJsonSchema:
    """Names in the document the codes that a text may be: `Annotated[str, codes(TYPES)]`.

    A view does not ask whether it is one of them: constraints of the database see to that, and each row of a list
    would pay for it.
    """
    return WithJsonSchema({"type": "string", "enum": list(values)})


class _AsSent(GenerateJsonSchema):
    """Describes what is sent: a member is always there, so what it would be without a value says nothing."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The schema of the value alone."""
        return self.generate_inner(schema["schema"])


class Answer(BaseModel):
    """What goes out: frozen, with camelCase names, and described in the document as it is sent."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, json_schema_serialization_defaults_required=True
    )

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The schema of what is sent, whatever was asked for: who makes the document asks for what is taken in."""
        return super().model_json_schema(*args, **{**kwargs, "mode": "serialization", "schema_generator": _AsSent})


class View(Answer):
    """A frozen value with camelCase names on the outside, made from a database row whose columns have its names."""

    model_config = ConfigDict(from_attributes=True)

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


class Page(Answer, Generic[V]):
    """One page of a list and the cursor of the next; no cursor means the end."""

    items: tuple[V, ...]
    next_cursor: str | None = None
