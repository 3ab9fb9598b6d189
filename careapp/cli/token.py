"""`flask token --user EMAIL`: print a bearer token of one hour for a local user, to try the API with."""

import click
from flask import current_app
from flask.cli import with_appcontext

from careapp.cli.shared import refusals_shown, words_of
from careapp.config import Settings
from careapp.identity.actors import actor_of_email
from careapp.scopes import SCOPES, narrowed
from careapp.surface.tokens import own_token


@click.command("token")
@click.option("--user", "email", required=True, help="The e-mail address the user signs in with.")
@click.option("--scope", "given", multiple=True, help="Narrow it to this; several with blanks, or again.")
@with_appcontext
def token(email: str, given: tuple[str, ...]) -> None:
    """Print a token for a local user; it lives an hour."""
    settings: Settings = current_app.config["SETTINGS"]
    with refusals_shown():
        actor = actor_of_email(email)
    if actor is None:
        raise click.ClickException(f"there is no enabled user {email}")
    scopes = frozenset(words_of(given)) if given else None
    if scopes and (unknown := scopes - SCOPES):
        raise click.ClickException(
            f"there is no scope {', '.join(sorted(unknown))}; there are {', '.join(sorted(SCOPES))}"
        )
    try:
        click.echo(own_token(narrowed(actor, scopes), settings))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
