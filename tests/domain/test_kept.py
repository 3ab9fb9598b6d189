"""Statements that are kept: run by the driver itself, they give and refuse what SQLAlchemy would."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import (
    ARRAY,
    Executable,
    Integer,
    Select,
    String,
    Text,
    bindparam,
    cast,
    event,
    func,
    literal,
    null,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, IntegrityError, PendingRollbackError, StatementError
from sqlalchemy.types import TypeDecorator

from careapp import tenancy
from careapp.access import Actor
from careapp.db import db, insert, insert_many, sqlstate, table_of
from careapp.idempotency import IdempotencyKey
from careapp.identity.models import User
from careapp.kept import built_once, keep, of
from careapp.operations.models import SETTINGS
from careapp.patients.models import PATIENTS
from tests.conftest import TestTenant
from tests.races.crowd import Crowd

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Backwards(TypeDecorator[str]):
    """Text that is stored the other way round."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        """As it is stored."""
        return value and value[::-1]

    def process_result_value(self, value: str | None, dialect: object) -> str | None:
        """As it is meant."""
        return value and value[::-1]


@pytest.fixture(autouse=True)
def in_tenant(tenant: TestTenant) -> Iterator[None]:
    db.session.remove()
    with tenancy.bound(tenant.id):
        yield
    db.session.remove()


@contextmanager
def listening(name: str, note: Callable[..., None]) -> Iterator[None]:
    """Call `note` with what happens inside."""
    event.listen(db.engine, name, note)
    try:
        yield
    finally:
        event.remove(db.engine, name, note)


def of_all_kinds() -> Select[Any]:
    """A statement with values of its own and given ones, in and out, of every kind that is anything special."""
    return select(
        literal(7).label("number"), (literal(7) - literal(-8)).label("negative"), literal(False).label("no"),
        literal("%s", Text).label("text"), literal("it's \\ 50%", Text).label("quoted"), literal("").label("empty"),
        literal(NOON).label("at"), literal({"a": [1, None]}, JSONB).label("json"),
        literal(["x", "y"], ARRAY(Text)).label("texts"), null().label("nothing"),
        literal("fixed", Backwards).label("fixed"), bindparam("given", type_=Backwards).label("given"),
        cast(bindparam("many"), ARRAY(Integer)).label("many"), bindparam("object", type_=JSONB).label("object"),
        type_coerce(func.array_agg(literal("ab", Text)), ARRAY(Backwards)).label("turned"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "given", [{"given": "abc", "many": [1, 2], "object": {"b": "ü"}}, {"given": None, "many": [], "object": []}]
)
def test_rows_are_those_of_sqlalchemy(given: dict[str, Any]) -> None:
    plain, kept = of_all_kinds(), keep(of_all_kinds())
    [expected] = db.session.execute(plain, given).all()
    for _ in range(3):
        [row] = db.session.execute(kept, given).all()
        assert (tuple(row), row._fields) == (tuple(expected), expected._fields)
        assert row.given == given["given"]


def test_plain_values_of_the_code_stand_in_the_statement() -> None:
    made = select(literal(-7), literal(True), literal("OPEN"), literal("it's"), bindparam("given", type_=Integer))
    words = of(keep(made.where(literal(5, Integer) > 4)))
    assert words is not None
    text = words.words(db.session.connection())
    for word in (b"(-7)::INTEGER", b"true", b"'OPEN'::VARCHAR"):
        assert word in text.text
    assert text.given({"given": 1}) == ["it's", 1]


def test_rows_are_found_by_column_as_well(god: Actor) -> None:
    with tenancy.bound(god.tenant_id):
        row = db.session.execute(keep(select(SETTINGS.name, SETTINGS.version))).one()
    assert (row._mapping[SETTINGS.name], row._mapping[SETTINGS.version]) == (row.name, row.version)


def test_what_returns_nothing_has_no_rows(god: Actor) -> None:
    change = keep(update(table_of(User)).where(table_of(User).c.id == bindparam("number")).values(name="Daw Nu"))
    with tenancy.bound(god.tenant_id):
        assert db.session.execute(change, {"number": 0}).all() == []


def test_one_row_that_is_inserted_returns_no_key(god: Actor) -> None:
    told: list[str] = []
    row = {"tenant_id": god.tenant_id, "principal": "p", "route": "r", "key": "k", "request_hash": "h"}
    with tenancy.bound(god.tenant_id), listening("before_cursor_execute", lambda *given: told.append(given[2])):
        insert_many(IdempotencyKey, [row])
    [statement] = told
    assert "RETURNING" not in statement


def test_what_is_made_out_of_it_is_another_statement() -> None:
    base = keep(select(literal(1).label("one")))
    assert db.session.execute(base).scalar_one() == 1
    assert db.session.execute(base.where(literal(False))).all() == []
    assert db.session.execute(base).scalar_one() == 1


def test_it_is_built_once_for_each_shape() -> None:
    built: list[bool] = []

    @built_once
    def statement(named: bool) -> Select[Any]:
        """One or the other."""
        built.append(named)
        return select(literal("yes" if named else "no"))

    assert [db.session.execute(statement(one)).scalar_one() for one in (True, False, True)] == ["yes", "no", "yes"]
    assert built == [True, False]


@pytest.mark.parametrize(
    "statement",
    [
        select(literal(1)).where(literal(1).in_([1, 2])),
        select(literal(1)).where(literal(1).in_(bindparam("some", expanding=True))),
        select(PATIENTS.id, SETTINGS.tenant_id.label("id")),
        select(bindparam("late", callable_=lambda: 1, type_=Integer)),
    ],
)
def test_what_is_not_whole_cannot_be_kept(statement: Select[Any]) -> None:
    with pytest.raises((TypeError, StatementError), match="cannot be kept"):
        db.session.execute(keep(statement), {"some": [1]})


@pytest.mark.parametrize("kind", [None, Backwards()])
def test_a_value_that_is_missing_is_told(kind: Any) -> None:
    with pytest.raises((KeyError, DBAPIError), match="wanted"):
        db.session.execute(keep(select(bindparam("wanted", type_=kind))), {})


def failing(name: str) -> tuple[Executable, dict[str, Any]]:
    """A statement that the database refuses, and its values."""
    return {
        "number": (select(literal(1) / bindparam("by", type_=Integer)), {"by": 0}),
        "text": (text("SELECT CAST(:word AS int)"), {"word": "x"}),
        "no table": (text("SELECT 1 FROM nowhere"), {}),
    }[name]


@pytest.mark.parametrize("name", ["number", "text", "no table"])
def test_refusals_are_those_of_sqlalchemy(name: str) -> None:
    told: list[str] = []
    found = []
    with listening("handle_error", lambda context: told.append(type(context.sqlalchemy_exception).__name__)):
        for keeping in (lambda one: one, keep):
            statement, given = failing(name)
            with pytest.raises(DBAPIError) as caught:
                db.session.execute(keeping(statement), given)
            error = caught.value
            found.append((type(error), sqlstate(error), error.connection_invalidated, error.hide_parameters))
            db.session.rollback()
    assert found[0] == found[1]
    assert told == [found[0][0].__name__] * 2


def test_a_constraint_is_known_by_its_name(god: Actor) -> None:
    row = {"tenant_id": god.tenant_id, "principal": "p", "route": "r", "key": "k", "request_hash": "h"}
    with tenancy.bound(god.tenant_id):
        insert(IdempotencyKey, table_of(IdempotencyKey).c.key, **row)
        with pytest.raises(IntegrityError) as caught:
            insert(IdempotencyKey, table_of(IdempotencyKey).c.key, **row)
    assert caught.value.orig.diag.constraint_name == "idempotency_key_pk"  # type: ignore[union-attr]
    assert "h'" not in str(caught.value), "no value of a row is in its words"


def test_a_connection_that_is_gone_is_given_up() -> None:
    number = keep(select(func.pg_backend_pid()))
    gone = db.session.execute(number).scalar_one()
    with pytest.raises(DBAPIError) as caught:
        db.session.execute(keep(select(func.pg_terminate_backend(func.pg_backend_pid()))))
    assert caught.value.connection_invalidated
    with pytest.raises(PendingRollbackError):
        db.session.execute(number)
    db.session.rollback()
    assert db.session.execute(number).scalar_one() != gone


def test_who_listens_to_statements_hears_of_it() -> None:
    statement, told = keep(select(literal(1))), []
    for name in ("before_cursor_execute", "after_cursor_execute"):
        with listening(name, lambda *given: told.append(given[2])):
            assert db.session.execute(statement).scalar_one() == 1
    assert len(told) == 2


def test_many_may_be_the_first_to_run_it(app: APIFlask) -> None:
    statement = keep(of_all_kinds())

    def run() -> tuple[int, str, str]:
        row = db.session.execute(statement, {"given": "abc", "many": [1], "object": {}}).one()
        return row.number, row.fixed, row.given

    assert Crowd(app)([run] * 8) == [(7, "fixed", "abc")] * 8
