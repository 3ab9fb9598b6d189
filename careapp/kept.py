"""Kept statements: built once, and run past SQLAlchemy and the driver's cursor from then on (prepared.py).

SQLAlchemy puts a statement into words, says what its types do to values, and tells of errors. What it does besides each
time one runs costs more than the driver's part in it, on every page and in every command; a statement that is kept need
not have that done again.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import ARRAY, BindParameter, ColumnElement, Connection, Dialect, Executable, Result, TextClause
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from careapp.prepared import Answer, Prepared, Said

A = ParamSpec("A")
S = TypeVar("S", bound=Executable)
Values = dict[str, Any]
Processor = Callable[[Any], Any]
Around = Callable[[Sequence[str]], AbstractContextManager[None]]

_NOTHING: AbstractContextManager[None] = nullcontext()
_PLAIN = re.compile(r"[A-Za-z0-9_ ,.:/-]*")  # means the same in quotes, whatever the server's settings
_NAMED = re.compile(r"%%|%\((\w+)\)s")  # values in a statement as SQLAlchemy writes it


def keep(statement: S) -> S:
    """Keep a statement; it has to be whole, so that values alone are given when it runs, of one row.

    What is made out of it (`statement.where(…)`) is another one, and is not kept.
    """
    _kept[statement] = Kept(statement)
    return statement


def built_once(build: Callable[A, S]) -> Callable[A, S]:
    """Make a function that builds a statement build it once for each set of arguments, and keep it."""
    made = cache(lambda *args, **kwargs: keep(build(*args, **kwargs)))

    @wraps(build)
    def built(*args: A.args, **kwargs: A.kwargs) -> S:
        return made(*args, **kwargs)  # type: ignore[arg-type]

    return built


def of(statement: Executable) -> "Kept | None":
    """What is kept of a statement."""
    return _kept.get(statement)


@dataclass(frozen=True)
class Words:
    """A statement as PostgreSQL takes it: its text, the names of its values in order, those of them that are always the
    same, and what types do to the others.
    """

    text: bytes
    order: tuple[str, ...]
    fixed: Values
    inwards: dict[str, Processor]

    def given(self, values: Values | None) -> list[Any]:
        """All values of one run, in their order."""
        given = self.fixed
        if values:
            given = {**given, **values}
            for name, process in self.inwards.items():
                given[name] = process(values[name])
        return [given[name] for name in self.order]


@dataclass(frozen=True)
class Columns:
    """The rows a statement returns: their names, and what types do to the values of some columns, by position."""

    names: SimpleResultMetaData
    outwards: dict[int, Processor]

    def rows(self, found: list[tuple[Any, ...]]) -> Result[Any]:
        """Rows as SQLAlchemy gives them."""
        return IteratorResult(self.names, iter([self._row(row) for row in found] if self.outwards else found))

    def _row(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        made = list(row)
        for position, process in self.outwards.items():
            made[position] = process(made[position])
        return tuple(made)


class Kept:
    """A kept statement; put into words when it first runs, as that needs a connection's dialect."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._words: Words | None = None
        self._columns: Columns | None = None

    def run(self, connection: Connection, values: Values | None, around: Around | None = None) -> Result[Any]:
        """Run it in what is under way on a connection, inside of `around` its words where that is given.

        Raises SQLAlchemy's errors for those of the database; a slip of the code, such as a value that is missing, may
        come as it is.

        It is run SQLAlchemy's way for whoever listens to the cursors of an engine, as tests do to see statements, and
        where SQLAlchemy or the driver has something to do or to say: nothing is under way yet, or it has failed.
        """
        if _is_heard(connection):
            return connection.execute(self._statement, values)
        prepared = Prepared.of(connection)
        if not prepared.under_way:
            return connection.execute(self._statement, values)
        words = self.words(connection)
        given = words.given(values)
        try:
            with around([words.text.decode()]) if around else _NOTHING:
                answer = prepared.ask(words.text, given)
            return self.rows(connection, answer)
        except BaseException as error:
            connection._handle_dbapi_exception(error, words.text.decode(), given, None, None)

    def words(self, connection: Connection) -> Words:
        """The statement as PostgreSQL takes it."""
        words = self._words
        if words is None:
            words = self._words = _words_of(self._statement, connection.dialect)
        return words

    def rows(self, connection: Connection, answer: Answer) -> Result[Any]:
        """Its answer as SQLAlchemy gives it."""
        columns = self._columns
        if columns is None:
            columns = self._columns = _columns_of(self._statement, connection.dialect, answer.columns)
        return columns.rows(answer.rows() if columns.names.keys else [])


