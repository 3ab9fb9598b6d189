"""The relay's rules one by one, with a sender whose failures a test chooses: who waits, who goes on, what is kept."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from apiflask import APIFlask
from psycopg.types.json import Jsonb
from structlog.testing import capture_logs

from careapp import localdb
from careapp.access import Actor
from careapp.operations import outbox_desk
from careapp.outbox import crash_points, drain
from careapp.outbox.relay import Relay, Relays
from careapp.outbox.senders import Headers, LogSender, Pending, SendFailed, Sent, Unsendable, is_topic
from careapp.outbox.writer import shard_of
from careapp.telemetry import traces
from tests.conftest import TestTenant
from tests.database import TestDatabase
from tests.jobs.relays import PATIENCE_SECONDS, relay_role, unsent, wait_until
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
        self.values: list[bytes] = []
        self.headers: list[dict[str, bytes]] = []
        self.at_first_answer: Callable[[], None] | None = None

    def connect(self) -> None:
        self.connects += 1
        if self.down:
            raise SendFailed("NoBroker")

    def send(self, topic: str, key: str, value: bytes, headers: Headers = ()) -> Pending:
        self.tried[topic] += 1
        if topic in self.fails:
            raise SendFailed("UnknownTopic")
        if key in self.poison:
            raise Unsendable("TooLarge")
        self.values.append(value)
        self.headers.append(dict(headers))
        self.under_way[key] += 1
        assert self.under_way[key] == 1, "two events of a key were under way at once"
        return ChosenAnswer(self, key, json.loads(value)["data"].get("mark", 0))

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.down = True


class ChosenAnswer:
    """The broker's answer to one send."""

    def __init__(self, sender: ChosenSender, key: str, mark: int) -> None:
        self._sender, self._key, self._mark = sender, key, mark

    def result(self, timeout: float) -> None:
        if act := self._sender.at_first_answer:
            self._sender.at_first_answer = None
            act()
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


def same_shard(tenant: TestTenant, count: int) -> list[str]:
    """So many keys that one visit drains together."""
    keys = (f"EPI-2026-{number:06}" for number in range(1000, 3000))
    return [key for key in keys if shard_of(tenant.id, key) == 7][:count]


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


def test_on_the_schema_before_nothing_is_sent(
    relay: Relay, speaker: Actor, sender: ChosenSender, database: TestDatabase
) -> None:
    """Else what it sends it cannot mark, and sends again with each pass."""
    marks = tell(speaker, A)
    with psycopg.connect(localdb.libpq_url(database.owner), autocommit=True) as owner:
        owner.execute("ALTER TABLE outbox_sent RENAME TO not_there_yet")
        try:
            assert relay.run_pass() == 0
        finally:
            owner.execute("ALTER TABLE not_there_yet RENAME TO outbox_sent")
    assert (sender.sent, relay.failures) == ([], 1)
    wait_until(lambda: relay.run_pass() == 1)
    assert sender.sent == marks


def test_what_the_version_before_marks_in_place_is_not_sent_again(
    app: APIFlask, tenant: TestTenant, relay: Relay, speaker: Actor, sender: ChosenSender
) -> None:
    """The two run side by side while one takes the other's place."""
    first, second, _, fourth = tell(speaker, A, A, B, A)
    with relay_role(app) as connection:
        connection.execute(
            "UPDATE outbox SET published_at = now() WHERE tenant_id = %s AND (key = %s OR sequence = 1)", [tenant.id, B]
        )
    assert relay.run_pass() == 2
    assert sender.sent == [second, fourth]
    assert first not in sender.sent


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
    assert set(sender.sent) == set(marks)
    visits = sender.connects - 1  # and once for the pass
    assert sender.tried[AppointmentSpoke.topic] <= visits, "once a visit: every try may block for seconds"
    assert all(of_key(app, tenant, key)[0][1] >= 1 for key in keys)


def test_without_a_broker_nothing_is_touched_and_the_next_try_waits(
    app: APIFlask, tenant: TestTenant, relay: Relay, speaker: Actor, sender: ChosenSender
) -> None:
    tell(speaker, A, B)
    sender.down, began = True, time.monotonic()
    assert relay.run_pass() == 0
    assert relay._not_before >= began + 0.5
    relay._not_before += PATIENCE_SECONDS  # the first pause is so short that a machine may stall through it
    assert [relay.run_pass(), relay.run_pass()] == [0, 0]
    assert sender.connects == 1, "the pause after a failure is kept"
    relay._not_before -= PATIENCE_SECONDS
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
    [parked, _] = outbox_desk.list_unsent(speaker).items
    assert (parked.state, parked.key, parked.sequence) == ("PARKED", A, 1)
    outbox_desk.retry(speaker, parked.event_id)
    assert relay.run_pass() == 2
    assert sender.sent == [other, first, second]


