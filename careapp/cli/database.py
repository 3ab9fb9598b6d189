"""`flask database bootstrap` and `flask database-url`: roles and schema on any PostgreSQL, and the address in use."""

import os
import time

import click
import psycopg
from flask import current_app
from flask.cli import with_appcontext

from careapp.localdb import libpq_url
from careapp.localdb.bootstrap import BACKUP, ROLES, bootstrap
from careapp.operations.database_health import Answer, ask

PAUSE_SECONDS = 1.0


@click.group("database")
def database() -> None:
    """The database itself: roles, schema, extensions."""


@database.command("bootstrap")
@click.option("--superuser", required=True, help="Address of a superuser, such as postgresql://postgres@db/postgres.")
@click.option("--name", default="care", show_default=True, help="The database to make.")
@click.option("--passwords", is_flag=True, help="Ask for a password for each of the four roles.")
@click.option("--password-from", metavar="VARIABLE", help="Give all four the password in this environment variable.")
def bootstrap_database(superuser: str, name: str, passwords: bool, password_from: str | None) -> None:
    """Make roles, database, schema and extensions; running it again changes nothing."""
    given = None
    if password_from:
        if password_from not in os.environ:
            raise click.ClickException(f"There is no variable {password_from} in the environment.")
        given = dict.fromkeys((*ROLES, BACKUP), os.environ[password_from])
    elif passwords:
        psycopg.connect(libpq_url(superuser)).close()  # before anybody is asked for four passwords
        given = {role: _asked_twice(f"Password of {role}") for role in (*ROLES, BACKUP)}
    bootstrap(superuser, database=name, passwords=given)
    click.echo(f"Database {name} is ready for `flask --app wsgi db upgrade`.")


def _asked_twice(what: str) -> str:
    """What is typed, twice: a slip of the finger would lock a role out."""
    given: str = click.prompt(what, hide_input=True, confirmation_prompt=True)
    return given


@database.command("await")
@click.option("--seconds", default=0.0, show_default=True, help="How long to wait; 0 asks once.")
@with_appcontext
def await_database(seconds: float) -> None:
    """Wait until the database answers and its schema is at least this version's, and end with 1 if it never is.

    For what must not start before the migrations have run; the address is the app role's.
    """
    until = time.monotonic() + seconds
    while (answer := ask(current_app.config["SQLALCHEMY_DATABASE_URI"])) is not Answer.READY:
        if time.monotonic() >= until:
            raise click.ClickException(f"{answer.value}.".capitalize())
        time.sleep(PAUSE_SECONDS)
    click.echo("The database is ready for this version.")


@click.command("database-url")
@click.option("--owner", is_flag=True, help="The address of the role that migrates.")
@with_appcontext
def database_url(owner: bool) -> None:
    """Print the database's address in use, as psql reads it."""
    click.echo(libpq_url(current_app.config["DATABASE_OWNER_URL" if owner else "SQLALCHEMY_DATABASE_URI"]))
