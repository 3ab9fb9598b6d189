"""`flask tenant suspend`, `resume`, `export` and `delete`: closing an organisation for a while, and letting it go."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import click
from flask import current_app

from careapp.access import Actor, Permission
from careapp.cli.shared import command_line, decided_by, owner_url, refusals_shown, relaying, tenants_of
from careapp.cli.tenant import tenant
from careapp.operations import tenant_deletion, tenants
from careapp.operations.maintenance import TenantName
from careapp.operations.tenant_deletion import NotDeleted
from careapp.operations.tenant_export import ExportFailed, Manifest, export_tenant, read_manifest
from careapp.operations.tenant_rows import tables
from careapp.outbox.relay import Relay

__all__ = ["tenant"]  # the group, with these in it

with_reason = click.option("--reason", required=True, help="Why; the log keeps it. No names of patients.")

_NEW = click.Path(dir_okay=False, path_type=Path)
_THERE = click.Path(exists=True, dir_okay=False, path_type=Path)


@tenant.command("suspend")
@click.argument("key")
@decided_by
@with_reason
def suspend(key: str, by: str, reason: str) -> None:
    """Let nobody of the tenant KEY in, from now on until it is resumed. Jobs go on sending its events."""
    [one] = tenants_of(key)
    with refusals_shown():
        tenants.suspend(owner_url(), _actor(one), by=by, reason=reason)
    click.echo(f"{key} is suspended: nobody of it is let in. Undo: flask --app wsgi tenant resume {key} --by …")


@tenant.command("resume")
@click.argument("key")
@decided_by
def resume(key: str, by: str) -> None:
    """Let people and programs of the tenant KEY in again."""
    [one] = tenants_of(key)
    with refusals_shown():
        tenants.resume(owner_url(), _actor(one), by=by)
    click.echo(f"{key} is open again.")


@tenant.command("export")
@click.argument("key")
@click.argument("file", type=_NEW)
@click.option("--decrypt", is_flag=True, help="Write encrypted texts in the clear.")
@decided_by
def export(key: str, file: Path, decrypt: bool, by: str) -> None:
    """Write all rows of the tenant KEY to FILE, a zip of JSON lines with a manifest. It holds names: keep it safe."""
    [one] = tenants_of(key)
    try:
        manifest = export_tenant(owner_url(), _actor(one), file, by=by, decrypt=decrypt)
    except ExportFailed as failure:
        raise click.ClickException(f"There is no export: {failure}.") from failure
    click.echo(f"{file}: {manifest.rows} rows of {len(manifest.tables)} tables, manifest {manifest.sha256}.")


@tenant.command("delete")
@click.argument("key")
@click.option("--export", "exported", type=_THERE, help="An export made since the tenant was suspended.")
@click.option("--without-export", is_flag=True, help="Delete what nobody has a copy of.")
@decided_by
@with_reason
def delete(key: str, exported: Path | None, without_export: bool, by: str, reason: str) -> None:
    """Delete the tenant KEY for good: all rows but its audit log. Asks for the key once more. May be run again."""
    [one] = tenants_of(key, deleted=True)
    owner, actor = owner_url(), _actor(one)
    if exported is None and not without_export:
        raise click.ClickException("Give --export FILE (flask tenant export), or --without-export.")
    try:
        manifest = _whole(one, exported) if exported and not one.deleted_at else None
        tenant_deletion.refuse_held(owner, one.id)
        with _relaying_if_told() as relay:
            if click.prompt(f"Type {key} again to delete all of it for good") != key:
                raise click.ClickException("That is another key. Nothing was done.")
            with tenant_deletion.alone(owner, one.id):
                tenant_deletion.begin(owner, actor, by=by, reason=reason, export=manifest)
                tenant_deletion.delete_rows(owner, one.id, tell=lambda name, rows: click.echo(f"{name}: {rows} rows"))
                if relay:
                    _send(one, relay)
                left = tenant_deletion.finish(owner, actor)
    except (NotDeleted, ExportFailed) as refusal:
        raise click.ClickException(str(refusal)) from refusal
    remains = ", ".join(f"{rows} rows of {name}" for name, rows in sorted(left.items()))
    click.echo(f"{key} is deleted. There remain: its tombstone, {remains}.")


def _actor(one: TenantName) -> Actor:
    return command_line(one, Permission.SETTINGS_MANAGE)


def _whole(one: TenantName, exported: Path) -> Manifest:
    """The manifest of an export of this very tenant that nothing was written after. Raises ExportFailed, NotDeleted."""
    manifest = read_manifest(exported)
    if manifest.tenant != one.key:
        raise ExportFailed(f"{exported} is an export of {manifest.tenant}.")
    if lacking := {table.name for table in tables()} - set(manifest.tables):
        raise ExportFailed(f"{exported} is of an older version, without {', '.join(sorted(lacking))}. Make a new one.")
    tenant_deletion.refuse_stale(manifest, one.suspended_at)
    return manifest


def _relaying_if_told() -> AbstractContextManager[Relay | None]:
    """A relay of this command's own where it knows the address; else jobs send. Refused before anybody is asked."""
    return relaying() if current_app.config["DATABASE_RELAY_URL"] else nullcontext()


def _send(one: TenantName, relay: Relay) -> None:
    """Send what waits, as `flask outbox drain` does; jobs that run do it too, and both may. A parked event waits for
    somebody, however long others' events are sent meanwhile.
    """

    def can_go() -> bool:
        waiting, parked = tenant_deletion.waiting_events(owner_url(), one.id)
        return bool(waiting) and not parked

    while can_go() and relay.run_pass():
        pass
