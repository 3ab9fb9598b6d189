"""`flask keys`: keys of encrypted columns: make one, see what has which, and move everything to the newest."""

import click
from flask.cli import AppGroup

from careapp import crypto
from careapp.access import Permission
from careapp.cli.shared import command_line, owner_url, tenants_of
from careapp.config import KEY_ID, new_encryption_key
from careapp.operations.key_rotation import PLAIN, count_by_key
from careapp.operations.key_rotation import rotate as rotate_tenant

keys = AppGroup("keys", help="Keys of encrypted columns (ENCRYPTION_KEYS).")
of_tenant = click.option("--tenant", "tenant_key", help="Only this tenant's values.")


@keys.command("new")
@click.argument("name")
def new(name: str) -> None:
    """Print a new key, NAME. Put it last in ENCRYPTION_KEYS, restart; put it first, restart; run `keys rotate`."""
    if not KEY_ID.fullmatch(name):
        raise click.BadParameter("use letters, digits, dots, hyphens and underscores, 32 at most, such as 2026a")
    click.echo(new_encryption_key(name))


@keys.command("status")
@of_tenant
def status(tenant_key: str | None) -> None:
    """Show how many values each key has encrypted. Ends with 1 where a value has a key that is not configured."""
    lost = False
    for tenant in tenants_of(tenant_key):
        for place, counted in count_by_key(owner_url(), tenant.id).items():
            for key, number in sorted(counted.items()):
                missing = key != PLAIN and key not in crypto.known_keys()
                lost = lost or missing
                said = "  (writes)" if key == crypto.writing_key() else "  (NOT CONFIGURED)" if missing else ""
                click.echo(f"{tenant.key}  {place}  {key}  {number}{said}")
    if lost:
        raise SystemExit(1)


@keys.command("rotate")
@of_tenant
def rotate(tenant_key: str | None) -> None:
    """Encrypt every value anew that the first key has not encrypted yet. Safe while the application runs.

    Ends with 1 where a value does not open; all others are moved all the same.
    """
    lost: list[str] = []
    for tenant in tenants_of(tenant_key):
        done = rotate_tenant(owner_url(), command_line(tenant, Permission.SETTINGS_MANAGE))
        lost += done.unreadable
        click.echo(f"{tenant.key}: {done.moved} values now have the key {crypto.writing_key()}.")
        for one in done.unreadable:
            click.echo(f"{tenant.key}: {one}", err=True)
    if lost:
        raise SystemExit(1)