def _is_heard(connection: Connection) -> bool:
    told = connection.engine.dispatch
    return bool(told.before_cursor_execute or told.after_cursor_execute) or not connection.in_transaction()


def go_together(connection: Connection, *, opens: bool) -> bool:
    """Whether kept statements can be sent at once on a connection, on which a transaction is under way or `opens` with
    them: not where each is run SQLAlchemy's way, and not where none is prepared.
    """
    if _is_heard(connection):
        return False
    prepared = Prepared.of(connection)
    return prepared.prepares and (opens or prepared.under_way)


def run_each(
    connection: Connection, asked: Sequence[tuple[Kept, Values | None]], around: Around | None = None, *,
    before: Said = tuple, after: Said = tuple,
) -> list[Result[Any]]:  # fmt: skip
    """Run several at once where they `go_together`, `before` and `after` them what has no values and gives no rows
    (`Prepared.ask_each`).

    `around` is entered once, with all their words. Raises what `Kept.run` raises.
    """
    words = [one.words(connection) for one, _ in asked]
    given = [one.given(values) for one, (_, values) in zip(words, asked, strict=True)]
    try:
        with around([one.text.decode() for one in words]) if around else _NOTHING:
            sent = [(one.text, values) for one, values in zip(words, given, strict=True)]
            answers = Prepared.of(connection).ask_each(sent, before=before, after=after)
        return [one.rows(connection, answer) for (one, _), answer in zip(asked, answers, strict=True)]
    except BaseException as error:
        told = b"; ".join(one.text for one in words)
        connection._handle_dbapi_exception(error, told.decode(), given, None, None)


_kept: dict[Executable, Kept] = {}


def _words_of(statement: Executable, dialect: Dialect) -> Words:
    """Raises TypeError for a statement that is not whole: a part of it is written anew each time, or would be filled in
    by SQLAlchemy when it runs.
    """
    made = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    assert isinstance(made, SQLCompiler)
    late = made.post_compile_params or made.literal_execute_params or made.prefetch
    if late or any(bind.callable for bind in made.bind_names):
        raise TypeError(f"this cannot be kept: {made}")
    fixed, written, inwards = {}, {}, {}
    for bind, name in made.bind_names.items():
        process = _inwards(bind, dialect)
        if bind.required:
            if process:
                inwards[name] = process
            continue
        value = process(bind.value) if process else bind.value
        word = _written(value)
        if word is None:
            fixed[name] = value
        else:
            written[name] = word
    order: dict[str, str] = {}

    def numbered(found: re.Match[str]) -> str:
        name = found[1]
        return written.get(name) or order.setdefault(name, f"${len(order) + 1}") if name else "%"

    text = _NAMED.sub(numbered, str(made))
    return Words(text.encode(), tuple(order), fixed, inwards)


def _written(value: object) -> str | None:
    """A value of the code as it stands in a statement, if it is a number or a plain text; None for any other.

    What PostgreSQL knows it need not guess: with such a value bound it takes a plan made once for dearer than it is,
    and plans the statement anew each time it runs.
    """
    if isinstance(value, int):
        return f"({value})" if value < 0 else str(value).lower()
    return f"'{value}'" if isinstance(value, str) and _PLAIN.fullmatch(value) else None


def _inwards(bind: BindParameter[Any], dialect: Dialect) -> Processor | None:
    return bind.type.dialect_impl(dialect).bind_processor(dialect)


def _outwards(kind: TypeEngine[Any], dialect: Dialect, code: int) -> Processor | None:
    if isinstance(kind, ARRAY) and _outwards(kind.item_type, dialect, code) is None:
        return None  # the driver gives a list; SQLAlchemy makes another one of it
    return kind.dialect_impl(dialect).result_processor(dialect, code)


def _columns_of(statement: Executable, dialect: Dialect, described: list[tuple[str, int]]) -> Columns:
    """Raises TypeError for two columns of one name."""
    names = [name for name, _ in described]
    if len(set(names)) < len(names):
        raise TypeError(f"this cannot be kept, as its columns are {names}")
    if isinstance(statement, TextClause) or not names:
        return Columns(SimpleResultMetaData(names), {})
    declared: list[ColumnElement[Any]] = list(statement.exported_columns)  # type: ignore[attr-defined]
    outwards: dict[int, Processor] = {}
    for position, (one, (_, code)) in enumerate(zip(declared, described, strict=True)):
        process = _outwards(one.type, dialect, code)
        if process:
            outwards[position] = process
    return Columns(SimpleResultMetaData(names, extra=[(one,) for one in declared]), outwards)
