"""JSON Schemas of events (draft 2020-12), made from their classes: the contract consumers build on."""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from careapp.outbox import topics
from careapp.outbox.events import SOURCE, Event
from careapp.telemetry.traces import TRACEPARENT

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def event_classes(modules: Iterable[ModuleType]) -> dict[str, type[Event]]:
    """The class of every topic, from the modules that define events.

    Raises LookupError where a topic has no class, or two.
    """
    classes: dict[str, type[Event]] = {}
    for module in modules:
        for found in vars(module).values():
            is_event = isinstance(found, type) and issubclass(found, Event) and "topic" in vars(found)
            if is_event and classes.setdefault(found.topic, found) is not found:
                raise LookupError(f"two classes publish {found.topic}")
    missing = sorted(set(topics.ALL) ^ set(classes))
    if missing:
        raise LookupError(
            "topics without an event in cli/events.MODULES, or events without a topic in outbox/topics.ALL:"
            f" {', '.join(missing)}"
        )
    return classes


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The schema of the whole message: the CloudEvents envelope with the event's own `data`, or `{}` if withheld."""
    data = event.model_json_schema(by_alias=True, mode="serialization")
    definitions = data.pop("$defs", {})
    described = data.pop("description", "")
    for named in (data, *data["properties"].values()):
        named.pop("title", None)  # only the name over again
    schema = {
        "$schema": DIALECT,
        "title": event.topic,
        "description": described,
        "type": "object",
        "properties": _envelope(event, data),
    }
    schema["required"] = [name for name in schema["properties"] if name != TRACEPARENT]
    return {**schema, "$defs": definitions} if definitions else schema


def _envelope(event: type[Event], data: dict[str, Any]) -> dict[str, Any]:
    """The properties of the envelope, all of them required."""
    return {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "format": "uuid", "description": "The same in a repeat."},
        "source": {"const": SOURCE},
        "type": {"const": event.topic},
        "subject": {"type": "string", "description": "Locator of what the event speaks of."},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "tenant": {"type": "string", "description": "Key of the tenant."},
        "sequence": {
            "type": "string",
            "pattern": "^[0-9]{10}$",
            "description": "Counts the events of a key within a tenant from 1, without gaps, over all topics.",
        },
        "priority": {"const": event.priority},
        TRACEPARENT: {
            "type": "string",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
            "description": "The trace that caused the event (CloudEvents distributed tracing), where it was traced.",
        },
        "data": {
            "anyOf": [
                data,
                {"type": "object", "maxProperties": 0, "description": "The event was withheld by its sender."},
            ]
        },
    }
