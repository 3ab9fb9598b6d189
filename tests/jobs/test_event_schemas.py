"""The published schemas of events: they are what the classes say, and every event there is keeps to them."""

import json
import re
from datetime import datetime
from typing import Any

import pytest
from apiflask import APIFlask
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from careapp.access import Actor, Role
from careapp.audit import sealer
from careapp.cli.events import DIRECTORY, all_events, events, schema_files
from careapp.disclosure import emergency
from careapp.episodes import service as episodes
from careapp.erasure.erase import erase_patient
from careapp.operations import audit_chain, tenant_deletion
from careapp.outbox import topics
from careapp.scheduling import changes, slots
from tests import factories as make
from tests.conftest import ROOT, TestTenant
from tests.jobs.relays import relay_role, wait_until

Envelopes = list[dict[str, Any]]
FORMATS = FormatChecker(("uuid",))


@FORMATS.checks("date-time", ValueError)
def is_moment(value: object) -> bool:
    """Whether a value is a time with an offset."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def schema(topic: str) -> Draft202012Validator:
    """The validator of a topic's messages, from the published file."""
    found = json.loads((DIRECTORY / f"{topic}.schema.json").read_text())
    return Draft202012Validator(found, format_checker=FORMATS)


@pytest.fixture
def everything_said(app: APIFlask, tenant: TestTenant, speaker: Actor) -> Envelopes:
    """The envelopes of one clinic's day in which each event happens."""
    provider = make.a_provider(speaker)
    episode = make.an_episode(speaker)
    make.an_appointment(speaker, episode, status="ATTENDED")
    moved = make.an_appointment(speaker, make.an_episode(speaker), make.a_slot(speaker, provider), status="CONFIRMED")
    changes.reschedule(speaker, moved.locator, slot_locator=make.a_slot(speaker, provider, hours=5).locator)
    cancelled = make.an_appointment(speaker, status="CANCELLED")
    changes.undo(speaker, cancelled.locator)
    blocked = make.a_slot(speaker, provider, hours=9)
    slots.act(speaker, blocked.locator, action="block")
    slots.act(speaker, blocked.locator, action="unblock")
    for status in ("FILLED", "VOID"):
        make.a_prescription(speaker, status=status)
    for status in ("COMPLETED", "CANCELLED"):
        make.a_referral(speaker, status=status)
    episodes.close(speaker, episode.locator, summary="Recovered, no further visit needed")
    episodes.cancel(speaker, make.an_episode(speaker).locator, reason="Entered twice")
    emergency.declare(
        make.a_person(speaker, Role.CLINICIAN), make.a_restricted_patient(speaker).locator, reason="Found unconscious"
    )
    mistaken = make.a_patient(speaker).locator
    erase_patient(speaker, mistaken, category="ENTERED_IN_ERROR", reason="Entered twice", version=1)
    with relay_role(app) as connection:
        wait_until(lambda: sealer.seal(connection, tenant.id) > 0)
    audit_chain.anchor(speaker)
    tenant_deletion.begin(app.config["DATABASE_OWNER_URL"], speaker, by="test", reason="Closed", export=None)
    with relay_role(app) as connection:
        rows = connection.execute(
            "SELECT envelope FROM outbox WHERE tenant_id = %s ORDER BY id", [tenant.id]
        ).fetchall()
    return [envelope for (envelope,) in rows]


def test_the_files_are_what_the_classes_say() -> None:
    held = {path.name: path.read_text() for path in DIRECTORY.glob("*.schema.json")}
    assert held == schema_files(), "run `flask --app wsgi events schemas`"


def test_every_topic_has_a_schema_that_is_one() -> None:
    assert set(all_events()) == set(topics.ALL)
    for topic in topics.ALL:
        Draft202012Validator.check_schema(schema(topic).schema)


def test_every_event_keeps_to_its_schema(everything_said: Envelopes) -> None:
    assert {envelope["type"] for envelope in everything_said} == set(topics.ALL)
    for envelope in everything_said:
        schema(envelope["type"]).validate(envelope)
        known = schema(envelope["type"]).schema["properties"]["data"]["anyOf"][0]["properties"]
        assert set(envelope["data"]) <= set(known), "nothing leaves that the schema does not name"
        schema(envelope["type"]).validate({**envelope, "data": {}})  # withheld


def test_the_page_for_consumers_tells_each_topic_with_its_key_and_fields(
    app: APIFlask, tenant: TestTenant, everything_said: Envelopes
) -> None:
    row = re.compile(r"^\| \[([\w.]+)\]\(\1\.schema\.json\)(, HIGH)? \| (\w+) \| (.*) \|$", re.M)
    told = {
        topic: (bool(high), key, re.findall(r"`(\w+)`", fields))
        for topic, high, key, fields in row.findall((DIRECTORY / "README.md").read_text())
    }
    kinds = {"EPI": "episode", "SLT": "slot", "PTY": "patient", "PRV": "provider", tenant.key: "tenant"}
    with relay_role(app) as connection:
        keys = dict(connection.execute("SELECT topic, key FROM outbox WHERE tenant_id = %s", [tenant.id]).fetchall())
    assert told == {
        topic: (
            event.priority == "HIGH",
            kinds.get(keys[topic]) or kinds[keys[topic][:3]],
            list(schema(topic).schema["properties"]["data"]["anyOf"][0]["properties"]),
        )
        for topic, event in all_events().items()
    }


def test_no_event_says_a_name_a_birth_date_or_what_somebody_wrote(everything_said: Envelopes) -> None:
    text = json.dumps([envelope["data"] for envelope in everything_said])
    names, wrote = (
        ("Testowa", "Daw", "Dr Provider", "1980-05-17"),
        ("Recovered", "Entered", "Amoxicillin", "blood", "unconscious"),
    )
    assert [private for private in names + wrote if private in text] == []


@pytest.mark.parametrize(
    "wrong",
    [{"sequence": "1"}, {"data": None}, {"id": "7"}, {"priority": "HIGH"}, {"time": "yesterday"}, {"data": {"x": 1}}],
)
def test_a_schema_refuses_what_is_wrong(everything_said: Envelopes, wrong: dict[str, Any]) -> None:
    envelope = next(one for one in everything_said if one["type"] == topics.EPISODE_OPENED)
    with pytest.raises(ValidationError):
        schema(topics.EPISODE_OPENED).validate({**envelope, **wrong})


def test_the_command_writes_all_and_removes_the_stale(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("docs")
    (directory / "care.forgotten.schema.json").write_text("{}")
    monkeypatch.setattr("careapp.cli.events.DIRECTORY", directory)
    assert app.test_cli_runner().invoke(events, ["schemas"]).exit_code == 0
    assert {path.name: path.read_text() for path in directory.iterdir()} == schema_files()


def test_only_the_writer_inserts_into_the_outbox() -> None:
    package = ROOT / "careapp"
    inserting = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(
            r"INSERT INTO outbox\b|insert\w*\(\s*OutboxEvent|table_of\(OutboxEvent\)\.insert", path.read_text()
        )
    ]
    assert inserting == ["outbox/writer.py"]
