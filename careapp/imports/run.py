"""One run of an import: all documents of the given sources, one transaction each, into one tenant."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from careapp import clock, commands
from careapp.access import Actor, Permission, Purpose
from careapp.db import db
from careapp.errors import NotFound
from careapp.imports import bundles, sources
from careapp.imports.report import FILE, Line, Outcome, Report, Unusable
from careapp.imports.storing import STORES
from careapp.imports.taking_in import take_in
from careapp.operations.models import TENANTS

Progress = Callable[[sources.Document], None]


class _DryRunOver(Exception):
    """Ends the one transaction of a dry run, so that it is rolled back."""


def import_files(paths: list[Path], *, tenant_key: str, dry_run: bool = False, progress: Progress) -> Report:
    """Take in every bundle of the sources and report what became of each record; raises NotFound for no such tenant.

    `progress` is called after each document. A dry run does all of it in one transaction and takes it back.
    """
    known = (TENANTS.key == tenant_key, TENANTS.deleted_at.is_(None))
    tenant = db.session.execute(select(TENANTS.id, TENANTS.key, TENANTS.time_zone).where(*known)).one_or_none()
    db.session.rollback()  # a read: the next transaction belongs to the tenant
    if tenant is None:
        raise NotFound(f"There is no tenant {tenant_key}.")
    actor = Actor(tenant.id, tenant.key, "import", frozenset({Permission.HISTORY_IMPORT}), purpose=Purpose.HSYSADMIN)
    report = Report()
    if not dry_run:
        _take_all(actor, tenant.time_zone, paths, report, progress)
        return report
    try:
        with commands.unit_of(actor, name="import.dry_run"):
            _take_all(actor, tenant.time_zone, paths, report, progress)
            raise _DryRunOver
    except _DryRunOver:
        return report


def _take_all(actor: Actor, time_zone: str, paths: list[Path], report: Report, progress: Progress) -> None:
    for document in sources.documents(paths):
        for line in _take(actor, time_zone, document):
            report.add(line)
        progress(document)


def _take(actor: Actor, time_zone: str, document: sources.Document) -> list[Line]:
    """What became of one document: a line for each record, or one for a document that is no bundle."""
    try:
        if document.problem:
            raise Unusable(document.problem.code, document.problem.value, document.problem.why)
        bundle = bundles.parse(document.name, document.content)
    except Unusable as unusable:
        return [Line(document.name, FILE, "-", Outcome.REFUSED, (unusable.note,))]
    return take_in(actor, bundle, zone=clock.zone(time_zone), stores=STORES)
