"""The commands of `flask`: each is found by its name, and only who runs one imports it."""

import subprocess
import sys
from pathlib import Path

import click
import psycopg
import pytest
from apiflask import APIFlask
from click.testing import CliRunner
from sqlalchemy.exc import ProgrammingError

from careapp.cli.failures import in_a_sentence
from careapp.cli.table import MODULES, Commands
from tests.database import TestDatabase

ROOT = Path(__file__).resolve().parents[2]
LOADED = "import sys, careapp.wiring; print([one for one in sys.modules if one.startswith(('careapp.cli.', 'kafka'))])"


@pytest.mark.parametrize("name", MODULES)
def test_a_command_is_found_by_its_name(name: str) -> None:
    commands = Commands()
    context = click.Context(commands)
    found = commands.get_command(context, name)
    assert found is not None
    assert (found.name, name in commands.list_commands(context)) == (name, True)
    assert commands.get_command(context, f"no-{name}") is None


def _failing(error: BaseException) -> click.Command:
    @click.command("fail")
    def fail() -> None:
        raise error

    return in_a_sentence(in_a_sentence(fail))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (psycopg.OperationalError("connection failed:\n  no password supplied"),
         "The database: connection failed: no password supplied Addresses: DATABASE_URL, "),
        (ProgrammingError("SELECT 1", {}, psycopg.errors.UndefinedTable("users")), "run `flask --app wsgi db upgrade`"),
        (psycopg.errors.InsufficientPrivilege("permission denied"), "This role may not do that: permission denied "),
        (FileNotFoundError(2, "No such file or directory", "/nosuch/x.dump"), "/nosuch/x.dump: No such file or dir"),
    ],
)  # fmt: skip
def test_what_fails_from_outside_is_said_in_a_sentence(error: Exception, said: str) -> None:
    told = CliRunner().invoke(_failing(error))
    assert (told.exit_code, isinstance(told.exception, SystemExit)) == (1, True)
    assert said in told.stderr
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "error", [ProgrammingError("x", {}, psycopg.errors.SyntaxError("x")), OSError("x"), KeyError("x")]
)
def test_what_is_a_fault_of_ours_keeps_its_traceback(error: Exception) -> None:
    assert CliRunner().invoke(_failing(error)).exception is error


def test_a_command_says_that_its_database_is_not_there(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "postgresql+psycopg://care_owner@127.0.0.1:1/care"
    monkeypatch.setitem(app.config, "DATABASE_OWNER_URL", nowhere)
    told = app.test_cli_runner().invoke(
        args=["tenant", "add", "nowhere", "--name", "Nowhere", "--time-zone", "Asia/Yangon"]
    )
    assert told.exit_code == 1
    assert 'connection to server at "127.0.0.1", port 1 failed' in told.stderr
    assert "Traceback" not in told.output


def test_a_password_is_asked_for_only_by_who_gets_in(app: APIFlask, database: TestDatabase) -> None:
    """And twice: a slip of the finger would lock a role out."""
    words = ["database", "bootstrap", "--passwords", "--name", "never_made", "--superuser"]
    refused = app.test_cli_runner().invoke(args=[*words, "postgresql://nobody@127.0.0.1:1/postgres"], input="x\nx\n")
    assert "Password of" not in refused.output
    slipped = app.test_cli_runner().invoke(args=[*words, database.superuser], input="one\nother\n")
    assert "do not match" in slipped.output
    assert slipped.exit_code == 1
    unknown = ["database", "bootstrap", "--superuser", database.superuser, "--password-from", "NO_SUCH_VARIABLE"]
    assert "There is no variable NO_SUCH_VARIABLE" in app.test_cli_runner().invoke(args=unknown).stderr


def test_whoever_serves_imports_none_of_them() -> None:
    told = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert told.stdout.strip() == "['careapp.cli.table']"
