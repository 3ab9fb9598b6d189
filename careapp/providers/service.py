"""Commands on providers: entering one, changing him and where he works, and the moves of the network lifecycle."""

from typing import Any

from sqlalchemy import Row, delete, select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS
from careapp.commands import command, refuse_on
from careapp.db import db, guarded_update, insert, table_of
from careapp.errors import Conflict, Invalid, Sentence, found
from careapp.lifecycle import check_version, move, remember
from careapp.providers.events import ProviderUpdated
from careapp.providers.history import work_at
from careapp.providers.models import PROVIDER_CLINICS, PROVIDERS, Provider, ProviderClinic
from careapp.providers.npi import is_valid_npi
from careapp.providers.queries import SHOWN, provider_rows
from careapp.providers.states import ACTIVE, NETWORK
from careapp.providers.views import ProviderView


@command(Permission.PROVIDER_MANAGE)
def create_provider(
    actor: Actor, *, name: str, specialty: str, npi: str | None = None, clinic_locators: list[str] | None = None
) -> ProviderView:
    """Enter a provider, PENDING until activated. Raises Invalid for a wrong NPI or an unknown clinic, and Conflict
    NPI_TAKEN where another provider of the tenant has the number."""
    _check(npi)
    row = enter(actor, name=name, specialty=specialty, npi=npi, clinic_ids=_clinic_ids(actor, clinic_locators or []))
    remember(actor, NETWORK, row, "create")
    commands.publish(ProviderUpdated.of(row, key=row.locator))
    return ProviderView.of(row, clinics=sorted(set(clinic_locators or [])))


@command(Permission.PROVIDER_MANAGE)
def change_provider(
    actor: Actor, locator: str, *, version: int, name: str, specialty: str, npi: str | None, clinic_locators: list[str]
) -> ProviderView:
    """Change what is given of a provider, and where he works. The slots he offers stay, also at a clinic he leaves.

    Raises NotFound, Invalid naming the field, Conflict STALE_VERSION where somebody else was quicker, and NPI_TAKEN
    where another provider of the tenant has the number.
    """
    _check(npi)
    row = _locked(actor, locator)
    check_version(row, version)
    works_at, mine = sorted(set(clinic_locators)), (PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.id == row.id)
    before = {"name": row.name, "specialty": row.specialty, "npi": row.npi, "clinics": row.clinics}
    after = {"name": name, "specialty": specialty, "npi": npi, "clinics": works_at}
    his = (PROVIDER_CLINICS.tenant_id == actor.tenant_id, PROVIDER_CLINICS.provider_id == row.id)
    db.session.execute(delete(table_of(ProviderClinic)).where(*his))
    work_at(actor, ((row.id, clinic_id) for clinic_id in _clinic_ids(actor, works_at)))
    changed = found(guarded_update(Provider, *mine, returning=SHOWN, name=name, specialty=specialty, npi=npi))
    differing = [field for field in after if after[field] != before[field]]
    commands.record(
        "provider.change", locator, before={one: before[one] for one in differing},
        after={one: after[one] for one in differing},
    )  # fmt: skip
    commands.publish(ProviderUpdated.of(changed, key=locator))
    return ProviderView.of(changed, clinics=works_at)


@command(Permission.DIRECTORY_VIEW)  # move() asks for the permission of the move itself
def act(
    actor: Actor, locator: str, *, action: str, version: int | None = None, reason: str | None = None
) -> ProviderView:
    """Activate a provider for the network, or deactivate him: only an ACTIVE one can be booked."""
    row = _locked(actor, locator)
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
    work_at(actor, ((row.id, clinic_id) for clinic_id in clinic_ids))
    return row


def _check(npi: str | None) -> None:
    if npi is not None and not is_valid_npi(npi):
        raise Invalid({"npi": Sentence("This is no valid NPI: ten digits, the last of which checks the others.")})


def _locked(actor: Actor, locator: str) -> Row[Any]:
    """The provider's row, locked. Raises NotFound."""
    statement = provider_rows(actor).where(PROVIDERS.locator == locator).with_for_update(of=table_of(Provider))
    return found(db.session.execute(statement).one_or_none())


def _clinic_ids(actor: Actor, locators: list[str]) -> list[int]:
    found = db.session.execute(
        select(CLINICS.id, CLINICS.locator).where(CLINICS.tenant_id == actor.tenant_id, CLINICS.locator.in_(locators))
    ).all()
    if len(found) != len(set(locators)):
        raise Invalid({"clinics": Sentence("One of these clinics does not exist.")})
    return [row.id for row in found]


refuse_on("providers_tenant_id_npi_key", lambda: Conflict("Another provider has this NPI.", code="NPI_TAKEN"))
