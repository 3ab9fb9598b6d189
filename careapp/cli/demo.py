"""`flask demo`: build the demo clinic once, and print who can sign in to it."""

import time

import click
from flask import current_app
from flask.cli import with_appcontext

from careapp import clock
from careapp.cli.shared import owner_url, refusals_shown
from careapp.config import Settings
from careapp.demo.blueprints import DEMO, OTHER, Blueprint
from careapp.demo.build import build, sums
from careapp.demo.staff import PASSWORD, addresses


@click.command("demo")
@click.option("--in-production", is_flag=True, help="Build it even where CAREAPP_ENV is production.")
@with_appcontext
def demo(in_production: bool) -> None:
    """Build two clinics of invented people; where they stand already, nothing changes."""
    settings: Settings = current_app.config["SETTINGS"]
    if not settings.development and not in_production:
        raise click.ClickException(
            "Demo users have a password that everybody knows. Add --in-production if you want them here all the same."
        )
    owner = owner_url()
    with refusals_shown():
        for blueprint in (DEMO, OTHER):
            _build(owner, blueprint)
    _print_sign_ins()


def _build(owner: str, blueprint: Blueprint) -> None:
    started = time.monotonic()
    if build(owner, blueprint, now=clock.now()):
        held = ", ".join(f"{count} {name}" for name, count in sums(blueprint.key).items())
        seconds = time.monotonic() - started
        click.echo(
            f"{blueprint.name} (tenant {blueprint.key}): {len(blueprint.clinics)} clinics, {held}; {seconds:.0f} s"
        )


def _print_sign_ins() -> None:
    click.echo("Demo sign-ins:")
    for blueprint in (DEMO, OTHER):
        click.echo(f"  {blueprint.name}: {', '.join(addresses(blueprint).values())}")
    click.echo(f"  password: {PASSWORD}")
