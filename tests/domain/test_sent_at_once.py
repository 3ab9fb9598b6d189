"""Statements that are sent at once: they answer as they would one after the other, and fail as one of them does."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from sqlalchemy import Integer, Text, bindparam, func, literal, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, PendingRollbackError

from careapp import commands, kept, replica, tenancy
from careapp.access import Actor, Permission
from careapp.commands import command, query
from careapp.db import db
from careapp.errors import OutcomeUnknown
from careapp.kept import keep
from careapp.localdb import libpq_url
from careapp.prepared import Prepared
from careapp.transactions import Asked
from tests.conftest import TestTenant
from tests.database import TestDatabase
from tests.domain.test_lost_connections import end_own_session
from tests.sending import Sent

pytestmark = pytest.mark.usefixtures("one_connection")
BY = keep(select((literal(12, Integer) / bindparam("by", type_=Integer)).label("share")))
BOUND = keep(text(f"SELECT {tenancy.TENANT_OF_TRANSACTION} AS bound"))
TURNED = keep(select(func.reverse(bindparam("words", type_=Text)).label("turned")))
KEPT_NAMES = b"SELECT name FROM pg_prepared_statements WHERE name LIKE 'kept%'"
GONE = keep(select(func.pg_terminate_backend(func.pg_backend_pid())))


def raw() -> psycopg.Connection[Any]:
    """The driver's connection of what is under way."""
    found = db.session.connection().connection.driver_connection
    assert isinstance(found, psycopg.Connection)
    return found


def values(asked: list[Asked]) -> list[Any]:
    return [result.scalar_one() for result in db.session.execute_each(asked)]


def test_each_gets_its_own_answer_in_order(tenant: TestTenant, sent: Sent) -> None:
    asked: list[Asked] = [(BY, {"by": 3}), (BOUND, None), (TURNED, {"words": "abc"}), (BY, {"by": 4}), (BY, {"by": 6})]
    expected = [4, tenant.id, "cba", 3, 2]
    for _ in range(2):  # prepared on the way, then known
        sent.clear()
        assert values(asked) == expected
        assert len(sent[-1]) >= len(asked)
        db.session.rollback()
        assert [db.session.execute(*one).scalar_one() for one in asked] == expected
        db.session.rollback()
    assert len(sent[0]) == len(["BEGIN", "SET LOCAL"]) + len(asked)


def test_a_transaction_opens_with_its_first_statement_and_commits_with_its_last(god: Actor, sent: Sent) -> None:
    @command(Permission.EPISODE_OPEN)
    def act(actor: Actor) -> None:
        commands.record("test.act")
        values([(BY, {"by": 3}), (BOUND, None)])

    act(god)  # prepares on the way
    sent.clear()
    act(god)
    first, last = sent
    assert first[:2] == [b"BEGIN", b"SET LOCAL app.tenant_id = '%d'" % god.tenant_id]
    assert len(first) == 4
    assert len(last) == 2
    assert last[-1] == b"COMMIT"
    with tenancy.bound(god.tenant_id):
        written = text("SELECT count(*) FROM audit_event WHERE action = 'test.act'")
        assert db.session.execute(written).scalar_one() == 2


def test_what_goes_the_drivers_way_finds_the_transaction_open(tenant: TestTenant, sent: Sent) -> None:
    """Above all its tenant: the driver would begin one of its own, which is nobody's."""
    plain = text(f"SELECT {tenancy.TENANT_OF_TRANSACTION}")
    values([(BOUND, None), (BY, {"by": 3})])  # prepares them
    db.session.rollback()
    sent.clear()
    assert values([(plain, None), (BY, {"by": 3})]) == [tenant.id, 4]
    db.session.rollback()
    assert db.session.connection().execute(plain).scalar_one() == tenant.id
    db.session.rollback()
    with db.session.begin_nested():
        assert db.session.execute(BOUND).scalar_one() == tenant.id
    assert [words for words in sent if words[0].startswith(b"BEGIN; SET LOCAL")] == [sent[0]] * 2
    assert sent[-1][2:] == [b"SAVEPOINT part_1", sent[-1][-1]]


