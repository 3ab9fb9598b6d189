"""Field types of request bodies and queries: what is refused before any rule of the domain is asked."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

from careapp.paging import DEFAULT_LIMIT, MAX_LIMIT

_RFC_3339 = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$", re.ASCII)
_FULL_DATE = re.compile(r"^\d{4}-\d\d-\d\d$", re.ASCII)
_DIGITS = re.compile(r"^\d{1,9}$", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


def _moment(value: Any) -> Any:
    """A time is RFC 3339 text with an offset; a number would be taken as seconds since 1970."""
    if not isinstance(value, str) or not _RFC_3339.match(value):
        raise ValueError("send a time with offset, such as 2026-03-01T02:30:00Z (in an address, + is written %2B)")
    return _in_range(value)


def _in_utc(moment: datetime) -> datetime:
    """The same moment in UTC: RFC 3339 has offsets of up to 24 hours, PostgreSQL refuses those of 16 and more."""
    return moment.astimezone(UTC)


def _day(value: Any) -> Any:
    if not isinstance(value, str) or not _FULL_DATE.match(value):
        raise ValueError("send a date such as 1980-05-17")
    return _in_range(value, first=1800)


def _in_range(value: str, *, first: int = _FIRST_YEAR) -> str:
    if not first <= int(value[:4]) <= _LAST_YEAR:
        raise ValueError(f"the year must lie between {first} and {_LAST_YEAR}")
    return value


def _whole(value: Any) -> Any:
    """A whole number in JSON; true is none, nor is text."""
    if type(value) not in (int, float) or value != int(value):
        raise ValueError("send a whole number")
    return int(value)


def _whole_in_query(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.match(value):
        raise ValueError("send a whole number")
    return value


@dataclass(frozen=True)
class Among:
    """A text that is one of a lifecycle's states or another list of codes: `Annotated[str, Among(TYPES)]`."""

    values: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.literal_schema(list(self.values))


def _text(most: int) -> StringConstraints:
    """Up to `most` characters, at least one of them not blank; blanks around it are dropped."""
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=most, pattern=r"\S")


Line = Annotated[str, _text(200)]
Words = Annotated[str, _text(4000)]
WHOLE = BeforeValidator(_whole)  # stands after the limits, or they would not show in the document
Locator = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^\S+$")]
Moment = Annotated[
    AwareDatetime, BeforeValidator(_moment), AfterValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]  # fmt: skip
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Version = Annotated[int, Field(ge=1, le=2**31 - 1), WHOLE]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT), BeforeValidator(_whole_in_query)]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Sent(BaseModel):
    """Base of bodies and queries: names are camelCase, and a name nobody knows is refused, not dropped."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Paged(Sent):
    """The query of a list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


class MoveIn(Sent):
    """The body of any move: the version it is based on, where it does not stand in If-Match."""

    version: Version | None = None


class ActionIn(MoveIn):
    """The body of a move that may say why."""

    reason: Words | None = None
