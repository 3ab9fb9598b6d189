"""Asked of libpq, past the driver's cursor: what a connection has prepared, and what frames a transaction."""

from collections.abc import Callable, Sequence
from select import POLLIN, POLLOUT, poll
from typing import Any, NamedTuple, Self

from psycopg import Error, OperationalError
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from sqlalchemy import Connection, Engine, event

MOST = 100  # of a connection, beside as many of the driver's own: the server has a plan of each in memory
_INFO = "careapp_prepared"  # where SQLAlchemy's pool keeps it, for as long as the connection lasts
_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
# SQLSTATEs of a name the server does not know, as somebody told it to forget, and of a plan that a migration has
# overtaken.
_OF_NO_USE = (b"26000", b"0A000")

LOOK_AGAIN = 100  # milliseconds; what TLS has taken in already shows nothing on the socket

Said = Callable[[], Sequence[bytes]]
Types = tuple[int, ...]  # of values, as the server numbers them
Asked = tuple[bytes, Sequence[Any]]  # the words of a statement and the values for its `$1`, `$2` and so on


class _Rows:
    """What adapts the rows of one statement, found out when it returns its first: all have the same columns."""

    def __init__(self, adapting: "_Adapting") -> None:
        self._adapting, self._known = Transformer(adapting), False

    def of(self, found: PGresult) -> list[tuple[Any, ...]]:
        self._adapting.set_pgresult(found, set_loaders=not self._known)
        self._known = True
        try:
            return self._adapting.load_rows(0, found.ntuples, tuple)
        finally:
            self._adapting.set_pgresult(None, set_loaders=False)  # it would hold all of it until it is asked again


