"""`flask token --user EMAIL`: print a bearer token of one hour for a local user, to try the API with."""

import click
from flask import current_app
from flask.cli import with_appcontext

from careapp.config import Settings
from careapp.identity.actors import actor_of_email
from careapp.surface.tokens import own_token


@click.command("token")
@click.option("--user", "email", required=True, help="The e-mail address the user signs in with.")
@with_appcontext
def token(email: str) -> None:
    """Print a token for a local user; it lives an hour."""
    settings: Settings = current_app.config["SETTINGS"]
    actor = actor_of_email(email)
    if actor is None:
        raise click.ClickException(f"there is no enabled user {email}")
    try:
        click.echo(own_token(actor, settings))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
