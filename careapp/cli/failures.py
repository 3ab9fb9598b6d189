"""What fails a command from outside, in a sentence: a traceback tells nothing to whoever mistyped an address."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
import psycopg
from psycopg import errors
from sqlalchemy.exc import DBAPIError

_ADDRESSES = "Addresses: DATABASE_URL, DATABASE_OWNER_URL, DATABASE_RELAY_URL and --superuser, each for its own role."


def in_a_sentence(command: click.Command) -> click.Command:
    """Let a command say what database or file system refused it; what is a fault of ours keeps its traceback."""
    if not hasattr(command.invoke, "__wrapped__"):
        command.invoke = _telling(command.invoke)  # type: ignore[method-assign, assignment]
    return command


def _telling(invoke: Callable[[click.Context], Any]) -> Callable[[click.Context], Any]:
    @wraps(invoke)
    def told(context: click.Context) -> Any:
        try:
            return invoke(context)
        except (DBAPIError, psycopg.Error) as error:
            sentence = _of_database(error.orig if isinstance(error, DBAPIError) else error)
            if sentence is None:
                raise
            raise click.ClickException(sentence) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}.") from error

    return told


def _of_database(error: BaseException | None) -> str | None:
    said = " ".join(str(error).split())
    match error:
        case errors.UndefinedTable() | errors.InvalidSchemaName():
            return "There are no tables, or they are older than this version: run `flask --app wsgi db upgrade` first."
        case errors.InsufficientPrivilege():
            return f"This role may not do that: {said} {_ADDRESSES}"
        case psycopg.OperationalError():
            return f"The database: {said} {_ADDRESSES}"
    return None
