"""Reads from a real streaming replica: which go there, that all read what they wrote, and what happens without it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from careapp import commands, replica, tenancy
from careapp.access import Actor, Role
from careapp.clinics import queries as clinics
from careapp.db import REPLICA, db, on_replica
from careapp.errors import NotFound
from careapp.kept import keep
from careapp.late import may_be_late
from careapp.localdb.addresses import libpq_url
from careapp.operations.audit_search import AuditFilter, search_audit
from careapp.operations.database_health import HEALTH
from careapp.patients.queries import list_patients
from careapp.providers import queries as providers
from careapp.surface.replica import HEADER
from careapp.surface.tokens import own_token
from careapp.telemetry import metrics
from careapp.transactions import RAN
from tests import factories as make
from tests.conftest import TestTenant, everything, make_app
from tests.database import TestDatabase
from tests.looking import audits, newest
from tests.scale.standby import Standby, await_
from tests.sending import Sent
from tests.web.conftest import Desk

pytestmark = pytest.mark.skipif(
    "CAREAPP_TEST_SUPERUSER_URL" in os.environ, reason="NOT TESTED: a replica, which needs a PostgreSQL of our own"
)

LONGEST = 10.0
RECOVERS = "pg_is_in_recovery()"  # true on a copy alone


def anything(clock: "Time") -> replica.Copy:
    """The copy, however far behind."""
    return replica.Copy(clock.nearness, replica.Sample(0.0, 0), 0)


@pytest.fixture(scope="module")
def database() -> Iterator[TestDatabase]:
    """A database on a server of its own: how near a copy is depends on all that its primary writes."""
    with TestDatabase.apart("tests-replica") as made:
        yield made


@pytest.fixture(scope="module")
def standby(database: TestDatabase) -> Iterator[Standby]:
    """A replica of the tests' database."""
    with closing(Standby(database)) as made:
        yield made