def test_a_savepoint_goes_with_what_runs_in_it_and_after_it(tenant: TestTenant, sent: Sent) -> None:
    values([(BY, {"by": 3}), (BOUND, None), (TURNED, {"words": "x"})])
    sent.clear()
    with db.session.begin_nested():
        with db.session.begin_nested():
            pass
        db.session.execute(BOUND)
    db.session.execute(BOUND)
    inside = [b"SAVEPOINT part_1", b"SAVEPOINT part_2", b"RELEASE SAVEPOINT part_2"]
    assert [together[:-1] for together in sent] == [inside, [b"RELEASE SAVEPOINT part_1"]]


@pytest.mark.parametrize("inner", [None, BOUND])
@pytest.mark.parametrize("before", [None, BOUND])
def test_a_savepoint_in_which_nothing_or_something_ran_is_undone(before: Any, inner: Any, tenant: TestTenant) -> None:
    setting = keep(text("SELECT set_config('app.kept', :value, true)"))
    reading = keep(text("SELECT current_setting('app.kept', true) || nullif(current_setting('app.tenant_id'), '')"))
    db.session.execute(setting, {"value": "outside"})

    def work() -> None:
        with db.session.begin_nested():
            if before is not None:
                db.session.execute(setting, {"value": "inside"})
            with db.session.begin_nested():
                if inner is not None:
                    db.session.execute(setting, {"value": "deeper"})
            raise LookupError

    with pytest.raises(LookupError):
        work()
    assert db.session.execute(reading).scalar_one() == f"outside{tenant.id}"


def test_one_that_cannot_be_prepared_fails_in_its_savepoint() -> None:
    values([(BY, {"by": 3}), (BOUND, None)])
    setting = keep(text("SELECT set_config('app.kept', :value, true)"))
    with db.session.begin_nested():
        db.session.execute(setting, {"value": "first"})
    with suppress(DBAPIError), db.session.begin_nested():
        db.session.execute(keep(text("SELECT 1 FROM nowhere")))
    with suppress(DBAPIError), db.session.begin_nested():
        values([(setting, {"value": "second"}), (BY, {"by": 0})])
    assert db.session.execute(text("SELECT current_setting('app.kept')")).scalar_one() == "first"


def test_nothing_is_sent_together_where_nothing_is_prepared(tenant: TestTenant, sent: Sent) -> None:
    raw().prepare_threshold = None  # behind a pooler
    db.session.rollback()
    sent.clear()
    assert values([(BY, {"by": 3}), (BOUND, None)]) == [4, tenant.id]
    assert [len(words) for words in sent] == [1, 1, 1]
    raw().prepare_threshold = 5


def test_one_that_fails_is_the_one_that_is_told_and_ends_the_rest(sent: Sent) -> None:
    values([(BY, {"by": 3}), (TURNED, {"words": "x"})])
    names = raw().pgconn.exec_(KEPT_NAMES).ntuples
    with pytest.raises(DBAPIError, match="division by zero") as caught:
        values([(TURNED, {"words": "x"}), (BY, {"by": 0}), (GONE, None)])
    assert not caught.value.connection_invalidated, "what stood behind it was not run"
    with pytest.raises(DBAPIError, match="aborted"):
        db.session.execute(BY, {"by": 3})
    db.session.rollback()
    assert values([(BY, {"by": 3}), (TURNED, {"words": "x"})]) == [4, "x"]
    assert raw().pgconn.exec_(KEPT_NAMES).ntuples >= names > 0


def test_a_first_statement_that_fails_leaves_nothing_behind() -> None:
    with pytest.raises(DBAPIError, match="division by zero"):
        db.session.execute(BY, {"by": 0})
    db.session.rollback()
    assert db.session.execute(BY, {"by": 3}).scalar_one() == 4


@pytest.mark.parametrize("bad", [{}, {"words": "NUL \x00"}])
def test_a_value_that_cannot_be_sent_leaves_the_opening_to_the_next(
    tenant: TestTenant, sent: Sent, bad: dict[str, str]
) -> None:
    values([(BY, {"by": 3}), (TURNED, {"words": "x"})])
    db.session.rollback()
    with pytest.raises((KeyError, DBAPIError), match=r"words|NUL"):
        values([(BY, {"by": 3}), (TURNED, bad)])
    assert db.session.execute(BOUND).scalar_one() == tenant.id
    assert sent[-1][0] == b"BEGIN"


