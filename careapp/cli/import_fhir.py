"""`flask import-fhir`: take in FHIR R4 bundles of patients' histories, and say what became of each record."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask.cli import with_appcontext

from careapp.errors import NotFound
from careapp.imports.report import Report
from careapp.imports.run import Progress, import_files
from careapp.imports.sources import Document, size_of

LINE_EVERY = 10  # documents, where there is no terminal to draw a bar on


@click.command("import-fhir")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, readable=True, path_type=Path))
@click.option("--tenant", "tenant_key", default="demo", show_default=True, help="The tenant's key.")
@click.option("--dry-run", is_flag=True, help="Do it all, report it, and store nothing.")
@with_appcontext
def import_fhir(files: tuple[Path, ...], tenant_key: str, dry_run: bool) -> None:
    """Take in FILES: bundles (.json), archives of them (.tar.gz), or directories of either.

    Every record comes in once, however often it is sent. Ends with 1 only if something was refused.
    """
    paths = list(files)
    try:
        with _progress(paths) as progress:
            report = import_files(paths, tenant_key=tenant_key, dry_run=dry_run, progress=progress)
    except NotFound as refusal:
        raise click.ClickException(refusal.detail) from refusal
    _print(report, dry_run)
    if report.refused:
        sys.exit(1)


@contextmanager
def _progress(paths: list[Path]) -> Iterator[Progress]:
    """A bar on a terminal, a line now and then elsewhere; both on the error stream, which holds no report."""
    if sys.stderr.isatty():
        with click.progressbar(length=size_of(paths), label="Importing", file=sys.stderr) as bar:
            yield lambda document: bar.update(document.read)
        return
    done = 0

    def count(document: Document) -> None:
        nonlocal done
        done += 1
        if done % LINE_EVERY == 0:
            click.echo(f"{done} documents read", err=True)

    yield count


def _print(report: Report, dry_run: bool) -> None:
    for line in report.details():
        click.echo(line)
    click.echo()
    for line in report.table():
        click.echo(line)
    if report.refused:
        others = "would be in" if dry_run else "are in"
        click.echo(f"\n{report.refused} refused, each with its reason above; all others {others}.")
    if dry_run:
        click.echo("\nThis was a dry run: nothing was stored.")
