"""`flask doctor`: run the checks and tell what they found; ends with 1 where anything is wrong."""

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from careapp.cli.doctor import beside, machine, outside, server, structure, work
from careapp.cli.doctor.report import CHECKS, NOT_CHECKED, WELL, WRONG, Finding, Installation, examine

MODULES = (machine, server, structure, beside, work, outside)  # whose checks are entered by being imported

_EXISTING = click.Path(exists=True, path_type=Path)


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--only", multiple=True, help="The name of a check; may be given again. Without it, all run.")
@click.option("--backups", type=_EXISTING, help="The directory where backups lie.")
@click.option("--anchors", type=_EXISTING, help="A file of anchors of the audit log that were kept elsewhere.")
@with_appcontext
def doctor(as_json: bool, only: tuple[str, ...], backups: Path | None, anchors: Path | None) -> None:
    """Check this installation and say what is wrong and what to do. Changes nothing."""
    if unknown := set(only) - set(CHECKS):
        raise click.BadParameter(f"there is no check {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
    found = examine(installation(backups=backups, anchors=anchors), frozenset(only))
    counts: Counter[str] = Counter()
    told = []
    for one in found:
        counts[one.state] += 1
        if as_json:
            told.append(asdict(one))
        else:
            _tell(one)
    if as_json:
        click.echo(json.dumps({"well": not counts[WRONG], "findings": told}, indent=2, ensure_ascii=False))
    else:
        click.echo(", ".join(f"{number} {state}" for state, number in sorted(counts.items())) + ".")
    sys.exit(1 if counts[WRONG] else 0)


def installation(*, backups: Path | None = None, anchors: Path | None = None) -> Installation:
    """What the present application was started with."""
    config = current_app.config
    return Installation(
        settings=config["SETTINGS"],
        addresses={
            "app": config["SQLALCHEMY_DATABASE_URI"], "owner": config["DATABASE_OWNER_URL"],
            "relay": config["DATABASE_RELAY_URL"], "backup": config["DATABASE_BACKUP_URL"],
            "replica": config["SETTINGS"].database_replica_url, "health": config["SETTINGS"].database_health_url,
        }, backups=backups, anchors=anchors,
    )  # fmt: skip


def _tell(one: Finding) -> None:
    colour = {WRONG: "red", WELL: "green", NOT_CHECKED: None}.get(one.state, "yellow")
    click.echo(f"{click.style(one.state, fg=colour)}  {one.check}: {one.text} {one.remedy}".rstrip())