class Answer:
    """What the server answered, until its rows are taken."""

    def __init__(self, found: PGresult, rows: _Rows) -> None:
        self._found, self._rows = found, rows

    @property
    def columns(self) -> list[tuple[str, int]]:
        """Name and type of each column, none for a statement that returns nothing; a type as the server numbers it."""
        found = self._found
        return [((found.fname(place) or b"").decode(), found.ftype(place)) for place in range(found.nfields)]

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows, as the driver adapts their values."""
        return self._rows.of(self._found)


class _Bound(NamedTuple):
    """A statement with its values as they are sent."""

    words: bytes
    values: Sequence[Any] | None
    types: Types
    formats: Sequence[Format]

    @property
    def known_by(self) -> tuple[bytes, Types]:
        """What it is prepared by."""
        return self.words, self.types


class _Known(NamedTuple):
    """A statement that is prepared: its name, and what adapts its rows."""

    name: bytes
    rows: _Rows


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
        self._values = Transformer(self._adapting)
        self._known: dict[tuple[bytes, Types], _Known] = {}
        self._made = 0
        self._waiting, self._writing = poll(), poll()
        self._waiting.register(raw.fileno(), POLLIN)
        self._writing.register(raw.fileno(), POLLIN | POLLOUT)
        self._patience = LOOK_AGAIN if raw.pgconn.ssl_in_use else None

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

    @property
    def prepares(self) -> bool:
        """Whether anything is prepared. Behind a pooler, which gives each transaction another session, the driver is
        told to prepare nothing, and nothing is prepared here.
        """
        return self._raw.prepare_threshold is not None

    def ask(self, words: bytes, values: Sequence[Any]) -> Answer:
        """Run a statement with values for `$1`, `$2` and so on. Raises psycopg's errors."""
        server, bound = self._raw.pgconn, self._bound(words, values)
        if not self.prepares:
            found = server.exec_params(words, bound.values, bound.types, bound.formats)
            return Answer(self._done(found), _Rows(self._adapting))
        known = self._prepared(bound)
        found = server.exec_prepared(known.name, bound.values, bound.formats)
        return Answer(self._done(found), known.rows)

    def ask_each(self, asked: Sequence[Asked], *, before: Said = tuple, after: Said = tuple) -> list[Answer]:
        """Run several statements, of which none needs another's answer: they are sent at once and waited for once
        (libpq's pipeline mode). `before` and `after` them runs what has no values and gives no rows; both are called
        when that is sent, so not where a value cannot be.

        What follows one that fails is not run. Raises psycopg's error for that one.
        """
        server = self._raw.pgconn
        bound = [self._bound(words, values) for words, values in asked]
        first = before()
        if first and not all(one.known_by in self._known for one in bound):
            self.say(b"; ".join(first))  # so that one that cannot be prepared fails where it stands
            first = ()
        known = [self._prepared(one) for one in bound]
        last = after()
        server.enter_pipeline_mode()
        try:
            for words in first:
                server.send_query_params(words, None)
            for (name, _), one in zip(known, bound, strict=True):
                server.send_query_prepared(name, one.values, one.formats)
            for words in last:
                server.send_query_params(words, None)
            server.pipeline_sync()
            found = self._answers()
        except BaseException:
            self._raw.close()  # what it still has to say would be taken for an answer to whoever asks next
            raise
        if server.status == ConnStatus.OK:
            server.exit_pipeline_mode()
        done = [self._done(one) for one in found]
        if len(done) < len(first) + len(bound) + len(last):  # it ended without a word
            raise OperationalError(server.get_error_message())
        mine = done[len(first) : len(first) + len(bound)]
        return [Answer(answer, rows) for answer, (_, rows) in zip(mine, known, strict=True)]

    def say(self, words: bytes) -> None:
        """Have the server do what has no values and gives no rows. Raises psycopg's errors."""
        self._done(self._raw.pgconn.exec_(words))

    def _bound(self, words: bytes, values: Sequence[Any]) -> _Bound:
        adapting = self._values
        sent = adapting.dump_sequence(values, [PyFormat.AUTO] * len(values))
        return _Bound(words, sent, adapting.types or (), adapting.formats or ())

    def _prepared(self, bound: _Bound) -> _Known:
        known_by = bound.known_by
        known = self._known.pop(known_by) if known_by in self._known else self._prepare(*known_by)
        self._known[known_by] = known
        return known

    def _answers(self) -> list[PGresult]:
        """What the server says to all that was sent, until it has come to its end or the connection to its own."""
        found: list[PGresult] = []
        server, waiting = self._raw.pgconn, self._waiting
        while server.flush():
            self._writing.poll()
            server.consume_input()  # the server may wait for us to read before it takes more
        while True:
            while server.is_busy():
                waiting.poll(self._patience)
                server.consume_input()
            one = server.get_result()
            if one is None and server.status == ConnStatus.BAD:
                return found
            if one is not None and one.status == ExecStatus.PIPELINE_SYNC:
                return found
            if one is not None:
                found.append(one)

    def _prepare(self, words: bytes, types: Types) -> _Known:
        if len(self._known) >= MOST:
            self.say(b"DEALLOCATE " + self._known.pop(next(iter(self._known))).name)
        self._made += 1
        name = b"kept_%d" % self._made
        self._done(self._raw.pgconn.prepare(name, words, types))
        return _Known(name, _Rows(self._adapting))

    def _done(self, found: PGresult) -> PGresult:
        if found.status in _DONE:
            return found
        state = found.error_field(DiagnosticField.SQLSTATE)
        if state is None and self._raw.broken:  # what the server said before it left is in the connection alone
            raise OperationalError(self._raw.pgconn.get_error_message())
        if state in _OF_NO_USE:
            self._known.clear()  # what comes next is prepared anew
        raise error_from_result(found)


def say(connection: Connection, words: bytes) -> None:
    """Have a transaction begin, keep a place to come back to, or go back there. Raises SQLAlchemy's errors.

    The driver would need more round trips for the first, and forget when it goes back (see keep_prepared).
    """
    try:
        Prepared.of(connection).say(words)
    except Error as error:
        connection._handle_dbapi_exception(error, words.decode(), None, None, None)


def has_failed(connection: Connection) -> bool:
    """Whether something has failed in what is under way, so that the server runs nothing more in it."""
    raw: Any = None if connection.invalidated else connection.connection.driver_connection
    return raw is None or bool(raw.pgconn.transaction_status == TransactionStatus.INERROR)


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
