"""`flask outbox`: look at events that have not left, and decide about those that cannot."""

from uuid import UUID

import click
from flask.cli import AppGroup

from careapp.access import Actor, Permission
from careapp.cli.shared import command_line, refusals_shown, relaying, tenants_of
from careapp.operations import outbox_desk
from careapp.operations.maintenance import TenantName
from careapp.operations.outbox_desk import UnsentEvent
from careapp.paging import MAX_LIMIT

outbox = AppGroup("outbox", help="Events that have not left: list them, retry or withhold one.")
of_tenant = click.option("--tenant", "tenant_key", required=True, help="The tenant's key, for example demo.")


@outbox.command("list")
@click.option("--tenant", "tenant_key", help="Only this tenant's events.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many events of a tenant."
)
def list_events(tenant_key: str | None, limit: int) -> None:
    """List events that have not left, parked ones first."""
    for tenant in tenants_of(tenant_key, deleted=True):
        left, cursor = limit, None
        while left > 0:
            page = outbox_desk.list_unsent(_actor(tenant), limit=min(left, MAX_LIMIT), cursor=cursor)
            for event in page.items:
                click.echo(_line(tenant, event))
            left, cursor = left - len(page.items), page.next_cursor
            if cursor is None:
                break
        else:
            click.echo(f"{tenant.key} has more: --limit lists them.", err=True)


@outbox.command("retry")
@click.argument("event_id", type=click.UUID)
@of_tenant
def retry(event_id: UUID, tenant_key: str) -> None:
    """Let the event EVENT_ID try again at once."""
    with refusals_shown():
        outbox_desk.retry(_actor(tenants_of(tenant_key, deleted=True)[0]), event_id)
    click.echo("It is sent with the relay's next pass.")


@outbox.command("withhold")
@click.argument("event_id", type=click.UUID)
@of_tenant
@click.option("--reason", required=True, help="Why, for the audit; no patient data.")
def withhold(event_id: UUID, tenant_key: str, reason: str) -> None:
    """Send the parked event EVENT_ID without its data, so that the events behind it can go."""
    with refusals_shown():
        outbox_desk.withhold(_actor(tenants_of(tenant_key, deleted=True)[0]), event_id, reason=reason)
    click.echo("Its envelope is sent without data with the relay's next pass.")


def _line(tenant: TenantName, event: UnsentEvent) -> str:
    """One event as a line, which a program can split at double spaces."""
    since = f"since {event.created_at:%Y-%m-%d %H:%M:%S} UTC"
    parts = (tenant.key, event.event_id, event.state, event.topic, event.key, event.sequence, since, event.attempts)
    return "  ".join(str(part) for part in (*parts, event.last_error or "-"))


@outbox.command("drain")
def drain() -> None:
    """Send what waits now, and end; `flask jobs` does it all the time."""
    with relaying() as relay:
        while relay.run_pass():
            pass
    click.echo(f"{relay.published} events sent.")


def _actor(tenant: TenantName) -> Actor:
    return command_line(tenant, Permission.OUTBOX_MANAGE)