def test_large_ones_do_not_wait_for_each_other() -> None:
    """More than both sides' buffers hold, each way: the server answers the first before it has taken in the last."""
    db.session.execute(BOUND)
    large = "a" * 8_000_000
    assert [len(one) for one in values([(TURNED, {"words": large})] * 4)] == [len(large)] * 4


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_connection_that_the_server_ends_is_given_up(place: int) -> None:
    asked: list[Asked] = [(BY, {"by": 3}), (TURNED, {"words": "x"})]
    with pytest.raises(DBAPIError) as caught:
        db.session.execute_each([*asked[:place], (GONE, None), *asked[place:]])
    assert caught.value.connection_invalidated
    with pytest.raises(PendingRollbackError):
        db.session.execute(BY, {"by": 3})
    db.session.rollback()
    assert values(asked) == [4, "x"]


def test_a_connection_that_is_cut_without_a_word_is_given_up() -> None:
    asked: list[Asked] = [(BY, {"by": 3}), (TURNED, {"words": "x"})]
    values(asked)
    with socket.socket(fileno=os.dup(raw().fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)
    with pytest.raises(DBAPIError) as caught:
        values(asked)
    assert caught.value.connection_invalidated
    db.session.rollback()
    assert values(asked) == [4, "x"]


def test_a_connection_on_which_waiting_was_broken_off_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Asked] = [(BY, {"by": 3}), (TURNED, {"words": "x"})]
    values(asked)

    def stop(self: Prepared) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Prepared, "_answers", stop)
        with pytest.raises(KeyboardInterrupt):
            values(asked)
    db.session.rollback()
    assert values(asked) == [4, "x"]


@pytest.fixture
def strict(database: TestDatabase) -> Iterator[None]:
    """A table whose second row of a number is refused at the commit."""
    with psycopg.connect(libpq_url(database.owner), autocommit=True) as owner:
        owner.execute("CREATE TABLE strict (n int CONSTRAINT once UNIQUE DEFERRABLE INITIALLY DEFERRED CHECK (n > 0))")
        owner.execute("GRANT SELECT, INSERT ON strict TO PUBLIC")
        try:
            yield
        finally:
            db.session.remove()
            owner.execute("DROP TABLE strict")


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(("number", "told"), [(1, "once"), (0, "strict_n_check")])
def test_what_the_last_statement_or_the_commit_refuses_is_not_done(number: int, told: str) -> None:
    insert = keep(text("INSERT INTO strict VALUES (:number) RETURNING n"))
    count = text("SELECT count(*) FROM strict")
    done = db.session.commit((insert, {"number": 1})) or pytest.fail("it returns a row")
    assert done.scalar_one() == 1
    db.session.execute(BY, {"by": 3})
    result = db.session.commit((insert, {"number": 2}))
    assert result is not None
    assert result.scalar_one() == 2
    assert not db.session.in_transaction()
    db.session.execute(BY, {"by": 3})
    with pytest.raises(IntegrityError) as caught:
        db.session.commit((insert, {"number": number}))
    assert caught.value.orig.diag.constraint_name == told  # type: ignore[union-attr]
    db.session.rollback()
    assert db.session.execute(count).scalar_one() == 2


def test_a_connection_lost_with_the_last_statement_leaves_the_outcome_unknown(
    god: Actor, database: TestDatabase
) -> None:
    """The commit was on its way together with it. Whoever looks whether it was done is answered by the primary."""
    attempts = []

    @command(Permission.EPISODE_OPEN)
    def act(actor: Actor) -> None:
        attempts.append(1)
        commands.record("test.lost")
        if len(attempts) == 2:
            end_own_session(database)

    act(god)  # prepares on the way
    with replica.reading_after(0) as written, pytest.raises(OutcomeUnknown):
        act(god)
    assert len(attempts) == 2
    assert written == [replica.NEVER]


def test_one_that_is_lost_before_the_commit_was_told_runs_once_more(
    god: Actor, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a pooler the last statement goes alone."""
    monkeypatch.setattr(kept, "go_together", lambda connection, opens: False)
    attempts = []

    @command(Permission.EPISODE_OPEN)
    def act(actor: Actor) -> None:
        attempts.append(1)
        commands.record("test.lost")
        if len(attempts) == 1:
            end_own_session(database)

    act(god)
    assert len(attempts) == 2


def test_a_read_that_is_lost_with_its_last_statement_changed_nothing(god: Actor, database: TestDatabase) -> None:
    @query(Permission.EPISODE_VIEW)
    def look(actor: Actor) -> None:
        commands.record_read("test.look")
        end_own_session(database)

    with pytest.raises(DBAPIError) as caught:
        look(god)
    assert caught.value.connection_invalidated
