"""What a connection has prepared: once for words and types, kept over what is undone, so many and no more."""

from contextlib import suppress
from datetime import UTC, datetime

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import ARRAY, BigInteger, Integer, Select, Text, bindparam, cast, func, literal, select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.types import TypeEngine

from careapp import prepared
from careapp.db import db
from careapp.kept import keep
from careapp.localdb import libpq_url
from careapp.prepared import Prepared
from tests.database import TestDatabase

pytestmark = pytest.mark.usefixtures("one_connection")
NOON = datetime(2027, 3, 10, 12, tzinfo=UTC)
ONE_MORE = keep(select(cast(bindparam("given"), Integer) + 1))
# Asked past the driver, which would prepare the question.
NAMES = b"SELECT name FROM pg_prepared_statements WHERE name LIKE 'kept%' ORDER BY prepare_time, name"


def names() -> list[bytes | None]:
    """What the server keeps of kept statements on the connection of what is under way."""
    found = db.session.connection().connection.driver_connection.pgconn.exec_(NAMES)  # type: ignore[union-attr]
    return [found.get_value(row, 0) for row in range(found.ntuples)]


def one_more(given: object = 1) -> int:
    return int(db.session.execute(ONE_MORE, {"given": given}).scalar_one())


def numbered(number: int) -> Select[tuple[int]]:
    return select((literal(number, Integer) * bindparam("by", type_=Integer)).label(f"times_{number}"))


def test_it_is_prepared_once_for_the_types_of_its_values() -> None:
    assert [one_more(given) for given in (1, 2, 40_000, 3, "7", 50_000)] == [2, 3, 40_001, 4, 8, 50_001]
    assert len(names()) == 2, "for a number of whatever size, and for a text"
    assert db.session.execute(ONE_MORE, {"given": None}).scalar_one() is None


def test_it_is_kept_over_a_transaction_and_a_savepoint_that_are_undone() -> None:
    once = text("SELECT CAST(:one AS int) - 1")
    for number in range(7):  # the driver has something to forget, too
        assert db.session.execute(once, {"one": number}).scalar_one() == number - 1
    one_more()
    before = names()
    with suppress(ProgrammingError, DBAPIError), db.session.begin_nested():
        db.session.execute(text("SELECT 1 / 0"))
    assert one_more() == 2
    db.session.rollback()
    assert one_more() == 2
    with pytest.raises(DBAPIError):
        db.session.execute(text("SELECT 1 / 0"))
    db.session.rollback()
    assert one_more() == 2
    assert len(before) == 1
    assert names() == before


def test_the_server_forgets_what_was_not_asked_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "MOST", 3)
    first, *others = (keep(numbered(number)) for number in range(1, 6))
    for other in others:
        assert db.session.execute(other, {"by": 2}).scalar_one() > 0
        assert db.session.execute(first, {"by": 3}).scalar_one() == 3
    assert names() == [b"kept_2", b"kept_4", b"kept_5"]  # the second to be asked, "first", was asked each time


def test_who_tells_the_server_to_forget_costs_one_transaction() -> None:
    one_more()
    db.session.execute(text("DEALLOCATE ALL"))
    with pytest.raises(DBAPIError, match="does not exist"):
        one_more()
    db.session.rollback()
    assert one_more() == 2


def test_a_column_that_changes_its_type_costs_one_transaction(database: TestDatabase) -> None:
    statement = keep(text("SELECT a FROM changing"))
    with psycopg.connect(libpq_url(database.owner), autocommit=True) as owner:
        owner.execute("CREATE TABLE changing AS SELECT 1 AS a; GRANT SELECT ON changing TO PUBLIC")
        try:
            assert db.session.execute(statement).scalar_one() == 1
            db.session.rollback()
            owner.execute("ALTER TABLE changing ALTER a TYPE text")
            with pytest.raises(DBAPIError, match="cached plan"):
                db.session.execute(statement)
            db.session.rollback()
            assert db.session.execute(statement).scalar_one() == "1"
            db.session.rollback()
        finally:
            owner.execute("DROP TABLE changing")