@pytest.fixture(scope="module")
def app(database: TestDatabase, standby: Standby, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """The application with a replica, as the app role on both."""
    var = tmp_path_factory.mktemp("var")
    made = make_app(database, var, database_replica_url=standby.app, replica_longest_lag_seconds=LONGEST)
    yield made
    with made.app_context():
        for engine in db.engines.values():
            engine.dispose()
    replica.use(None)


@dataclass
class Reads:
    """Statements the copy was asked for since the last look."""

    count: int = 0

    def taken(self) -> bool:
        """Whether there were any."""
        before, self.count = self.count, 0
        return before > 0


@dataclass
class Time:
    """The clock by which lag is measured."""

    now: float = 1000.0
    nearness: replica.Nearness = field(init=False)

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def clock(app: APIFlask, standby: Standby, monkeypatch: pytest.MonkeyPatch) -> Time:
    """Lag as nobody has measured it yet, and a replica that has everything and is not taken for one that hangs: that it
    is back after it hung in a test before is found out a moment later.
    """
    standby.follow()
    watched = app.extensions[f"{HEALTH}.{REPLICA}"]
    await_(lambda: not watched.away, "the replica is back")
    time = Time()
    time.nearness = replica.Nearness(LONGEST, clock=lambda: time.now)
    monkeypatch.setattr(replica, "_nearness", time.nearness)
    ask_primary = replica._flushed

    def flushed() -> int:
        position = ask_primary()
        standby.reach(position)
        return position

    monkeypatch.setattr(replica, "_flushed", flushed)
    return time


@pytest.fixture
def reads(app: APIFlask) -> Iterator[Reads]:
    """What the copy is asked. Nobody listens to its cursors for that: statements go the way they go in use."""
    found = Reads()
    with app.app_context():
        engine = db.engines[REPLICA]
    before = engine.get_execution_options()[RAN]

    def count(*ran: Any) -> None:
        found.count += 1
        before(*ran)

    engine.update_execution_options(**{RAN: count})
    yield found
    engine.update_execution_options(**{RAN: before})


@pytest.fixture
def late() -> Iterator[list[int]]:
    """A request of somebody who has written nothing."""
    with replica.reading_after(0) as written:
        yield written


@pytest.fixture
def held(standby: Standby) -> Iterator[Standby]:
    """A replica that can be held up, and follows again at the end."""
    yield standby
    standby.follow()


def names(actor: Actor) -> set[str]:
    """The clinics there are."""
    return {clinic.name for clinic in clinics.list_clinics(actor).items}


def test_late_reads_go_to_the_copy_and_others_do_not(god: Actor, clock: Time, reads: Reads, standby: Standby) -> None:
    make.a_clinic(god, name="Here")
    make.a_patient(god)
    standby.follow()
    with replica.reading_after(0):
        assert names(god) == {"Here"}
        assert reads.taken()
        assert list_patients(god).items
        assert not reads.taken(), "a patient's data are never late"
    assert names(god) == {"Here"}
    assert not reads.taken(), "outside of a request that says so nothing is late"


def test_a_kept_read_goes_past_the_cursor_there_as_well(
    god: Actor, clock: Time, reads: Reads, late: list[int], sent: Sent, standby: Standby
) -> None:
    """In one transaction with the question how near the copy is, which is not left to the driver either."""
    make.a_clinic(god, name="Here")
    standby.follow()
    names(god)  # prepares on the way, and asks the primary how far it is
    sent.clear()
    assert reads.taken()
    assert names(god) == {"Here"}
    assert reads.taken()
    opening, [words] = sent
    assert opening == [b"BEGIN; SET LOCAL app.tenant_id = '%d'; SET TRANSACTION READ ONLY" % god.tenant_id]
    assert words.startswith(b"SELECT clinics.")


def test_kept_reads_are_sent_to_the_copy_at_once(god: Actor, clock: Time, reads: Reads, sent: Sent) -> None:
    bound, recovers = (keep(text(f"SELECT {one} AS it")) for one in (tenancy.TENANT_OF_TRANSACTION, RECOVERS))
    for _ in range(2):  # prepared on the way, then known
        with tenancy.bound(god.tenant_id), replica.reading_from(anything(clock)):
            found = db.session.execute_each([(bound, None), (recovers, None)])
            assert [one.scalar_one() for one in found] == [god.tenant_id, True]
    assert reads.taken()
    assert len(sent[-1]) == 2


def test_the_copy_keeps_tenants_apart(
    god: Actor, new_tenant: Callable[..., TestTenant], clock: Time, reads: Reads, late: list[int], standby: Standby
) -> None:
    other = everything(new_tenant())
    make.a_clinic(god, name="Mine")
    make.a_clinic(other, name="Theirs")
    standby.follow()
    for _ in range(5):
        with replica.reading_after(0):
            assert (names(god), names(other)) == ({"Mine"}, {"Theirs"})
    assert reads.taken()
    with tenancy.bound(god.tenant_id), replica.reading_from(anything(clock)):
        seen = db.session.execute(text("SELECT DISTINCT tenant_id FROM clinics")).scalars().all()
        assert (seen, db.session.execute(text("SELECT current_user")).scalar_one()) == ([god.tenant_id], "care_app")


def test_whoever_wrote_reads_what_he_wrote(god: Actor, clock: Time, reads: Reads, held: Standby) -> None:
    make.a_clinic(god, name="Old")
    held.follow()
    clock.nearness.wanted()
    held.hold()
    with replica.reading_after(0) as written:
        make.a_clinic(god, name="New")
        assert names(god) == {"Old", "New"}, "in the same request"
        assert not reads.taken()
    with replica.reading_after(max(written)):
        assert names(god) == {"Old", "New"}, "and in the next, wherever it is answered"
        assert not reads.taken()
    held.follow()
    with replica.reading_after(max(written)):
        assert names(god) == {"Old", "New"}
        assert reads.taken(), "by now the copy has it"


def test_others_may_see_it_later_but_not_by_more_than_the_limit(
    god: Actor, clock: Time, reads: Reads, held: Standby
) -> None:
    make.a_clinic(god, name="Old")
    held.follow()
    with replica.reading_after(0):
        assert names(god) == {"Old"}
    held.hold()
    make.a_clinic(god, name="New")
    clock.later(LONGEST / 2)
    with replica.reading_after(0):
        assert names(god) == {"Old"}, "late, as it may be"
        clock.later(LONGEST / 2 + 0.1)
        assert names(god) == {"Old", "New"}, "too late, so the primary is asked"
        reads.taken()
        clock.later(replica.SHORTEST_PAUSE / 2)
        assert names(god) == {"Old", "New"}
        assert not reads.taken(), "and for a while the copy is left alone"
        held.follow()
        clock.later(replica.SHORTEST_PAUSE)
        assert names(god) == {"Old", "New"}
        assert reads.taken()


def test_a_later_write_of_somebody_else_does_not_make_the_copy_unfit(
    god: Actor, clock: Time, reads: Reads, standby: Standby, database: TestDatabase
) -> None:
    """A transaction that is still under way has a lower number than the next ones: it is no reason to wait for it."""
    with psycopg.connect(libpq_url(database.whole)) as slow:
        slow.execute("SELECT pg_current_xact_id()")
        with replica.reading_after(0) as written:
            make.a_clinic(god, name="Here")
        standby.follow()
        with replica.reading_after(max(written)):
            assert names(god) == {"Here"}
        assert reads.taken()


def test_what_the_copy_does_not_know_yet_is_no_refusal(god: Actor, clock: Time, held: Standby, reads: Reads) -> None:
    held.hold()
    clock.nearness.wanted()
    with replica.reading_after(None):
        made = make.a_provider(god)
    before = newest(god)
    with replica.reading_after(0):
        assert providers.get_provider(god, made.locator).locator == made.locator
    assert audits(god, after=before["audits"]) == [], "nobody was refused"


def test_a_refusal_counts_once_and_stands_in_the_log_once(
    god: Actor, clock: Time, reads: Reads, standby: Standby
) -> None:
    standby.follow()
    before, counted = newest(god), metrics.REFUSALS.labels("NOT_FOUND")._value.get()
    with replica.reading_after(0), pytest.raises(NotFound):
        providers.get_provider(god, "PRV-2026-999999")
    assert reads.taken(), "the copy was asked"
    assert [row.outcome for row in audits(god, after=before["audits"])] == ["refused"]
    assert metrics.REFUSALS.labels("NOT_FOUND")._value.get() == counted + 1
    clock.later(0.1)
    with replica.reading_after(0):
        names(god)
    assert reads.taken(), "to refuse is no failure of the copy"


def test_without_the_copy_the_primary_answers(god: Actor, clock: Time, reads: Reads, held: Standby) -> None:
    make.a_clinic(god, name="Here")
    held.follow()
    with replica.reading_after(0):
        assert names(god) == {"Here"}
        assert reads.taken()
        held.stop()
        try:
            for _ in range(3):
                assert names(god) == {"Here"}
        finally:
            held.start()
        clock.later(replica.LONGEST_PAUSE)
        held.follow()
        assert names(god) == {"Here"}
        reads.taken()
        clock.later(replica.LONGEST_PAUSE)
        assert names(god) == {"Here"}
        assert reads.taken(), "it is read from again"


def test_a_copy_that_hangs_costs_a_request_some_seconds_and_no_answer(
    app: APIFlask, god: Actor, clock: Time, reads: Reads, standby: Standby
) -> None:
    client = Client(app, god)
    assert client.get("/providers", after="0").status_code == 200
    assert reads.taken()
    standby.freeze()
    try:
        assert client.get("/providers", after="0").status_code == 200
    finally:
        standby.freeze(signal.SIGCONT)


def test_a_look_into_the_audit_leaves_its_row_on_the_primary(
    god: Actor, clock: Time, reads: Reads, standby: Standby
) -> None:
    make.a_clinic(god)
    standby.follow()
    before = newest(god)
    with replica.reading_after(0) as written:
        found = search_audit(god, AuditFilter(action="clinic.create"))
    assert reads.taken()
    assert len(found.items) == 1
    [row] = audits(god, after=before["audits"])
    assert (row.action, row.outcome) == ("audit.search", "seen")
    assert written == [], "to look is not to write"


def test_without_its_row_a_look_shows_nothing(
    god: Actor, clock: Time, reads: Reads, standby: Standby, database: TestDatabase
) -> None:
    make.a_clinic(god)
    standby.follow()
    with psycopg.connect(libpq_url(database.owner), autocommit=True) as owner:
        owner.execute("ALTER TABLE audit_event ADD CONSTRAINT unkept CHECK (action <> 'audit.search') NOT VALID")
        try:
            with replica.reading_after(0), pytest.raises(DBAPIError, match="unkept"):
                search_audit(god, AuditFilter(action="clinic.create"))
        finally:
            owner.execute("ALTER TABLE audit_event DROP CONSTRAINT unkept")
    assert reads.taken(), "the rows had been read"


def test_a_command_decides_on_nothing_late(god: Actor, clock: Time, reads: Reads, late: list[int]) -> None:
    with commands.unit_of(god, name="test"):
        names(god)
        commands.record("test")
    assert not reads.taken()


def test_nothing_can_be_written_there(god: Actor, clock: Time) -> None:
    token = on_replica.set(anything(clock))
    try:
        with tenancy.bound(god.tenant_id), pytest.raises(DBAPIError, match="read-only transaction"):
            db.session.execute(text("DELETE FROM clinics"))
    finally:
        db.session.rollback()
        on_replica.reset(token)


def test_a_server_that_is_no_copy_is_not_read_late_from(
    god: Actor, clock: Time, database: TestDatabase, tmp_path: Path
) -> None:
    wrong = make_app(database, tmp_path, database_replica_url=database.app)
    asked = []

    @may_be_late
    def where() -> bool:
        asked.append(on_replica.get() is not None)
        db.session.execute(text("SELECT 1"))
        return on_replica.get() is not None

    with wrong.app_context(), replica.reading_after(0):
        assert where() is False
        assert asked == [True, False]
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


class Client:
    """A program that speaks to the API of the application with a replica."""

    def __init__(self, app: APIFlask, actor: Actor) -> None:
        self.client: FlaskClient = app.test_client()
        self.token = own_token(actor, app.config["SETTINGS"])

    def get(self, path: str, after: str | None = None) -> Any:
        """Read; `after` is what the header says."""
        return self.client.get(f"/api/v1{path}", headers=self._headers(after))

    def post(self, path: str, body: dict[str, Any], **more: str) -> Any:
        """Write; `more` are further headers."""
        return self.client.post(f"/api/v1{path}", json=body, headers={**self._headers(None), **more})

    def _headers(self, after: str | None) -> dict[str, str]:
        said = {} if after is None else {HEADER: after}
        return {"Authorization": f"Bearer {self.token}", **said}


def test_a_program_says_in_a_header_what_it_has_written(
    app: APIFlask, god: Actor, clock: Time, reads: Reads, held: Standby
) -> None:
    client = Client(app, god)
    body = {"npi": "1234567893", "name": "Daw Aye", "specialty": "GP"}
    held.hold()
    clock.nearness.wanted()
    made = client.post("/providers", body)
    assert made.status_code == 201
    position = made.headers[HEADER]
    for after, found in ((None, 1), (position, 1), ("0", 0), ("x", 1), ("-1", 1), ("9" * 18, 1), ("9" * 30, 1)):
        answer = client.get("/providers", after)
        assert (after, len(answer.json["items"])) == (after, found)
        assert HEADER not in answer.headers, "it has written nothing now"
        assert reads.taken() == (after == "0")
    held.follow()
    assert len(client.get("/providers", position).json["items"]) == 1
    assert reads.taken()


def test_an_answer_given_again_lets_its_reader_see_what_it_tells(
    app: APIFlask, god: Actor, clock: Time, reads: Reads, held: Standby
) -> None:
    """The first answer was lost on its way, and with it the number of the write."""
    client = Client(app, god)
    body, key = {"npi": "1234567893", "name": "Daw Aye", "specialty": "GP"}, {"Idempotency-Key": "one"}
    held.hold()
    clock.nearness.wanted()
    assert client.post("/providers", body, **key).status_code == 201
    again = client.post("/providers", body, **key)
    assert again.status_code == 201
    assert len(client.get("/providers", again.headers[HEADER]).json["items"]) == 1


def test_a_browser_carries_what_it_has_written_in_a_cookie(
    app: APIFlask, god: Actor, desk: Callable[..., Desk], clock: Time, reads: Reads, held: Standby
) -> None:
    admin, slot = desk(Role.ADMIN), make.a_slot(god)
    held.follow()
    clock.nearness.wanted()
    admin.get("/next-free")
    assert reads.taken()
    held.hold()
    changed = admin.fill("/preferences", theme="dark", density="dense", language="en")
    cookie = changed.headers["Set-Cookie"]
    assert all(
        part in cookie for part in ("position-", "HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={int(LONGEST) + 60}")
    )
    reads.taken()
    admin.get("/next-free")
    assert not reads.taken(), "whoever wrote is read for from the primary"
    desk(Role.FRONT_DESK).get("/next-free")
    assert reads.taken(), "somebody else is not"
    held.follow()
    admin.get("/next-free")
    assert reads.taken()
    assert slot.locator


def test_a_browser_that_was_told_of_an_unknown_outcome_stays_with_the_primary(
    app: APIFlask, desk: Callable[..., Desk]
) -> None:
    """What became of its last write may be on its way still when the next one is done."""
    admin = desk(Role.ADMIN)
    admin.client.set_cookie(f"position-{replica.NEVER}", "1")
    admin.fill("/preferences", theme="dark", density="dense", language="en")
    assert admin.client.get_cookie(f"position-{replica.NEVER}")


def test_of_two_tabs_the_answer_to_the_earlier_write_takes_nothing_back(
    app: APIFlask, desk: Callable[..., Desk], clock: Time, reads: Reads, held: Standby
) -> None:
    """Both were under way at once, and the earlier one is answered last."""
    admin = desk(Role.ADMIN)
    held.hold()
    clock.nearness.wanted()
    earlier = admin.fill("/preferences", theme="dark", density="dense", language="en")
    for name in positions(earlier):
        admin.client.delete_cookie(name)  # not here yet
    later = admin.fill("/preferences", theme="light", density="dense", language="en")
    admin.client.set_cookie(positions(earlier)[0], "1")
    assert all(admin.client.get_cookie(name) for name in positions(later)), "the later one's is still there"
    admin.fill("/preferences", theme="dark", density="dense", language="en")
    assert not any(map(admin.client.get_cookie, positions(earlier) + positions(later))), "what came is put together"
    reads.taken()
    admin.get("/next-free")
    assert not reads.taken()


def positions(answer: Any) -> list[str]:
    """The names of the cookies by which an answer tells what was written."""
    return [one.partition("=")[0] for one in answer.headers.getlist("Set-Cookie") if one.startswith("position-")]
