"""Reads of the provider directory; it holds no patient data, so its reads leave no audit rows."""

from typing import Any

from sqlalchemy import Select, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, array
from sqlalchemy.types import Text

from careapp.access import Actor, Permission
from careapp.clinics.models import Clinic
from careapp.commands import query
from careapp.db import db, table_of
from careapp.errors import found
from careapp.paging import DEFAULT_LIMIT, read_page
from careapp.providers.models import Provider, ProviderClinic
from careapp.providers.views import ProviderView
from careapp.views import Page

PR, PC, _CL = table_of(Provider).c, table_of(ProviderClinic).c, table_of(Clinic).c


def provider_rows(actor: Actor) -> Select[Any]:
    """The tenant's providers, with the locators of their clinics as a list, in order."""
    in_order = func.array_agg(aggregate_order_by(_CL.locator, _CL.locator))
    works_at = (
        select(func.coalesce(in_order, cast(array([]), ARRAY(Text))))
        .join_from(
            table_of(ProviderClinic), table_of(Clinic), (_CL.tenant_id == PC.tenant_id) & (_CL.id == PC.clinic_id)
        )
        .where(PC.tenant_id == PR.tenant_id, PC.provider_id == PR.id)
        .correlate(table_of(Provider))
    )
    return select(*PR, works_at.scalar_subquery().label("clinics")).where(PR.tenant_id == actor.tenant_id)


@query(Permission.DIRECTORY_VIEW)
def get_provider(actor: Actor, locator: str) -> ProviderView:
    """One provider; raises NotFound."""
    row = found(db.session.execute(provider_rows(actor).where(PR.locator == locator)).one_or_none())
    return ProviderView.of(row)


@query(Permission.DIRECTORY_VIEW)
def list_providers(
    actor: Actor, *, specialty: str | None = None, status: str | None = None, clinic: str | None = None,
    limit: int = DEFAULT_LIMIT, cursor: str | None = None,
) -> Page[ProviderView]:  # fmt: skip
    """Providers by name, of a specialty, in a network status, or working at a clinic."""
    statement = provider_rows(actor)
    if specialty is not None:
        statement = statement.where(PR.specialty == specialty)
    if status is not None:
        statement = statement.where(PR.status == status)
    if clinic is not None:
        at_clinic = select(PC.provider_id).where(
            PC.tenant_id == actor.tenant_id,
            PC.clinic_id == _CL.id,
            _CL.tenant_id == PC.tenant_id,
            _CL.locator == clinic,
        )
        statement = statement.where(PR.id.in_(at_clinic))
    return read_page(statement, (PR.name, PR.id), ProviderView.of, limit=limit, cursor=cursor)