def test_nothing_is_prepared_where_the_driver_may_not() -> None:
    raw = db.session.connection().connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    raw.prepare_threshold = None
    assert [one_more(given) for given in (1, 40_000)] == [2, 40_001]
    assert names() == []


@pytest.mark.parametrize(
    ("given", "kind"), [("ü '%s' \\", Text()), (2**40, None), (True, None), (b"\x00\xff", None), (None, Integer())]
)
def test_values_go_and_come_as_the_driver_adapts_them(given: object, kind: TypeEngine[object] | None) -> None:
    statement = select(bindparam("given", type_=kind or literal(given).type))
    expected = db.session.execute(statement, {"given": given}).scalar_one()
    assert db.session.execute(keep(statement), {"given": given}).scalar_one() == expected == given


def test_columns_are_named_and_of_their_types() -> None:
    answer = Prepared.of(db.session.connection()).ask(b"SELECT 1 AS one, now() AS now WHERE $1", [False])
    assert (answer.columns, answer.rows()) == ([("one", 23), ("now", 1184)], [])
    assert Prepared.of(db.session.connection()).ask(b"SET LOCAL app.x = 'y'", []).columns == []


def test_a_number_of_any_size_comes_back() -> None:
    some = keep(select(bindparam("one", type_=BigInteger), bindparam("all", type_=ARRAY(BigInteger)).label("all")))
    for one, numbers in ((1, [1, 40_000, 2**40]), (2**40, [3]), (-(2**63), []), (None, [None, 2**63 - 1])):
        assert tuple(db.session.execute(some, {"one": one, "all": numbers}).one()) == (one, numbers)


def test_a_savepoint_whose_block_hid_an_error_goes_back() -> None:
    with pytest.raises(DBAPIError), db.session.begin_nested(), suppress(DBAPIError):
        db.session.execute(text("SELECT 1 / 0"))
    assert one_more() == 2


def test_a_connection_nobody_gave_back_keeps_what_is_prepared(app: APIFlask) -> None:
    once = text("SELECT CAST(:one AS int) - 1")
    for number in range(7):  # the driver has something to forget, too
        db.session.execute(once, {"one": number})
    one_more()
    before = names()
    db.session.rollback()
    with db.engine.connect() as lost:
        lost.execute(once, {"one": 1})
        lost.connection._reset(db.engine.pool, False, False, False)  # type: ignore[attr-defined]
    assert one_more() == 2
    assert names() == before


def test_a_connection_that_is_lost_is_told_in_the_servers_words() -> None:
    one_more()
    number = db.session.execute(select(func.pg_backend_pid())).scalar_one()
    with psycopg.connect(db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [number])
    with pytest.raises(DBAPIError) as caught:
        one_more()
    assert caught.value.connection_invalidated
    assert isinstance(caught.value.orig, psycopg.OperationalError)
    assert "terminating connection due to administrator command" in str(caught.value.orig)


def test_of_one_connection_every_answer_is_adapted_as_its_own_and_none_is_held() -> None:
    """What adapts rows is found out once a statement, and what adapts values once a connection."""
    connection = Prepared.of(db.session.connection())
    kinds: tuple[tuple[bytes, list[object]], ...] = (
        (b"bigint", [1, 2**40]), (b"text", ["a", "\u00fc"]), (b"text", []), (b"timestamptz", [NOON]), (b"bigint", [3]),
        (b"bigint", []), (b"text", ["b"]),
    )  # fmt: skip
    for kind, given in (*kinds, *kinds):
        first = given[0] if given else None
        for words, values, row in (
            (b"SELECT $1::%s[], 7", [given], (given, 7)),
            (b"SELECT 'x', $1::%s, $2::text", [first, "y"], ("x", first, "y")),
        ):
            assert connection.ask(words % kind, values).rows() == [row]
    one, other = connection.ask_each([(b"SELECT $1 + 1", [1]), (b"SELECT $1 + 1", [2])])
    assert (other.rows(), one.rows()) == ([(3,)], [(2,)])
    assert [known.rows._adapting.pgresult for known in connection._known.values()] == [None] * len(connection._known)