def test_a_visit_to_a_held_key_begins_no_trace(
    relay: Relay, speaker: Actor, sender: ChosenSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    @contextmanager
    def span(name: str) -> Iterator[None]:
        begun.append(name)
        yield

    monkeypatch.setattr(traces, "span", span)
    sender.poison = {A}
    tell(speaker, A, A)
    relay.run_pass()
    assert set(begun) == {"job outbox"}
    begun.clear()
    before = sender.connects
    relay.run_pass()
    assert sender.connects >= before + 2, "the shard of what stands behind the parked one was visited"
    assert begun == []


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


def test_relays_of_one_process_share_the_work_and_one_that_fails_leaves_it_to_the_other(
    app: APIFlask, speaker: Actor, tenant: TestTenant
) -> None:
    senders = [ChosenSender(), ChosenSender()]
    made = iter(senders)
    keys = [f"EPI-2026-{number:06}" for number in range(200)]
    with closing(Relays(app.config["DATABASE_RELAY_URL"], lambda: next(made))) as relays:
        marks = tell(speaker, *keys, *keys)
        assert relays.run_pass() == 400
        assert sorted(senders[0].sent + senders[1].sent) == marks
        senders[0].down = True
        more = tell(speaker, *keys)
        wait_until(lambda: relays.run_pass() == 0)
        assert sorted(senders[0].sent + senders[1].sent) == [*marks, *more]
        assert relays.published == 600
        assert relays.failures > 0
        relays.stop()
        tell(speaker, A)
        assert relays.run_pass() == 0
    assert unsent(app, tenant.id) == 1


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
    assert not is_topic(topic)
    with pytest.raises(Unsendable, match="InvalidTopicError"):
        LogSender().send(topic, A, b"{}")


def test_an_event_leaves_as_the_json_it_was_stored_as(
    app: APIFlask, tenant: TestTenant, relay: Relay, speaker: Actor, sender: ChosenSender
) -> None:
    speak(speaker, [saying(A, filler='\u101b\u1014\u103a "quoted" \\ \u0001')])
    with relay_role(app) as connection:
        [[stored]] = connection.execute("SELECT envelope FROM outbox WHERE tenant_id = %s", [tenant.id]).fetchall()
    relay.run_pass()
    assert json.loads(sender.values[0]) == stored
    Sent().result(0)


@pytest.mark.parametrize("parent", [None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
def test_an_event_says_that_it_is_a_structured_cloudevent(
    app: APIFlask, tenant: TestTenant, relay: Relay, speaker: Actor, sender: ChosenSender, parent: str | None
) -> None:
    """CloudEvents' Kafka protocol binding asks for this header: by it a library tells the mode of a message."""
    tell(speaker, A)
    with relay_role(app) as connection:
        connection.execute(
            "UPDATE outbox SET envelope = envelope - 'traceparent' || %s WHERE tenant_id = %s",
            [Jsonb({"traceparent": parent} if parent else {}), tenant.id],
        )
    assert relay.run_pass() == 1
    [headers] = sender.headers
    assert headers.pop("content-type") == b"application/cloudevents+json; charset=UTF-8"
    assert headers == ({"traceparent": parent.encode()} if parent else {})


def test_a_transaction_that_commits_between_two_reads_of_a_visit_keeps_the_order_of_its_key(
    app: APIFlask,
    relay: Relay,
    speaker: Actor,
    sender: ChosenSender,
    tenant: TestTenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drain, "AT_ONCE", 1)  # so that a visit reads often
    monkeypatch.setattr(drain, "MOST", 20)
    late_key, *others = same_shard(tenant, 4)
    written, may_commit, committed = threading.Event(), threading.Event(), threading.Event()
    late: list[int] = []

    def slow_writer() -> None:
        with app.app_context(), at_commit(lambda: (written.set(), may_commit.wait())):
            late.extend(tell(speaker, late_key))  # its ids are the lowest
        committed.set()

    def commit_it_and_say_more() -> None:
        may_commit.set()
        committed.wait()
        late.extend(tell(speaker, late_key, late_key))

    thread = threading.Thread(target=slow_writer)
    thread.start()
    written.wait()
    marks = tell(speaker, *others)
    sender.at_first_answer = commit_it_and_say_more
    relay.run_pass()
    thread.join()
    relay.run_pass()
    assert sorted(sender.sent) == sorted([*marks, *late])
    assert [mark for mark in sender.sent if mark in late] == late


def test_a_visit_ends_after_its_share_and_the_next_goes_on(
    relay: Relay, speaker: Actor, sender: ChosenSender, tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "AT_ONCE", 2)
    monkeypatch.setattr(drain, "MOST", 5)
    first, second = same_shard(tenant, 2)
    marks = tell(speaker, *[first, second] * 7)
    assert relay.run_pass() == 14
    assert [mark for mark in sender.sent if mark in marks[::2]] == marks[::2]
    assert [mark for mark in sender.sent if mark in marks[1::2]] == marks[1::2]


def test_what_stands_behind_an_event_that_fails_stays_however_far_a_visit_has_read(
    app: APIFlask,
    relay: Relay,
    speaker: Actor,
    sender: ChosenSender,
    tenant: TestTenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drain, "AT_ONCE", 3)
    bad, poisoned, good = same_shard(tenant, 3)
    sender.poison, sender.fails = {poisoned}, {bad}
    tell(speaker, *[poisoned, good] * 3)
    relay.run_pass()
    tell(speaker, *[bad, good] * 3)
    relay.run_pass()
    assert [state[1:3] for state in of_key(app, tenant, poisoned)] == [(1, True), (0, False), (0, False)]
    assert [state[1:3] for state in of_key(app, tenant, bad)] == [(1, False), (0, False), (0, False)]
    wait_until(lambda: relay.run_pass() == 0 and not of_key(app, tenant, good))


def test_crash_points_do_nothing_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(crash_points.VARIABLE, raising=False)
    for name in crash_points.NAMES:
        crash_points.reached(name)
    monkeypatch.setenv(crash_points.VARIABLE, "after_send:1000000")
    crash_points.reached("after_send")
