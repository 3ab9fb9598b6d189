"""`flask audit`: prove that the log is whole, keep its anchors, retire what is old, and begin anew after a restore."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from careapp import clock
from careapp.audit import retention, sealer
from careapp.audit.anchors import Anchor, read_anchors
from careapp.audit.verify import Report, reading, verify
from careapp.cli.shared import decided_by, owner_url, tenants_of
from careapp.config import Settings
from careapp.operations import audit_chain
from careapp.operations.audit_fhir import audit_event
from careapp.operations.audit_search import AuditFilter, export_page

audit = AppGroup("audit", help="The audit log: verify, anchors, retire, and a new chain after a restore.")
one_tenant = click.option("--tenant", "tenant_key", help="Only the tenant with this key.")


@audit.command("verify")
@one_tenant
@click.option("--anchors", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Anchors kept elsewhere.")
@with_appcontext
def verify_log(tenant_key: str | None, anchors: Path | None) -> None:
    """Recompute every chain and name what is wrong; ends with 1 where anything is."""
    wrong = 0
    kept = _anchors_in(anchors)
    for tenant in tenants_of(tenant_key, deleted=True):
        report = Report(tenant.key)
        with reading(_relay_url()) as connection:
            for finding in verify(connection, tenant.id, report, kept):
                wrong += 1
                click.echo(f"{tenant.key}: {finding.text}")
        _tell(report)
    if wrong:
        click.echo(f"{wrong} found wrong.", err=True)
        sys.exit(1)


@audit.command("anchors")
@with_appcontext
def anchors() -> None:
    """Print each tenant's newest seal, to be kept where nobody who can write to the database can."""
    with sealer.connected(_relay_url()) as connection:
        for anchor in sealer.newest_anchors(connection):
            click.echo(anchor.line())


@audit.command("seal")
@with_appcontext
def seal() -> None:
    """Seal what waits now; `flask jobs` does it every ten seconds."""
    click.echo(f"{sealer.seal_all(_relay_url())} rows sealed.")


@audit.command("retire")
@click.option("--before", required=True, type=click.DateTime(["%Y-%m"]), help="The first month that stays, YYYY-MM.")
@decided_by
@with_appcontext
def retire(before: datetime, by: str) -> None:
    """Drop whole months of the log that are older than it must be kept, after verifying all of it; as the owner."""
    settings: Settings = current_app.config["SETTINGS"]
    now = clock.now().astimezone(UTC)
    oldest = now.replace(year=now.year - settings.audit_kept_years, day=1, hour=0, minute=0, second=0, microsecond=0)
    try:
        gone = retention.retire(owner_url(), before=before.replace(tzinfo=UTC), oldest_kept=oldest, by=by)
    except retention.NotRetired as refusal:
        raise click.ClickException(str(refusal)) from None
    for part, rows in gone.items():
        click.echo(f"{part}: {rows} rows retired.")
    if not gone:
        click.echo("There is no such month.")


@audit.command("export")
@click.option("--tenant", "tenant_key", required=True, help="The tenant's key.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="The first day (UTC).")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The day after the last (UTC).")
@with_appcontext
def export(tenant_key: str, since: datetime | None, until: datetime | None) -> None:
    """Print the log as FHIR R4 AuditEvent resources, one a line (NDJSON), newest first; the export is audited."""
    [tenant] = tenants_of(tenant_key, deleted=True)
    actor = audit_chain.keeper(tenant, "cli")
    sought = AuditFilter(
        since=since and since.replace(tzinfo=UTC), until=until.replace(tzinfo=UTC) if until else clock.now()
    )
    cursor: str | None = None
    while True:
        page = export_page(actor, sought, cursor=cursor)
        for entry in page.items:
            click.echo(json.dumps(audit_event(entry, tenant.key), ensure_ascii=False))
        cursor = page.next_cursor
        if cursor is None:
            return


@audit.command("new-chain")
@one_tenant
@with_appcontext
def new_chain(tenant_key: str | None) -> None:
    """Begin a new chain after a restore, before web and jobs start; only where the log is what was sealed.

    Asks once more: what is not sealed yet is sealed as it is found, and no seal is ever taken back.
    """
    found, relay = tenants_of(tenant_key, deleted=True), _relay_url()
    for tenant in found:
        report = Report(tenant.key)
        with reading(relay) as connection:
            first = next(verify(connection, tenant.id, report), None)
        if first:
            raise click.ClickException(f"The log of {tenant.key} is not what was sealed: {first.text}.")
        _tell(report)
    named = tenant_key or "all"
    if click.prompt(f"Only after a restore, while web and jobs stand still. Type {named} to begin for good") != named:
        raise click.ClickException("That is something else. Nothing was done.")
    for tenant in found:
        with sealer.connected(relay) as connection:
            number = sealer.new_chain(connection, tenant.id)
        click.echo(f"{tenant.key}: " + (f"a new chain begins after seal {number}." if number else "no seal yet."))


def _tell(report: Report) -> None:
    """How a tenant's log stands, as lines."""
    last = f"last seal {report.seals} of {report.sealed_at:%Y-%m-%d %H:%M:%S} UTC" if report.sealed_at else "no seal"
    click.echo(f"{report.tenant}: {report.rows} rows, {last}, {report.waiting} not sealed yet")
    for one in report.retired:
        click.echo(f"{report.tenant}: {one.part}, {one.rows} rows, retired {one.at:%Y-%m-%d} by {one.by}")


def _anchors_in(path: Path | None) -> list[Anchor]:
    try:
        return read_anchors(path.read_text()) if path else []
    except ValueError as error:
        raise click.ClickException(f"{path}: {error}") from None


def _relay_url() -> str:
    """The relay's address. Raises ClickException where it is not set."""
    address: str | None = current_app.config["DATABASE_RELAY_URL"]
    if address is None:
        raise click.ClickException("Set DATABASE_RELAY_URL: the relay role alone sees every tenant's log.")
    return address
