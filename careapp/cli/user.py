"""`flask user add`: make a member of staff who can sign in, such as a tenant's first administrator."""

import sys

import click
from flask.cli import AppGroup

from careapp.access import Permission, Role
from careapp.cli.shared import command_line, refusals_shown, tenants_of
from careapp.identity.users import create_user

user = AppGroup("user", help="People who sign in.")


@user.command("add")
@click.option("--tenant", "tenant_key", required=True, help="The tenant's key, for example demo.")
@click.option("--email", required=True, help="The address to sign in with.")
@click.option("--name", required=True, help="What colleagues call this person.")
@click.option("--role", "roles", required=True, multiple=True, type=click.Choice([role.value for role in Role]),
              help="May be given again.")  # fmt: skip
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
def add(tenant_key: str, email: str, name: str, roles: tuple[str, ...], password_stdin: bool) -> None:
    """Add a user; the password is asked for, twice and unseen."""
    [tenant] = tenants_of(tenant_key)
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with refusals_shown():
        made = create_user(
            command_line(tenant, Permission.USER_MANAGE),
            email=email, name=name, password=password, roles=[Role(role) for role in roles],
        )  # fmt: skip
    click.echo(f"{made.email} can sign in as {', '.join(made.roles)}.")
