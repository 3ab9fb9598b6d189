"""Statements and connections of the database: slow ones for the log, waits for the pool's figures."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from careapp.telemetry.metrics import (
    POOL_IN_USE,
    POOL_SIZE,
    POOL_TIMEOUTS,
    POOL_WAIT_SECONDS,
    POOL_WAITS,
    SLOW_STATEMENTS,
)
from careapp.transactions import Asked, Ran

LONGEST_SHAPE = 2000  # characters
# Texts, dollar-quoted ones included, and numbers; what stands in a name or a parameter's name or number is none.
_LITERAL = re.compile(r"""E?'(?:[^'\\]|''|\\.)*'|\$(\w*)\$.*?\$\1\$|(?<![\w.%$])-?\d+(?:\.\d+)?\b""", re.S)

_log = structlog.get_logger()
_limit_beside: float | None = None  # seconds, for connections beside the engines; each engine has its own


class CountingPool(QueuePool):
    """A pool that counts who has to wait; a connection that is there at once costs nothing more than a comparison."""

    def _do_get(self) -> Any:
        if self.checkedout() < self.size() or self._max_overflow:
            return super()._do_get()
        POOL_WAITS.inc()
        began = time.perf_counter()
        try:
            return super()._do_get()
        except PoolTimeout:
            POOL_TIMEOUTS.inc()
            raise
        finally:
            POOL_WAIT_SECONDS.inc(time.perf_counter() - began)


def look_at_pools(engines: Iterable[Engine]) -> None:
    """Take how many connections the pools of these engines may hold, and how many are out."""
    pools: list[Any] = [engine.pool for engine in engines]
    POOL_SIZE.set(sum(pool.size() for pool in pools))
    POOL_IN_USE.set(sum(pool.checkedout() for pool in pools))


def together(statements: Sequence[str]) -> str:
    """The shapes of statements that were sent at once, each cut to its share of LONGEST_SHAPE."""
    share = LONGEST_SHAPE // len(statements) - len("; ")
    return "; ".join(shape(one)[:share] for one in statements)


@lru_cache(maxsize=512)
def shape(statement: str) -> str:
    """A statement without any value, on one line, and no longer than LONGEST_SHAPE."""
    return " ".join(_LITERAL.sub("?", statement).split())[:LONGEST_SHAPE]


def slow_log(milliseconds: int) -> Ran | None:
    """What an engine's transactions call after each statement: logs one that took longer, also one that failed, by its
    shape; None for 0. Of a kept statement (kept.py) the time holds the fetching of its rows, too.

    One that is sent for many rows at once is as many statements: an import is no slow statement. Several that were sent
    at once are told as one, as their answers come together, and the last one of a transaction with the commit's wait.
    """
    limit = milliseconds / 1000

    def ran(connection: Connection, asked: Sequence[Asked], seconds: float) -> None:
        if seconds > limit:
            values = asked[0][1]
            taken = seconds / (len(values) if isinstance(values, list) else 1)
            if taken > limit:
                _tell(together([_words(connection, *one) for one in asked]), taken)

    return ran if limit else None


def _words(connection: Connection, statement: Any, values: Any) -> str:
    """A statement as it went to the server: it names the columns that its values are for."""
    first = values[0] if isinstance(values, list) else values
    return str(statement.compile(dialect=connection.dialect, column_keys=list(first) if first else None))


def log_slow_beside(milliseconds: int) -> None:
    """The same for connections beside the engines (`beside`), of this whole process."""
    global _limit_beside
    _limit_beside = milliseconds / 1000 or None


@contextmanager
def timed(statement: str) -> Iterator[None]:
    """Around one statement of such a connection: logged where it takes too long, also where it fails."""
    if _limit_beside is None:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        taken = time.perf_counter() - began
        if taken > _limit_beside:
            _tell(statement, taken)


def _tell(statement: str, seconds: float) -> None:
    SLOW_STATEMENTS.inc()
    _log.warning("slow statement", statement=shape(statement), milliseconds=round(seconds * 1000, 1))
