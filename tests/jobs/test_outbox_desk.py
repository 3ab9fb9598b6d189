"""The outbox desk: what people see of events that do not leave, and what they may do about them."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from careapp import tenancy
from careapp.access import Actor, Role
from careapp.cli.outbox import outbox
from careapp.db import db
from careapp.errors import Conflict, Forbidden, Invalid, NotFound
from careapp.operations import outbox_desk
from careapp.outbox.relay import Relay
from tests.conftest import TestTenant
from tests.jobs.history import Reader
from tests.jobs.relays import sender_to
from tests.jobs.speaking import saying, speak

A, B = "EPI-2026-000001", "EPI-2026-000002"
TOO_LARGE = "x" * 1_100_000  # Kafka takes 1 MiB


@pytest.fixture
def relay(app: APIFlask, topics_made: None, kafka_address: str, client: str) -> Iterator[Relay]:
    """A relay to the real Kafka, run by hand."""
    made = Relay(app.config["DATABASE_RELAY_URL"], sender_to(kafka_address, client))
    yield made
    made.close()


@pytest.fixture
def parked(reader: Reader, relay: Relay, speaker: Actor) -> uuid.UUID:
    """An event too large for Kafka, parked, with one behind it in its key."""
    speak(speaker, [saying(A), saying(A, filler=TOO_LARGE), saying(A), saying(B)])
    relay.run_pass()
    return outbox_desk.list_unsent(speaker).items[0].event_id


def sequences(reader: Reader, tenant: TestTenant, key: str) -> list[tuple[str, bool]]:
    """Sequence of each message of a key, and whether it came with data."""
    events = sorted(reader.read(tenant), key=lambda one: one.envelope["sequence"])
    return [(one.envelope["sequence"], bool(one.envelope["data"])) for one in events if one.key == key]


def test_an_event_too_large_for_kafka_is_parked_and_only_its_key_waits(
    parked: uuid.UUID, reader: Reader, tenant: TestTenant, speaker: Actor
) -> None:
    assert sequences(reader, tenant, A) == [("0000000001", True)]
    assert sequences(reader, tenant, B) == [("0000000001", True)]
    first, behind = outbox_desk.list_unsent(speaker).items
    assert (first.event_id, first.state, first.attempts) == (parked, "PARKED", 1)
    assert first.last_error == "MessageSizeTooLargeError"
    assert (behind.key, behind.sequence, behind.state) == (A, 3, "WAITING")


def test_retry_alone_does_not_help_it(parked: uuid.UUID, relay: Relay, speaker: Actor) -> None:
    outbox_desk.retry(speaker, parked)
    assert relay.run_pass() == 0
    again = outbox_desk.list_unsent(speaker).items[0]
    assert (again.event_id, again.state, again.attempts) == (parked, "PARKED", 2)


def test_withheld_it_leaves_without_data_and_without_a_gap(
    parked: uuid.UUID, relay: Relay, reader: Reader, tenant: TestTenant, speaker: Actor
) -> None:
    outbox_desk.withhold(speaker, parked, reason="too large to send")
    assert relay.run_pass() == 2
    assert sequences(reader, tenant, A) == [("0000000001", True), ("0000000002", False), ("0000000003", True)]
    assert outbox_desk.list_unsent(speaker).items == ()
    statement = text("SELECT subject, detail FROM audit_event WHERE action = 'outbox.withhold'")
    with tenancy.bound(tenant.id):
        audit = db.session.execute(statement).one()
        db.session.rollback()
    assert audit.subject == A
    assert (audit.detail["event_id"], audit.detail["reason"]) == (str(parked), "too large to send")


def test_withhold_asks_for_a_reason_and_a_parked_event(speaker: Actor) -> None:
    speak(speaker, [saying(A)])
    waiting = outbox_desk.list_unsent(speaker).items[0].event_id
    with pytest.raises(Invalid):
        outbox_desk.withhold(speaker, waiting, reason="  ")
    with pytest.raises(Conflict) as refusal:
        outbox_desk.withhold(speaker, waiting, reason="never mind")
    assert refusal.value.code == "EVENT_NOT_PARKED", "it may be on its way this very moment"


def test_an_event_that_has_left_stays_as_it_is(reader: Reader, relay: Relay, speaker: Actor) -> None:
    speak(speaker, [saying(A)])
    event_id = outbox_desk.list_unsent(speaker).items[0].event_id
    relay.run_pass()
    with pytest.raises(Conflict) as refusal:
        outbox_desk.retry(speaker, event_id)
    assert refusal.value.code == "EVENT_PUBLISHED"


def test_the_desk_is_for_administrators_of_the_same_tenant(
    parked: uuid.UUID, new_tenant: Callable[..., TestTenant], actor_of: Callable[..., Actor]
) -> None:
    for role in (Role.FRONT_DESK, Role.CLINICIAN, Role.AUDITOR):
        with pytest.raises(Forbidden):
            outbox_desk.list_unsent(actor_of(role))
        with pytest.raises(Forbidden):
            outbox_desk.retry(actor_of(role), parked)
    stranger = actor_of(Role.ADMIN, tenant=new_tenant())
    assert outbox_desk.list_unsent(stranger).items == ()
    with pytest.raises(NotFound):
        outbox_desk.withhold(stranger, parked, reason="not mine")
    assert outbox_desk.list_unsent(actor_of(Role.ADMIN)).items[0].event_id == parked


def test_the_commands_do_the_same(app: APIFlask, parked: uuid.UUID, tenant: TestTenant, relay: Relay) -> None:
    runner = app.test_cli_runner()
    listed = runner.invoke(outbox, ["list", "--tenant", tenant.key])
    assert f"{tenant.key}  {parked}  PARKED  care.episode.opened  {A}  2" in listed.output
    assert "UTC  1  MessageSizeTooLargeError" in listed.output
    assert runner.invoke(outbox, ["retry", str(parked), "--tenant", tenant.key]).exit_code == 0
    relay.run_pass()
    withheld = runner.invoke(outbox, ["withhold", str(parked), "--tenant", tenant.key, "--reason", "too large"])
    assert withheld.exit_code == 0, withheld.output
    assert relay.run_pass() == 2
    assert runner.invoke(outbox, ["list", "--tenant", tenant.key]).output == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--tenant", "nobody"], "There is no tenant nobody."),
        (["retry", str(uuid.uuid4()), "--tenant", "{tenant}"], "There is no event with that id here."),
        (["withhold", str(uuid.uuid4()), "--tenant", "{tenant}", "--reason", " "], "Say why"),
    ],
)
def test_the_commands_say_what_is_wrong(app: APIFlask, tenant: TestTenant, arguments: list[str], said: str) -> None:
    outcome = app.test_cli_runner().invoke(outbox, [one.format(tenant=tenant.key) for one in arguments])
    assert outcome.exit_code == 1
    assert said in outcome.output
