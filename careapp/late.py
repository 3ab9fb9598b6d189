"""Late reads: the queries whose answer may be some seconds old are declared here, and asked of the replica."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError, TimeoutError

from careapp import replica
from careapp.commands import current_unit
from careapp.db import sqlstate
from careapp.errors import Refusal

A = ParamSpec("A")
R = TypeVar("R")

STATEMENT_TIMEOUT = "57014"  # what took too long on the copy would on the primary as well


def may_be_late(function: Callable[A, R]) -> Callable[A, R]:
    """Declare a query whose answer may be some seconds old: nothing is decided by it, and disclosure has no say in it.

    Stands above `@query`. Inside a command or another query it belongs to that one. What the copy refuses, or fails
    at, the primary is asked: no refusal is ever late, and whoever asks notices nothing.
    """

    @functools.wraps(function)
    def run(*args: A.args, **kwargs: A.kwargs) -> R:
        asked = None if _in_unit() else replica.copy()
        if asked is not None:
            try:
                with replica.reading_from(asked):
                    answer = function(*args, **kwargs)
            except (Refusal, replica.NotYet):
                pass
            except replica.Behind:
                asked.nearness.behind(asked.sample)
            except (DBAPIError, TimeoutError, psycopg.Error) as error:
                if isinstance(error, DBAPIError) and sqlstate(error) == STATEMENT_TIMEOUT:
                    raise
                asked.nearness.failed(type(getattr(error, "orig", error)).__name__)
            else:
                asked.nearness.served()
                return answer
        return function(*args, **kwargs)

    run.may_be_late = True  # type: ignore[attr-defined]
    return run


def _in_unit() -> bool:
    """Whether a command or another query is under way, whose transaction this is part of."""
    try:
        current_unit()
    except RuntimeError:
        return False
    return True
