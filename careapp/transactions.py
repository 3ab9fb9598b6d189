"""Transactions: what an application context has under way, at most one, on one connection.

In place of the ORM's session: nothing here keeps objects, so there is nothing to track, expire or flush, and a
transaction costs no more than its connection's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVarTuple, overload

from sqlalchemy import Connection, Engine, Executable, Result, ScalarResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.selectable import TypedReturnsRows

from careapp import kept
from careapp.prepared import say

Ts = TypeVarTuple("Ts")
Opened = Callable[["Transaction", Connection, bool], None]
Ran = Callable[[Connection, Executable, Any, float], None]

# Execution options of an engine: what is called after each statement, with the seconds it took, and what is entered
# around each that is kept, with its words.
RAN, AROUND = "careapp_ran", "careapp_around"

_opened: list[Opened] = []


def at_begin(function: Opened) -> Opened:
    """Have a function called with each transaction that begins, and with each savepoint (then its last value is true),
    before anything else runs in it; in the order in which they are declared.
    """
    _opened.append(function)
    return function


class Transaction:
    """The transaction of a context: the first statement begins it on the engine that `engine` names then.

    `info` is for those who are called when it begins.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self.info: dict[str, Any] = {}
        self._engine = engine
        self._connection: Connection | None = None
        self._ran: Ran | None = None
        self._around: kept.Around | None = None

    @overload
    def execute(self, statement: TypedReturnsRows[*Ts], values: Any = None) -> Result[*Ts]:
        """One whose columns have types."""

    @overload
    def execute(self, statement: Executable, values: Any = None) -> Result[*tuple[Any, ...]]:
        """Any other."""

    def execute(self, statement: Executable, values: Any = None) -> Result[Any]:
        """Run a statement with these values; with a list of them, once for each."""
        connection = self._connection
        if connection is None:
            connection = self._begin()
        began = perf_counter()
        try:
            known = kept.of(statement)
            return known.run(connection, values, self._around) if known else connection.execute(statement, values)
        finally:
            if self._ran is not None:
                self._ran(connection, statement, values, perf_counter() - began)

    def scalars(self, statement: Executable, values: Any = None) -> ScalarResult[Any]:
        """The first column of what a statement returns."""
        return self.execute(statement, values).scalars()

    def connection(self) -> Connection:
        """The connection of what is under way; begins where nothing is."""
        return self._begin() if self._connection is None else self._connection

    def in_transaction(self) -> bool:
        """Whether anything is under way."""
        return self._connection is not None

    @contextmanager
    def begin_nested(self) -> Iterator[None]:
        """A savepoint in what is under way, released or rolled back at the end of a block. A connection that is lost
        has undone all of it.
        """
        connection = self.connection()
        self._tell(connection, nested=True)
        say(connection, b"SAVEPOINT part")  # of several of one name, the newest is meant
        try:
            yield
            say(connection, b"RELEASE SAVEPOINT part")
        except BaseException:
            if not connection.invalidated:
                say(connection, b"ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
            raise

    def commit(self) -> None:
        """Commit what is under way. Where that fails, a rollback has to follow."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.commit()
        except BaseException:
            connection.invalidate()  # SQLAlchemy takes its transaction for ended; for the server it may be open still
            raise
        self.rollback()  # nothing is left to undo: it gives the connection back

    def rollback(self) -> None:
        """Undo what is under way, and give the connection back. One that is lost has undone it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.close()
        except DBAPIError as lost:
            if not lost.connection_invalidated:
                raise

    def remove(self) -> None:
        """Undo what is under way, and forget whose it was; Flask-SQLAlchemy calls it at the end of the context."""
        self.rollback()
        self.info.clear()

    def _begin(self) -> Connection:
        connection = self._connection = self._engine().connect()
        options = connection.engine.get_execution_options()
        self._ran, self._around = options.get(RAN), options.get(AROUND)
        try:
            connection.begin()
            self._tell(connection, nested=False)
        except BaseException:
            self.rollback()
            raise
        return connection

    def _tell(self, connection: Connection, *, nested: bool) -> None:
        for function in _opened:
            function(self, connection, nested)
