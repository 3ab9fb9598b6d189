"""`flask passwords check-list`: whether the file of breached passwords can be searched."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup

from careapp.identity.known_passwords import BadList, check_list

passwords = AppGroup("passwords", help="Passwords that others know.")


@passwords.command("check-list")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path | None) -> None:
    """Read FILE, or the one BREACHED_PASSWORDS_FILE names, to its end, and say whether it is in order."""
    path = file or current_app.config["SETTINGS"].breached_passwords_file
    if path is None:
        raise click.ClickException("Name a file, or set BREACHED_PASSWORDS_FILE.")
    try:
        count = check_list(path)
    except BadList as refusal:
        raise click.ClickException(str(refusal)) from refusal
    click.echo(f"{count} passwords, in order.")
