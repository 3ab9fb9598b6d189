"""`flask terminology load`: the list of medicines that prescriptions choose from."""

from pathlib import Path

import click
from flask.cli import AppGroup

from careapp.cli.shared import owner_url
from careapp.terminology.loading import Loaded, load_release, load_starter
from careapp.terminology.rxnorm_files import Malformed

terminology = AppGroup("terminology", help="Code lists that belong to no tenant.")

_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@terminology.command("load")
@click.argument("names", type=_FILE, required=False)
@click.option(
    "--relations", type=_FILE, help="RXNREL.RRF of the same release; a file of that name beside NAMES is used."
)
def load(names: Path | None, relations: Path | None) -> None:
    """Replace the list of medicines by NAMES, the file RXNCONSO.RRF of an RxNorm release (US National Library of
    Medicine). Without NAMES, by the starter list that ships with the project.

    It is replaced as a whole or not at all. Codes the new list lacks are kept as retired, for the prescriptions that
    bear them.
    """
    owner = owner_url()
    if names is None:
        _print(load_starter(owner))
        return
    beside = names.with_name("RXNREL.RRF")
    relations = relations or (beside if beside.is_file() else None)
    try:
        loaded = load_release(owner, names, relations)
    except Malformed as fault:
        raise click.ClickException(f"{fault} Nothing was changed.") from fault
    if relations is None:
        click.echo("No RXNREL.RRF: ingredients are taken from the names of the medicines.")
    _print(loaded)


def _print(loaded: Loaded) -> None:
    click.echo(f"{loaded.medicines} medicines can be prescribed, {loaded.ingredients} ingredients are known.")
    if loaded.without_ingredients:
        click.echo(f"{loaded.without_ingredients} medicines without known ingredients: checks cannot run on them.")
    if loaded.suppressed:
        click.echo(f"{loaded.suppressed} names that RxNorm marks as suppressed or obsolete are left out.")
    if loaded.retired:
        click.echo(f"{loaded.retired} codes of earlier lists are kept as retired.")
