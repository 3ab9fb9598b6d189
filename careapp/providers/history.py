"""What is known of providers from elsewhere: who already has a number, and where they have worked."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from careapp.access import Actor
from careapp.db import db, table_of
from careapp.providers.models import PROVIDERS, ProviderClinic


def provider_with(actor: Actor, npi: str) -> Row[Any] | None:
    """The tenant's provider with this NPI, or None."""
    statement: Select[Any] = select(PROVIDERS.id, PROVIDERS.locator).where(
        PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.npi == npi
    )
    return db.session.execute(statement).one_or_none()


def work_at(actor: Actor, pairs: Iterable[tuple[int, int]]) -> None:
    """Note that providers work at clinics, as (provider id, clinic id), inside a command; what is known stays."""
    rows = [
        {"tenant_id": actor.tenant_id, "provider_id": provider_id, "clinic_id": clinic_id}
        for provider_id, clinic_id in sorted(set(pairs))
    ]
    if rows:
        db.session.execute(postgres_insert(table_of(ProviderClinic)).values(rows).on_conflict_do_nothing())
