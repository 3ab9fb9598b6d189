"""`flask erasure`: legal holds, how long records are kept, and forgetting one patient for good."""

import click
from flask.cli import AppGroup

from careapp.access import Actor, Permission
from careapp.cli.shared import command_line, refusals_shown, tenants_of
from careapp.erasure import holds
from careapp.erasure.erase import erase_patient
from careapp.erasure.standing import get_standing
from careapp.erasure.states import CATEGORIES
from careapp.erasure.views import ErasureView

erasure = AppGroup("erasure", help="Legal holds, retention, and erasing one patient.")
of_tenant = click.option("--tenant", "tenant_key", required=True, help="The tenant's key, for example demo.")
with_reason = click.option("--reason", required=True, help="Why, for the account of it; nobody's name.")


def _actor(tenant_key: str, permission: Permission = Permission.PATIENT_ERASE) -> Actor:
    return command_line(tenants_of(tenant_key)[0], permission)


@erasure.command("show")
@click.argument("locator")
@of_tenant
def show(locator: str, tenant_key: str) -> None:
    """Show what keeps the patient LOCATOR from being erased."""
    with refusals_shown():
        _tell(get_standing(_actor(tenant_key), locator))


@erasure.command("hold")
@click.argument("locator")
@of_tenant
@with_reason
def hold(locator: str, tenant_key: str, reason: str) -> None:
    """Put a legal hold on the patient LOCATOR: nobody erases him until it is lifted."""
    with refusals_shown():
        _tell(holds.set_hold(_actor(tenant_key), locator, reason=reason))


@erasure.command("lift")
@click.argument("locator")
@click.argument("hold_id", type=int)
@of_tenant
def lift(locator: str, hold_id: int, tenant_key: str) -> None:
    """Lift the hold HOLD_ID of the patient LOCATOR."""
    with refusals_shown():
        _tell(holds.lift_hold(_actor(tenant_key), locator, hold_id=hold_id))


@erasure.command("keep")
@click.argument("years", type=int)
@of_tenant
def keep(years: int, tenant_key: str) -> None:
    """Keep records for YEARS years after the last episode at least."""
    with refusals_shown():
        holds.keep_records(_actor(tenant_key, Permission.SETTINGS_MANAGE), years=years)


@erasure.command("erase")
@click.argument("locator")
@of_tenant
@with_reason
@click.option("--category", required=True, type=click.Choice(CATEGORIES))
def erase(locator: str, tenant_key: str, reason: str, category: str) -> None:
    """Forget the patient LOCATOR for good. Asks for the locator once more: nothing brings him back."""
    actor = _actor(tenant_key)
    with refusals_shown():
        standing = get_standing(actor, locator)
        _tell(standing)
        if click.prompt("Type the locator again to erase this patient for good") != locator:
            raise click.ClickException("That is another locator. Nothing was done.")
        erase_patient(actor, locator, category=category, reason=reason, version=standing.version)
    click.echo(f"{locator} is erased.")


def _tell(standing: ErasureView) -> None:
    """All of it but the name: a terminal's history is no place for one."""
    gone, until = standing.erased_at, standing.kept_until
    state = f"erased on {gone:%Y-%m-%d}" if gone else f"kept until {until:%Y-%m-%d}"
    click.echo(f"{standing.locator}  {state}  open episodes: {', '.join(standing.open_episodes) or 'none'}")
    for one in standing.holds:
        stands = "lifted" if one.lifted_at else "stands"
        click.echo(f"  hold {one.id} since {one.set_at:%Y-%m-%d}  {stands}  {one.reason}")
