"""Events: the base of every event, and the CloudEvents 1.0 envelope it leaves in (design §7)."""

from typing import Any, ClassVar, Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import Row

from careapp import clock
from careapp.telemetry.traces import TRACEPARENT, traceparent

SOURCE = "/careapp"


class Event(BaseModel):
    """Something that happened: locators, codes and times only, never a name, a birth date or free text.

    A subclass names its topic and adds the fields of `data`. `key` orders the event (the episode's locator, or the
    aggregate's own where there is no episode); `subject` is the locator it speaks of.
    """

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore")

    topic: ClassVar[str]
    priority: ClassVar[str] = "NORMAL"

    key: str = Field(exclude=True)
    subject: str = Field(exclude=True)

    @classmethod
    def of(cls, row: Row[Any], *, key: str, **more: Any) -> Self:
        """The event about a row; the row's columns fill the fields of the same name, its locator is the subject."""
        columns = dict(zip(row._fields, row, strict=True))
        return cls.model_validate({**columns, **more, "key": key, "subject": row.locator})

    def data(self) -> dict[str, Any]:
        """The event's own fields, as JSON values."""
        return self.model_dump(mode="json", by_alias=True)

    def envelope(self, tenant_key: str) -> dict[str, Any]:
        """The structured CloudEvents envelope, but for `sequence`, which the database gives."""
        return {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": SOURCE,
            "type": self.topic,
            "subject": self.subject,
            "time": clock.now().isoformat(),
            "datacontenttype": "application/json",
            "tenant": tenant_key,
            "priority": self.priority,
            **({TRACEPARENT: parent} if (parent := traceparent()) else {}),
            "data": self.data(),
        }
