"""`flask client`: service clients from the shell, as the pages under /admin/clients make, rotate and disable them."""

import click
from flask.cli import AppGroup

from careapp.access import Actor, Permission, Role
from careapp.cli.shared import command_line, refusals_shown, tenants_of, words_of
from careapp.identity import service_clients as clients
from careapp.identity.service_clients import ServiceClientView

client = AppGroup("client", help="Programs of other systems that fetch tokens for themselves.")
of_tenant = click.option("--tenant", "tenant_key", required=True, help="The tenant's key, for example demo.")
ROLES = click.Choice([role.value for role in Role])


@client.command("add")
@of_tenant
@click.option("--name", required=True, help="Which program it is.")
@click.option("--role", "roles", required=True, multiple=True, type=ROLES, help="May be given again.")
@click.option(
    "--scope", "scopes", required=True, multiple=True, help="What it may of that; several with blanks, or again."
)
def add(tenant_key: str, name: str, roles: tuple[str, ...], scopes: tuple[str, ...]) -> None:
    """Add a client, and print its secret this once: it is kept nowhere."""
    with refusals_shown():
        made, secret = clients.create_client(
            _actor(tenant_key), name=name, roles=[Role(role) for role in roles], scopes=words_of(scopes)
        )
    _tell(made)
    click.echo(secret)


@client.command("list")
@of_tenant
def listed(tenant_key: str) -> None:
    """List the clients of a tenant."""
    for one in clients.list_clients(_actor(tenant_key)):
        _tell(one)


@client.command("rotate")
@click.argument("number", type=int)
@of_tenant
@click.option("--at-once", is_flag=True, help="The secret before ends now, not in a day.")
def rotate(number: int, tenant_key: str, at_once: bool) -> None:
    """Give the client NUMBER a new secret and print it this once."""
    with refusals_shown():
        changed, secret = clients.rotate_secret(_actor(tenant_key), number, at_once=at_once)
    _tell(changed)
    click.echo(secret)


@client.command("disable")
@click.argument("number", type=int)
@of_tenant
def disable(number: int, tenant_key: str) -> None:
    """Shut the client NUMBER out: no token more, and those it has are refused."""
    with refusals_shown():
        _tell(clients.disable_client(_actor(tenant_key), number))


@client.command("enable")
@click.argument("number", type=int)
@of_tenant
def enable(number: int, tenant_key: str) -> None:
    """Let the client NUMBER in again."""
    with refusals_shown():
        _tell(clients.enable_client(_actor(tenant_key), number))


def _actor(tenant_key: str) -> Actor:
    return command_line(tenants_of(tenant_key)[0], Permission.USER_MANAGE)


def _tell(one: ServiceClientView) -> None:
    state = f"disabled {one.disabled_at:%Y-%m-%d}" if one.disabled_at else "enabled"
    rights = f"{', '.join(one.roles)} ({', '.join(one.scopes)})"
    click.echo(f"{one.id}  {one.client_id}  {state}  secret of {one.secret_made_at:%Y-%m-%d}  {rights}  {one.name}")
