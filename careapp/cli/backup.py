"""`flask backup` and `flask restore`: the whole database into a file, and into a new database."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from careapp.operations.backups import BackupFailed, back_up, restore_into


@click.command("backup")
@click.argument("target")
@with_appcontext
def backup(target: str) -> None:
    """Write the database to the file TARGET, or to standard output for `-`, so that it can be encrypted on its way."""
    url: str | None = current_app.config["DATABASE_BACKUP_URL"]
    if url is None:
        raise click.ClickException("Set DATABASE_BACKUP_URL: only the role care_backup sees every tenant's rows.")
    try:
        back_up(url, None if target == "-" else Path(target))
    except BackupFailed as failure:
        raise click.ClickException(f"There is no backup: {failure}.") from failure
    if target != "-":
        click.echo(f"{target} holds the database. Keep it where its patients are safe: it is not encrypted as a whole.")


@click.command("restore")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--superuser", help="Address of a superuser; the embedded server's where there is none.")
@click.option("--name", required=True, help="The database to make; it must not be there yet.")
@with_appcontext
def restore(source: Path, superuser: str | None, name: str) -> None:
    """Make a new database from the backup SOURCE; the one that is there is not touched."""
    url = superuser or current_app.config["DATABASE_SUPERUSER_URL"]
    if url is None:
        raise click.ClickException("Give --superuser: only a superuser makes databases and roles.")
    try:
        seconds = restore_into(url, name, source)
    except BackupFailed as failure:
        raise click.ClickException(f"Nothing was restored: {failure}.") from failure
    click.echo(f"The database {name} is there after {seconds:.1f} s. Before it serves: docs/operations/backup.md.")
