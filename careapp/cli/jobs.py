"""`flask jobs`: run the relay and the upkeep until a signal ends them."""

import click
from flask import current_app
from flask.cli import with_appcontext

from careapp.jobs import process


@click.command("jobs")
@with_appcontext
def jobs() -> None:
    """Send events to Kafka and do the upkeep, until stopped."""
    if current_app.config["DATABASE_RELAY_URL"] is None:
        raise click.ClickException("Set DATABASE_RELAY_URL: the jobs process sends events as the relay's role.")
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    process.run(app, app.config["SETTINGS"])
