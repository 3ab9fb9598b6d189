"""The database: the one SQLAlchemy object, the columns every table shares, and the helpers all writes go through."""

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from flask import Flask, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Engine,
    ForeignKeyConstraint,
    Identity,
    Integer,
    MetaData,
    Row,
    Table,
    UpdateBase,
    bindparam,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column, registry
from sqlalchemy.sql import ColumnElement

from careapp.kept import built_once
from careapp.prepared import keep_prepared
from careapp.transactions import Transaction

LOCK_TIMEOUT = "5s"  # for every connection of the engine; below the 15 s that end a statement
_WITHOUT_END = text("SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)")


class Base(DeclarativeBase):
    """Base of all mapped tables, with names for constraints that error handling and migrations can rely on."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "pk": "%(table_name)s_pk",
                "uq": "%(table_name)s_%(column_0_N_name)s_key",
                "ck": "%(table_name)s_%(constraint_name)s_check",
                "fk": "%(table_name)s_%(column_0_N_name)s_fk",
                "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            }
        ),
        type_annotation_map={datetime: DateTime(timezone=True)},
    )


PARTITIONS = MetaData()  # those that have something of their own, beside what they have from their tables
REPLICA = "replica"  # the bind of the copy that some reads go to
on_replica: ContextVar[Any] = ContextVar("careapp_on_replica", default=None)  # what is asked of it, while it is read


class Database(SQLAlchemy):
    """Flask-SQLAlchemy's engines, with transactions of ours in the place of its session."""

    @property  # type: ignore[override]
    def session(self) -> Transaction:
        """The transaction of the present application context."""
        here = g._get_current_object()  # asked a dozen times a request: without the proxy
        present: Transaction | None = here.get("transaction")
        if present is None:
            present = here.transaction = Transaction(self._wanted)
        return present

    @session.setter
    def session(self, made: object) -> None:
        """Flask-SQLAlchemy sets what it has made; nobody uses that."""

    def init_app(self, app: Flask) -> None:
        """As Flask-SQLAlchemy's; the connections of each engine keep what they have prepared."""
        super().init_app(app)
        with app.app_context():
            for engine in self.engines.values():
                keep_prepared(engine)

    def _wanted(self) -> Engine:
        """The replica while `on_replica` says so, else the primary."""
        return self.engine if on_replica.get() is None else self.engines[REPLICA]


db = Database(model_class=Base, disable_autonaming=True)


def let_go() -> None:
    """End what is open: a view calls it that waits for others between finding out who asks and its command or query."""
    db.session.rollback()


def wait_without_end() -> None:
    """Let the rest of this transaction wait for a lock, and run, without a limit: for work that takes turns with its
    like, which ends by itself.
    """
    db.session.execute(_WITHOUT_END)


def written_out(words: Iterable[str]) -> list[ColumnElement[str]]:
    """Words of the code as they stand in a statement, not bound to it: for IN, which with bound words is put together
    anew each time it runs, and for what a partial index asks, which a plan kept for bound ones does not use.

    Raises ValueError for what is no word of ASCII letters and `_`, so nothing that somebody typed gets through.
    """
    kept = list(words)
    if not all(word.isascii() and word.replace("_", "").isalpha() for word in kept):
        raise ValueError("Only words of the code are written into a statement.")
    return [literal_column(f"'{word}'") for word in kept]


def at_most(rows: int) -> ColumnElement[int]:
    """A limit as it stands in a statement. Bound to it, a plan that is made once takes it for a tenth of all rows, and
    looks so dear that PostgreSQL plans the statement anew each time it runs.
    """
    return literal_column(str(int(rows)), Integer)


class TenantRow:
    """Columns of a table whose rows belong to a tenant: the tenant leads the primary key."""

    tenant_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, sort_order=-9)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, sort_order=-8)


class Aggregate(TenantRow):
    """A row people change: when it was created, and a version that each change raises by one."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=90)
    version: Mapped[int] = mapped_column(Integer, server_default="1", sort_order=91)


def tenant_key(column: str, table: str) -> ForeignKeyConstraint:
    """A foreign key to (tenant_id, id) of `table`: a reference across tenants cannot be stored."""
    return ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"])


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A CHECK that a text column holds one of `values`; row-level security keeps an enum's `=` from an index."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def table_of(model: type[Base]) -> Table:
    """The Core table behind a mapped class; writes use it, so the ORM's unit of work never runs."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def insert(model: type[Base], *returning: ColumnElement[Any] | Any, **values: Any) -> Row[Any]:
    """Insert one row and return the named columns of it."""
    return db.session.execute(_insert_statement(model, tuple(values), returning, False), values).one()


def insert_many(model: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert rows of equal shape in one round trip; nothing happens for an empty list."""
    if len(rows) == 1:
        db.session.execute(_kept_insert(model, tuple(rows[0]), (), False), rows[0])
    elif rows:
        db.session.execute(table_of(model).insert().values(rows))


def insert_unless_clash(model: type[Base], *returning: ColumnElement[Any] | Any, **values: Any) -> Row[Any] | None:
    """Insert one row, or return None where a unique or exclusion constraint forbids it.

    Two plain inserts that clash on an exclusion constraint wait for each other until the deadlock check; this form
    does not: measured with 16 clients in 6 s, 8,792 bookings and no deadlock against 42 and 26.
    """
    return db.session.execute(_insert_statement(model, tuple(values), returning, True), values).one_or_none()


def _insert_statement(
    model: type[Base], names: tuple[str, ...], returning: tuple[Any, ...], unless_clash: bool
) -> UpdateBase:
    """The statement of an insert: kept where it returns plain columns, as building it costs more than running it."""
    if all(isinstance(column, Column | InstrumentedAttribute) for column in returning):
        return _kept_insert(model, names, returning, unless_clash)
    return _build_insert(model, names, returning, unless_clash)


def _build_insert(
    model: type[Base], names: tuple[str, ...], returning: tuple[Any, ...], unless_clash: bool
) -> UpdateBase:
    statement = postgres_insert(table_of(model)).values({name: bindparam(name) for name in names})
    if unless_clash:
        statement = statement.on_conflict_do_nothing()
    return statement.returning(*returning) if returning else statement.inline()  # else it returns its key


_kept_insert = built_once(_build_insert)


def guarded_update(
    model: type[Base], *conditions: ColumnElement[bool], returning: Iterable[Any] = (), **values: Any
) -> Row[Any] | None:
    """Change the one row that meets all `conditions`, raising its version, or return None where none does.

    The conditions must name the tenant and the row; what else they say is the guard (status, capacity, version).
    """
    table = table_of(model)
    if "version" in table.c and "version" not in values:
        values["version"] = table.c.version + 1
    statement: UpdateBase = table.update().where(*conditions).values(**values).returning(*(returning or (table.c.id,)))
    return db.session.execute(statement).one_or_none()


def sqlstate(error: DBAPIError) -> str | None:
    """The five-character SQLSTATE of a database error."""
    return getattr(error.orig, "sqlstate", None)
