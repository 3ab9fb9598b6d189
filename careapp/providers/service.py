"""Commands on providers: entering one, and the moves of the network lifecycle."""

from typing import Any

from sqlalchemy import Row, select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS
from careapp.commands import command, refuse_on
from careapp.db import db, insert, insert_many, table_of
from careapp.errors import Conflict, Invalid, Sentence, found
from careapp.lifecycle import check_version, move, remember
from careapp.providers.events import ProviderUpdated
from careapp.providers.models import PROVIDERS, Provider, ProviderClinic
from careapp.providers.npi import is_valid_npi
from careapp.providers.queries import provider_rows
from careapp.providers.states import ACTIVE, NETWORK
from careapp.providers.views import ProviderView


@command(Permission.PROVIDER_MANAGE)
def create_provider(
    actor: Actor, *, name: str, specialty: str, npi: str | None = None, clinic_locators: list[str] | None = None
) -> ProviderView:
    """Enter a provider, PENDING until activated. Raises Invalid for a wrong NPI or an unknown clinic, and Conflict
    NPI_TAKEN where another provider of the tenant has the number."""
    if npi is not None and not is_valid_npi(npi):
        raise Invalid({"npi": Sentence("This is no valid NPI: ten digits, the last of which checks the others.")})
    row = enter(actor, name=name, specialty=specialty, npi=npi, clinic_ids=_clinic_ids(actor, clinic_locators or []))
    remember(actor, NETWORK, row, "create")
    commands.publish(ProviderUpdated.of(row, key=row.locator))
    return ProviderView.of(row, clinics=sorted(set(clinic_locators or [])))


@command(Permission.DIRECTORY_VIEW)  # move() asks for the permission of the move itself
def act(
    actor: Actor, locator: str, *, action: str, version: int | None = None, reason: str | None = None
) -> ProviderView:
    """Activate a provider for the network, or deactivate him: only an ACTIVE one can be booked."""
    row = found(
        db.session.execute(
            provider_rows(actor).where(PROVIDERS.locator == locator).with_for_update(of=table_of(Provider))
        ).one_or_none()
    )
    check_version(row, version)
    first_time: dict[str, Any] = {"activated_at": clock.now()} if NETWORK.transition(action).target == ACTIVE else {}
    changed = move(actor, NETWORK, Provider, row, action, reason=reason, **first_time)
    return ProviderView.of(row, **changed._mapping)


def enter(
    actor: Actor, *, name: str, specialty: str, npi: str | None, clinic_ids: list[int],
    identifiers: list[dict[str, str]] | None = None,
) -> Row[Any]:  # fmt: skip
    """Store a provider inside a command that records and tells of it; returns the row."""
    row = insert(
        Provider,
        *PROVIDERS,
        tenant_id=actor.tenant_id,
        name=name,
        specialty=specialty,
        npi=npi,
        identifiers=identifiers or [],
    )
    insert_many(
        ProviderClinic,
        [{"tenant_id": actor.tenant_id, "provider_id": row.id, "clinic_id": clinic_id} for clinic_id in clinic_ids],
    )
    return row


def _clinic_ids(actor: Actor, locators: list[str]) -> list[int]:
    found = db.session.execute(
        select(CLINICS.id, CLINICS.locator).where(CLINICS.tenant_id == actor.tenant_id, CLINICS.locator.in_(locators))
    ).all()
    if len(found) != len(set(locators)):
        raise Invalid({"clinics": Sentence("One of these clinics does not exist.")})
    return [row.id for row in found]


refuse_on("providers_tenant_id_npi_key", lambda: Conflict("Another provider has this NPI.", code="NPI_TAKEN"))
