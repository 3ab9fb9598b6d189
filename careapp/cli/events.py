"""`flask events`: what is published about events."""

import json
from pathlib import Path

import click
from flask.cli import AppGroup

from careapp.disclosure import events as disclosure_events
from careapp.episodes import events as episode_events
from careapp.erasure import events as erasure_events
from careapp.operations import events as operations_events
from careapp.outbox.events import Event
from careapp.outbox.schemas import event_classes, schema_of
from careapp.patients import events as patient_events
from careapp.prescriptions import events as prescription_events
from careapp.providers import events as provider_events
from careapp.referrals import events as referral_events
from careapp.scheduling import events as scheduling_events

DIRECTORY = Path(__file__).resolve().parents[2] / "docs" / "events"
MODULES = (
    episode_events, scheduling_events, prescription_events, referral_events, patient_events, provider_events,
    disclosure_events,
    erasure_events,
    operations_events,
)  # fmt: skip

events = AppGroup("events", help="The events this application publishes.")


@events.command("schemas")
def schemas() -> None:
    """Write the JSON Schema of every event to docs/events."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    wanted = schema_files()
    for stale in {path.name for path in DIRECTORY.glob("*.schema.json")} - set(wanted):
        (DIRECTORY / stale).unlink()
    for name, content in wanted.items():
        (DIRECTORY / name).write_text(content)
    click.echo(f"{len(wanted)} schemas stand in docs/events.")


def all_events() -> dict[str, type[Event]]:
    """The class of every event, by topic; raises LookupError for a topic without one in MODULES."""
    return event_classes(MODULES)


def schema_files() -> dict[str, str]:
    """What docs/events should hold: each file's name and content."""
    return {
        f"{topic}.schema.json": json.dumps(schema_of(event), indent=2) + "\n"
        for topic, event in sorted(all_events().items())
    }
