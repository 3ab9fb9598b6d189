"""The relay's rules one by one, with a sender whose failures a test chooses: who waits, who goes on, what is kept."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from apiflask import APIFlask
from structlog.testing import capture_logs

from careapp.access import Actor
from careapp.operations import outbox_desk
from careapp.outbox import crash_points
from careapp.outbox.relay import Relay
from careapp.outbox.senders import Envelope, LogSender, Pending, SendFailed, Sent, Unsendable, encoded
from tests.conftest import TestTenant
from tests.jobs.relays import relay_role, unsent, wait_until
from tests.jobs.speaking import AppointmentSpoke, EpisodeSpoke, at_commit, saying, speak

A, B, C = "EPI-2026-000001", "EPI-2026-000002", "EPI-2026-000003"


class ChosenSender:
    """Takes events, except those that a test has said must fail. `sent` are the marks that arrived."""

    def __init__(self) -> None:
        self.down = False
        self.fails: set[str] = set()  # keys or topics the broker does not take now
        self.poison: set[str] = set()  # keys whose events can never be sent
        self.sent: list[int] = []
        self.tried: Counter[str] = Counter()  # by topic
        self.connects = self.resets = 0
        self.under_way: Counter[str] = Counter()

    def connect(self) -> None:
        self.connects += 1
        if self.down:
            raise SendFailed("NoBroker")

    def send(self, topic: str, key: str, envelope: Envelope) -> Pending:
        self.tried[topic] += 1
        if topic in self.fails:
            raise SendFailed("UnknownTopic")
        if key in self.poison:
            raise Unsendable("TooLarge")
        self.under_way[key] += 1
        assert self.under_way[key] == 1, "two events of a key were under way at once"
        return ChosenAnswer(self, key, envelope["data"].get("mark", 0))

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.down = True


class ChosenAnswer:
    """The broker's answer to one send."""

    def __init__(self, sender: ChosenSender, key: str, mark: int) -> None:
        self._sender, self._key, self._mark = sender, key, mark

    def result(self, timeout: float) -> None:
        self._sender.under_way[self._key] -= 1
        if self._key in self._sender.fails:
            raise SendFailed("Timeout")
        self._sender.sent.append(self._mark)


@pytest.fixture
def sender() -> ChosenSender:
    return ChosenSender()


@pytest.fixture
def relay(app: APIFlask, sender: ChosenSender, speaker: Actor) -> Iterator[Relay]:
    made = Relay(app.config["DATABASE_RELAY_URL"], sender)
    yield made
    made.close()


def tell(actor: Actor, *keys: str, kind: type[EpisodeSpoke] = EpisodeSpoke) -> list[int]:
    """Publish an event for each key, in that order, and return their marks."""
    said = [saying(key, kind) for key in keys]
    speak(actor, said)
    return [one.mark for one in said]


def of_key(app: APIFlask, tenant: TestTenant, key: str) -> list[tuple[int, int, bool, str | None]]:
    """Sequence, attempts, whether parked, last error of the unsent events of a key."""
    with relay_role(app) as connection:
        return connection.execute(
            "SELECT sequence, attempts, parked_at IS NOT NULL, last_error FROM outbox"
            " WHERE tenant_id = %s AND key = %s AND published_at IS NULL ORDER BY id",
            [tenant.id, key],
        ).fetchall()


def test_one_event_of_a_key_is_under_way_at_a_time_and_in_order(
    relay: Relay, speaker: Actor, sender: ChosenSender
) -> None:
    marks = tell(speaker, A, A, B, A, B)
    assert relay.run_pass() == 5
    assert sorted(sender.sent) == marks
    assert [mark for mark in sender.sent if mark in (marks[0], marks[1], marks[3])] == [marks[0], marks[1], marks[3]]


def test_a_failing_key_is_held_alone(
    app: APIFlask, tenant: TestTenant, relay: Relay, speaker: Actor, sender: ChosenSender
) -> None:
    sender.fails = {A}
    first, second, other = tell(speaker, A, A, B)
    relay.run_pass()
    assert sender.sent == [other]
    assert of_key(app, tenant, A) == [(1, 1, False, "Timeout"), (2, 0, False, None)]
    assert sender.resets == 1, "after a failure nothing of the old connection is used again"
    [later] = tell(speaker, C)
    relay.run_pass()
    assert sender.sent == [other, later], "the held key waits, a new one goes"
    sender.fails.clear()
    wait_until(lambda: relay.run_pass() > 0)  # its own pause is over
    assert sender.sent == [other, later, first, second]


