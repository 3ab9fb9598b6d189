"""What a check is, what it may find, and running all of them: each finds something by yielding it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from careapp.config import Settings
from careapp.localdb import libpq_url

WRONG, UNWISE, NOT_CHECKED, WELL = "wrong", "unwise", "not checked", "well"
CONNECT_SECONDS, STATEMENT_MS = 3, 60_000
POOLED = ("app", "replica", "health")  # roles whose addresses may lead to a pooler
OF_A_TRANSACTION = (
    f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = {STATEMENT_MS}; SET LOCAL search_path = care, public"
)
READ_ONLY = f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_MS} -c search_path=care,public"


class CannotCheck(Exception):
    """A check lacks what it needs; the text says what to give it. Whatever is missing is another check's finding."""


@dataclass(frozen=True)
class Finding:
    """What one check found: how bad it is, what is so, and what to do about it."""

    check: str
    state: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Installation:
    """What is looked at: the settings, the addresses of the roles, and where things lie."""

    settings: Settings
    addresses: dict[str, str | None]  # by role: app, owner, relay, backup, replica, health
    directory: Path = Path()  # of .env
    catalogues: Path = Path(__file__).resolve().parents[2] / "translations"
    backups: Path | None = None
    anchors: Path | None = None

    def address(self, role: str) -> str:
        """The address of a role. Raises CannotCheck where it is not set."""
        address = self.addresses.get(role)
        if address is None:
            raise CannotCheck(f"Set {variable_of(role)}.")
        return address

    def connect(self, role: str) -> psycopg.Connection[Any]:
        """A connection as that role on which nothing can be written. Raises CannotCheck, psycopg.OperationalError.

        A pooler takes no settings with the first word: there all that is asked is one transaction.
        """
        if role in POOLED and self.settings.database_pooler != "none":
            pooled = psycopg.connect(
                libpq_url(self.address(role)), connect_timeout=CONNECT_SECONDS, application_name="careapp doctor",
                prepare_threshold=None,
            )  # fmt: skip
            pooled.execute(OF_A_TRANSACTION)
            return pooled
        return psycopg.connect(
            libpq_url(self.address(role)), connect_timeout=CONNECT_SECONDS, options=READ_ONLY,
            application_name="careapp doctor", autocommit=True,
        )  # fmt: skip

    def connect_as_served(self, role: str) -> psycopg.Connection[Any]:
        """A connection that finds what processes find: with the role's own settings. Who asks must only read."""
        return psycopg.connect(
            libpq_url(self.address(role)), connect_timeout=CONNECT_SECONDS, application_name="careapp doctor",
            autocommit=True, prepare_threshold=None,
        )  # fmt: skip

    def any_role(self) -> psycopg.Connection[Any]:
        """A connection as the owner, or as the app role where the owner's address is not given."""
        return self.connect("owner" if self.addresses.get("owner") else "app")


Look = Callable[[Installation], Iterator[tuple[str, str, str]]]


@dataclass(frozen=True)
class Check:
    """One check: its name, what it looks at (for the page of them), and the function that looks."""

    name: str
    looks_at: str
    look: Look


CHECKS: dict[str, Check] = {}


def check(name: str, looks_at: str) -> Callable[[Look], Look]:
    """Enter a function among the checks; it yields (WRONG or UNWISE, what is so, what to do) for what it finds."""

    def enter(look: Look) -> Look:
        CHECKS[name] = Check(name, looks_at, look)
        return look

    return enter


def examine(at: Installation, only: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """Run the checks in their order; one that fails itself is a finding, and never keeps the others from running."""
    for one in CHECKS.values():
        if not only or one.name in only:
            yield from _findings(at, one)


def _findings(at: Installation, one: Check) -> Iterator[Finding]:
    found = False
    try:
        for state, text, remedy in one.look(at):
            found = True
            yield Finding(one.name, state, text, remedy)
    except CannotCheck as missing:
        yield Finding(one.name, NOT_CHECKED, str(missing))
    except psycopg.OperationalError:
        yield Finding(one.name, NOT_CHECKED, "The database does not answer this role.")
    except psycopg.errors.UndefinedTable:
        yield Finding(one.name, NOT_CHECKED, "The database lacks a table this looks at.")
    except psycopg.Error as error:
        text = f"The database refuses to be looked at ({type(error).__name__})."
        yield Finding(one.name, WRONG, text, "See what the checks of roles, walls and grants say.")
    except Exception as error:  # a file nobody can read, an answer nobody expects: the other checks still run
        why = f": {error}" if isinstance(error, OSError) else ""  # other texts may quote a secret
        text = f"This check failed itself ({type(error).__name__}{why})."
        yield Finding(one.name, WRONG, text, "Look at the settings it needs (docs/operations/doctor.md).")
    else:
        if not found:
            yield Finding(one.name, WELL, one.looks_at)


def variable_of(role: str) -> str:
    """The setting with a role's address."""
    return "DATABASE_URL" if role == "app" else f"DATABASE_{role.upper()}_URL"
