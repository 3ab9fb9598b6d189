"""Transactions: what an application context has under way, at most one, on one connection.

In place of the ORM's session: nothing here keeps objects, so there is nothing to track, expire or flush, and a
transaction costs no more than its connection's.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVarTuple, overload

from sqlalchemy import Connection, Engine, Executable, Result, ScalarResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.selectable import TypedReturnsRows

from careapp import kept
from careapp.prepared import Said, has_failed, say

Ts = TypeVarTuple("Ts")
Opened = Callable[["Transaction", Connection, bool], None]
Asked = tuple[Executable, Any]  # a statement and its values
Ran = Callable[[Connection, Sequence[Asked], float], None]

# Execution options of an engine: what is called after each statement, or after several that were sent at once, with the
# seconds it took; and what is entered around such as are kept, with their words.
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

    `info` is for those who are called when it begins; `ending` says that the server was told to commit. What opens it
    goes to the server together with its first statement, and its last one together with the commit, where they are
    kept: each wait for the server costs the processors as much as a short statement, and on a network far more.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self.info: dict[str, Any] = {}
        self._engine = engine
        self._untold: tuple[bytes, ...] = ()  # what the server is told with the next statement
        self._times_told = self._savepoints = 0
        self.ending = False
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
        return self._run([(statement, values)])[0]

    def execute_each(self, asked: Sequence[Asked]) -> list[Result[Any]]:
        """Run statements of which none needs another's answer, in this order, each with its values. Where they are
        kept they are sent at once.
        """
        return self._run(asked)

    def opens_with(self, *words: bytes) -> None:
        """Have what begins open with these statements, the first of which is BEGIN; for those who are called then."""
        self._untold = words

    def catch_up(self) -> None:
        """Tell the server what it has not been told: whoever goes past `execute` calls it first."""
        if self._connection is not None and (words := self._to_tell()):
            say(self._connection, b"; ".join(words))

    def scalars(self, statement: Executable, values: Any = None) -> ScalarResult[Any]:
        """The first column of what a statement returns."""
        return self.execute(statement, values).scalars()

    def connection(self) -> Connection:
        """The connection of what is under way; begins where nothing is."""
        connection = self._begin() if self._connection is None else self._connection
        self.catch_up()
        return connection

    def in_transaction(self) -> bool:
        """Whether anything is under way."""
        return self._connection is not None

    @contextmanager
    def begin_nested(self) -> Iterator[None]:
        """A savepoint in what is under way, released or rolled back at the end of a block. A connection that is lost
        has undone all of it.
        """
        connection = self._begin() if self._connection is None else self._connection
        self._tell(connection, nested=True)
        outside, told = self._untold, self._times_told
        self._savepoints += 1
        name = b"part_%d" % self._savepoints  # of its own, as the server may not have heard yet that another one ended
        self._untold += (b"SAVEPOINT " + name,)
        try:
            yield
            self._untold += (b"RELEASE SAVEPOINT " + name,)
            if has_failed(connection):  # and the block hid it: refused now, not to whoever asks next
                self.catch_up()
        except BaseException:
            if self._times_told == told:
                self._untold = outside
            elif not connection.invalidated:
                self._untold = ()
                say(connection, b"ROLLBACK TO SAVEPOINT " + name + b"; RELEASE SAVEPOINT " + name)
            raise

    def commit(self, last: Asked | None = None) -> Result[Any] | None:
        """Commit what is under way, and before that run the `last` statement with its values; returns its result.

        Where that fails, a rollback has to follow. Where the connection is lost while this is `ending`, it may have
        been done.
        """
        told = self._run([last], after=self._commit_now)[0] if last else None
        connection = self._connection
        if connection is None:
            return told
        self.ending = True
        try:
            connection.commit()
        except BaseException:
            connection.invalidate()  # SQLAlchemy takes its transaction for ended; for the server it may be open still
            raise
        self.rollback()  # nothing is left to undo: it gives the connection back
        return told

    def rollback(self) -> None:
        """Undo what is under way, and give the connection back. One that is lost has undone it."""
        connection, self._connection = self._connection, None
        self._untold = ()
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

    def _run(self, asked: Sequence[Asked], *, after: Said | None = None) -> list[Result[Any]]:
        """Run statements; where they go together, with what opens this before them and with `after` after them. Else
        that is left to be done.
        """
        connection = self._connection
        if connection is None:
            connection = self._begin()
        began = perf_counter()
        try:
            known = [kept.of(statement) for statement, _ in asked]
            if self._untold or after or len(asked) > 1:
                together = [(one, values) for one, (_, values) in zip(known, asked, strict=True) if one]
                opens = self._untold[:1] == (b"BEGIN",)
                if len(together) == len(asked) and kept.go_together(connection, opens=opens):
                    after = after or tuple
                    return kept.run_each(connection, together, self._around, before=self._to_tell, after=after)
                self.catch_up()
            return [
                one.run(connection, values, self._around) if one else connection.execute(statement, values)
                for one, (statement, values) in zip(known, asked, strict=True)
            ]
        finally:
            if self._ran is not None and asked:
                self._ran(connection, asked, perf_counter() - began)

    def _to_tell(self) -> tuple[bytes, ...]:
        words, self._untold = self._untold, ()
        self._times_told += bool(words)
        return words

    def _commit_now(self) -> tuple[bytes, ...]:
        self.ending = True
        return (b"COMMIT",)

    def _begin(self) -> Connection:
        connection = self._connection = self._engine().connect()
        self.ending, options = False, connection.engine.get_execution_options()
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