def test_a_topic_that_fails_is_tried_once_and_holds_only_its_events(
    app: APIFlask, tenant: TestTenant, relay: Relay, speaker: Actor, sender: ChosenSender
) -> None:
    keys = [f"EPI-2026-{number:06}" for number in range(100, 130)]
    tell(speaker, *keys, kind=AppointmentSpoke)
    marks = tell(speaker, *(f"{key}9" for key in keys))
    sender.fails = {AppointmentSpoke.topic}
    relay.run_pass()
    relay.run_pass()
    assert set(sender.sent) == set(marks)
    assert sender.tried[AppointmentSpoke.topic] <= 16, "once for each shard: every try may block for seconds"
    assert all(of_key(app, tenant, key)[0][1] == 1 for key in keys)


def test_without_a_broker_nothing_is_touched_and_the_next_try_waits(
    app: APIFlask, tenant: TestTenant, relay: Relay, speaker: Actor, sender: ChosenSender
) -> None:
    tell(speaker, A, B)
    sender.down = True
    assert [relay.run_pass(), relay.run_pass(), relay.run_pass()] == [0, 0, 0]
    assert sender.connects == 1, "the pause after a failure is kept"
    assert of_key(app, tenant, A) == [(1, 0, False, None)]
    sender.down = False
    wait_until(lambda: relay.run_pass() == 2)


def test_poison_is_parked_alone_until_somebody_retries_it(
    app: APIFlask, tenant: TestTenant, relay: Relay, speaker: Actor, sender: ChosenSender
) -> None:
    sender.poison = {A}
    first, second, other = tell(speaker, A, A, B)
    relay.run_pass()
    assert sender.sent == [other]
    assert of_key(app, tenant, A) == [(1, 1, True, "TooLarge"), (2, 0, False, None)]
    assert sender.resets == 0, "the broker is not at fault"
    sender.poison.clear()
    assert relay.run_pass() == 0, "parked is parked"
    [parked, _] = outbox_desk.list_unsent(speaker)
    assert (parked.state, parked.key, parked.sequence) == ("PARKED", A, 1)
    outbox_desk.retry(speaker, parked.event_id)
    assert relay.run_pass() == 2
    assert sender.sent == [other, first, second]


def test_an_event_committed_late_is_not_passed_over(
    app: APIFlask, tenant: TestTenant, relay: Relay, speaker: Actor, sender: ChosenSender
) -> None:
    written, may_commit = threading.Event(), threading.Event()
    late: list[int] = []

    def slow_writer() -> None:
        with app.app_context(), at_commit(lambda: (written.set(), may_commit.wait())):
            late.extend(tell(speaker, A))

    thread = threading.Thread(target=slow_writer)
    thread.start()
    written.wait()
    marks = tell(speaker, B, C)  # later ids, committed first
    assert relay.run_pass() == 2
    may_commit.set()
    thread.join()
    assert relay.run_pass() == 1
    assert set(sender.sent) == {*marks, *late}


def test_two_relays_do_not_take_the_same_shard(
    app: APIFlask, tenant: TestTenant, relay: Relay, speaker: Actor, sender: ChosenSender
) -> None:
    tell(speaker, A)
    with relay_role(app) as other, other.transaction():
        other.execute("SELECT 1 FROM outbox_shard FOR UPDATE")
        assert relay.run_pass() == 0
    assert relay.run_pass() == 1


def test_a_relay_told_to_stop_begins_nothing(relay: Relay, speaker: Actor, sender: ChosenSender) -> None:
    tell(speaker, A)
    relay.stop()
    assert relay.run_pass() == 0
    assert sender.connects == 0


def test_without_a_broker_in_the_settings_events_go_to_the_log(
    app: APIFlask, tenant: TestTenant, speaker: Actor
) -> None:
    relay = Relay(app.config["DATABASE_RELAY_URL"], LogSender())
    tell(speaker, A, B)
    with capture_logs() as logs:
        assert relay.run_pass() == 2
    relay.close()
    told = [(entry["topic"], entry["key"]) for entry in logs if entry["event"] == "event published"]
    assert sorted(told) == [(EpisodeSpoke.topic, A), (EpisodeSpoke.topic, B)]
    assert unsent(app, tenant.id) == 0


@pytest.mark.parametrize("topic", ["", ".", "..", "with space", "x" * 250, "naïve"])
def test_a_topic_kafka_would_never_take_is_the_events_own_fault(topic: str) -> None:
    with pytest.raises(Unsendable, match="InvalidTopicError"):
        encoded(topic, {"id": "x"})


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_is_no_json_is_the_events_own_fault(value: object) -> None:
    with pytest.raises(Unsendable):
        encoded("care.episode.opened", {"data": value})


def test_a_good_event_is_encoded_as_utf_8() -> None:
    assert encoded("care.episode.opened", {"data": "ရန်ကုန်"}) == '{"data": "ရန်ကုန်"}'.encode()
    Sent().result(0)


def test_crash_points_do_nothing_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(crash_points.VARIABLE, raising=False)
    for name in crash_points.NAMES:
        crash_points.reached(name)
    monkeypatch.setenv(crash_points.VARIABLE, "after_send:1000000")
    crash_points.reached("after_send")
