"""Reads of the provider directory; it holds no patient data, so its reads leave no audit rows."""

from typing import Any

from sqlalchemy import Select, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, array
from sqlalchemy.types import Text

from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS, Clinic
from careapp.commands import query
from careapp.db import db, table_of
from careapp.errors import found
from careapp.kept import built_once
from careapp.late import may_be_late
from careapp.paging import DEFAULT_LIMIT, read_page
from careapp.providers.models import PROVIDER_CLINICS, PROVIDERS, Provider, ProviderClinic
from careapp.providers.views import ProviderView
from careapp.views import Page

# Not what an import knows him by besides: the driver would parse it for each row.
SHOWN = tuple(column for column in PROVIDERS if column.name != "identifiers")


def provider_rows(actor: Actor) -> Select[Any]:
    """The tenant's providers, with the locators of their clinics as a list, in order."""
    return _rows().where(PROVIDERS.tenant_id == actor.tenant_id)


@built_once
def _rows() -> Select[Any]:
    in_order = func.array_agg(aggregate_order_by(CLINICS.locator, CLINICS.locator))
    works_at = (
        select(func.coalesce(in_order, cast(array([]), ARRAY(Text))))
        .join_from(
            table_of(ProviderClinic),
            table_of(Clinic),
            (CLINICS.tenant_id == PROVIDER_CLINICS.tenant_id) & (CLINICS.id == PROVIDER_CLINICS.clinic_id),
        )
        .where(PROVIDER_CLINICS.tenant_id == PROVIDERS.tenant_id, PROVIDER_CLINICS.provider_id == PROVIDERS.id)
        .correlate(table_of(Provider))
    )
    return select(*SHOWN, works_at.scalar_subquery().label("clinics"))


@may_be_late
@query(Permission.DIRECTORY_VIEW)
def get_provider(actor: Actor, locator: str) -> ProviderView:
    """One provider; raises NotFound."""
    row = found(db.session.execute(provider_rows(actor).where(PROVIDERS.locator == locator)).one_or_none())
    return ProviderView.of(row)


@may_be_late
@query(Permission.DIRECTORY_VIEW)
def list_providers(
    actor: Actor, *, specialty: str | None = None, status: str | None = None, clinic: str | None = None,
    limit: int = DEFAULT_LIMIT, cursor: str | None = None,
) -> Page[ProviderView]:  # fmt: skip
    """Providers by name, of a specialty, in a network status, or working at a clinic."""
    statement = _listed(specialty is not None, status is not None, clinic is not None)
    values = {"tenant": actor.tenant_id, "specialty": specialty, "status": status, "clinic": clinic}
    keys = (PROVIDERS.name, PROVIDERS.id)
    of = ("providers", specialty, status, clinic)
    return read_page(statement, keys, ProviderView.of_each, of=of, limit=limit, cursor=cursor, values=values)


@built_once
def _listed(of_specialty: bool, of_status: bool, of_clinic: bool) -> Select[Any]:
    """The providers of a list; built once for each shape."""
    statement = _rows().where(PROVIDERS.tenant_id == bindparam("tenant"))
    if of_specialty:
        statement = statement.where(PROVIDERS.specialty == bindparam("specialty"))
    if of_status:
        statement = statement.where(PROVIDERS.status == bindparam("status"))
    if of_clinic:
        at_clinic = select(PROVIDER_CLINICS.provider_id).where(
            PROVIDER_CLINICS.tenant_id == bindparam("tenant"),
            PROVIDER_CLINICS.clinic_id == CLINICS.id,
            CLINICS.tenant_id == PROVIDER_CLINICS.tenant_id,
            CLINICS.locator == bindparam("clinic"),
        )
        statement = statement.where(PROVIDERS.id.in_(at_clinic))
    return statement
