"""`flask tenant`: make an organisation that uses the application, and list those there are."""

import re
from zoneinfo import available_timezones

import click
from flask.cli import AppGroup

from careapp.cli.shared import owner_url
from careapp.operations.maintenance import tenants
from careapp.operations.tenants import create_tenant, key_is_taken

KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # it stands in tokens and in INTERNAL_TOKENS, between colons and commas
LONGEST_BUFFER = 240  # minutes; the database's own limit

tenant = AppGroup("tenant", help="Organisations that use the application.")


def _key(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not KEY.fullmatch(value):
        raise click.BadParameter("use small letters, digits and hyphens, 63 at most, such as east-clinic")
    return value


def _zone(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if value not in available_timezones():
        raise click.BadParameter(f"{value} is no time zone; one is Asia/Yangon")
    return value


def _name(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise click.BadParameter("enter a name")
    return value.strip()


@tenant.command("add")
@click.argument("key", callback=_key)
@click.option("--name", required=True, callback=_name, help="What people call it.")
@click.option("--time-zone", required=True, callback=_zone, help="Where it is, such as Asia/Yangon.")
@click.option(
    "--buffer-minutes", default=0, show_default=True, type=click.IntRange(0, LONGEST_BUFFER),
    help="Free time a provider keeps after each appointment.",
)  # fmt: skip
def add(key: str, name: str, time_zone: str, buffer_minutes: int) -> None:
    """Make the tenant KEY; the key never changes."""
    owner = owner_url()
    if key_is_taken(key):
        raise click.ClickException(f"There is a tenant {key} already. Nothing was changed.")
    create_tenant(owner, key=key, name=name, time_zone=time_zone, buffer_minutes=buffer_minutes)
    click.echo(f"Tenant {key} is there. Its first user: flask --app wsgi user add --tenant {key} --role admin …")


@tenant.command("list")
def list_tenants() -> None:
    """List the tenants' keys, oldest first, and which of them are suspended."""
    for one in tenants():
        click.echo(f"{one.key}  suspended since {one.suspended_at:%Y-%m-%d %H:%M} UTC" if one.suspended_at else one.key)
