"""Asked of libpq, past the driver's cursor: what a connection has prepared, and what frames a transaction."""

from collections.abc import Sequence
from typing import Any, Self

from psycopg import Error, OperationalError, abc
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from sqlalchemy import Connection, Engine, event

MOST = 100  # of a connection, beside as many of the driver's own: the server has a plan of each in memory
_INFO = "careapp_prepared"  # where SQLAlchemy's pool keeps it, for as long as the connection lasts
_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
# SQLSTATEs of a name the server does not know, as somebody told it to forget, and of a plan that a migration has
# overtaken.
_OF_NO_USE = (b"26000", b"0A000")

Types = tuple[int, ...]  # of values, as the server numbers them


class Answer:
    """What the server answered, until its rows are taken."""

    def __init__(self, found: PGresult, adapting: abc.Transformer) -> None:
        self._found, self._adapting = found, adapting

    @property
    def columns(self) -> list[tuple[str, int]]:
        """Name and type of each column, none for a statement that returns nothing; a type as the server numbers it."""
        found = self._found
        return [((found.fname(place) or b"").decode(), found.ftype(place)) for place in range(found.nfields)]

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows, as the driver adapts their values."""
        self._adapting.set_pgresult(self._found)
        return self._adapting.load_rows(0, self._found.ntuples, tuple)


class _Adapting:
    """How values are adapted: as the driver does for this connection, but a number is a bigint, however small. By the
    size of each, as the driver has it, a statement with six ids would be prepared many times over.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.adapters = AdaptersMap(connection.adapters)
        self.adapters.register_dumper(int, Int8Dumper)
        self.adapters.register_dumper(int, Int8BinaryDumper)


class Prepared:
    """What one connection has prepared, by the words of a statement and the types of its values, in the order in which
    it was last asked: where there is too much of it, the server forgets the first.

    The names are not the driver's: a rollback leaves them (keep_prepared).
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._adapting = _Adapting(raw)
        self._names: dict[tuple[bytes, Types], bytes] = {}
        self._made = 0

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """That of the driver's connection below one of SQLAlchemy's."""
        info = connection.info
        known: Self | None = info.get(_INFO)
        if known is None:
            known = info[_INFO] = cls(connection.connection.driver_connection)
        return known

    @property
    def under_way(self) -> bool:
        """Whether the server is in a transaction that has not failed."""
        return bool(self._raw.pgconn.transaction_status == TransactionStatus.INTRANS)

    def ask(self, words: bytes, values: Sequence[Any]) -> Answer:
        """Run a statement with values for `$1`, `$2` and so on. Raises psycopg's errors.

        Behind a pooler, which gives each transaction another session, the driver is told to prepare nothing, and
        nothing is prepared here.
        """
        server, adapting = self._raw.pgconn, Transformer(self._adapting)
        given = adapting.dump_sequence(values, [PyFormat.AUTO] * len(values))
        types = adapting.types or ()
        if self._raw.prepare_threshold is None:
            found = server.exec_params(words, given, types, adapting.formats)
        else:
            name = self._names.pop((words, types), None) or self._prepare(words, types)
            found = server.exec_prepared(name, given, adapting.formats)
            self._names[words, types] = name
        return Answer(self._done(found), adapting)

    def say(self, words: bytes) -> None:
        """Have the server do what has no values and gives no rows. Raises psycopg's errors."""
        self._done(self._raw.pgconn.exec_(words))

    def _prepare(self, words: bytes, types: Types) -> bytes:
        if len(self._names) >= MOST:
            self.say(b"DEALLOCATE " + self._names.pop(next(iter(self._names))))
        self._made += 1
        name = b"kept_%d" % self._made
        self._done(self._raw.pgconn.prepare(name, words, types))
        return name

    def _done(self, found: PGresult) -> PGresult:
        if found.status in _DONE:
            return found
        state = found.error_field(DiagnosticField.SQLSTATE)
        if state is None and self._raw.broken:  # what the server said before it left is in the connection alone
            raise OperationalError(self._raw.pgconn.get_error_message())
        if state in _OF_NO_USE:
            self._names.clear()  # what comes next is prepared anew
        raise error_from_result(found)


def say(connection: Connection, words: bytes) -> None:
    """Have a transaction begin, keep a place to come back to, or go back there. Raises SQLAlchemy's errors.

    The driver would need more round trips for the first, and forget when it goes back (see keep_prepared).
    """
    try:
        Prepared.of(connection).say(words)
    except Error as error:
        connection._handle_dbapi_exception(error, words.decode(), None, None, None)


def keep_prepared(engine: Engine) -> None:
    """Let a rollback leave a connection its prepared statements. The driver would have the server forget them all, its
    own and those that are kept, as what they are about might be gone; our role makes and drops nothing.

    A page that reads no more than who asks ends with a rollback: whoever came next had all statements planned anew.
    """

    @event.listens_for(engine, "rollback")
    def before_the_driver_does(connection: Connection) -> None:
        if not (connection.closed or connection.invalidated):
            before_the_pool_does(connection.connection.driver_connection)

    @event.listens_for(engine, "reset")  # also one that nobody gave back
    def before_the_pool_does(raw: Any, *_: Any) -> None:
        if raw.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            raw.pgconn.exec_(b"ROLLBACK")  # where that fails, the driver tries, and tells the pool
