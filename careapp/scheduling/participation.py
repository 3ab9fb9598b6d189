"""Whether a provider takes part in the network, asked of the service that keeps providers before a slot is booked.

It stands outside the booking's transaction: nothing is locked, and no connection is held, while the other side thinks.
"""

from sqlalchemy import select

from careapp.access import Actor, Permission
from careapp.commands import query
from careapp.db import db, table_of
from careapp.disclosure.scope import in_scope
from careapp.errors import Conflict
from careapp.providers.models import PROVIDERS, Provider
from careapp.providers.port import ProviderService
from careapp.providers.states import ACTIVE
from careapp.scheduling.models import SLOTS, Slot


def check_participation(actor: Actor, service: ProviderService, slot_locator: str) -> None:
    """Refuse a slot whose provider does not take part, as the service says; a slot nobody knows the command refuses.

    The directory here is asked by the booking itself, so a provider needs both. Raises Conflict
    PROVIDER_NOT_PARTICIPATING, Upstream where the service does not answer.
    """
    provider = provider_of_slot(actor, slot_locator)
    if provider is not None and service.network_status(actor.tenant_key, provider) != ACTIVE:
        raise Conflict(
            "The provider does not take part in the network at present.", code="PROVIDER_NOT_PARTICIPATING"
        )  # fmt: skip


@query(Permission.APPOINTMENT_BOOK)
def provider_of_slot(actor: Actor, slot_locator: str) -> str | None:
    """The locator of the provider who offers a slot; None for a slot that is unknown or out of the actor's scope."""
    same = (PROVIDERS.tenant_id == SLOTS.tenant_id) & (PROVIDERS.id == SLOTS.provider_id)
    mine = (SLOTS.tenant_id == actor.tenant_id, SLOTS.locator == slot_locator, in_scope(actor, SLOTS.clinic_id))
    found: str | None = db.session.execute(
        select(PROVIDERS.locator).join_from(table_of(Slot), table_of(Provider), same).where(*mine)
    ).scalar_one_or_none()
    return found
