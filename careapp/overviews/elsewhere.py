"""What closes a slot from outside of it, as far as a calendar's version goes: visits in other slots, and the buffer."""

from datetime import timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, Text, cast, func, lateral, select, true

from careapp.clinics.models import CLINICS
from careapp.operations.models import SETTINGS
from careapp.providers.models import PROVIDER_CLINICS, PROVIDERS
from careapp.scheduling.models import APPOINTMENTS, IS_ACTIVE

Wanted = BindParameter[Any] | None  # a locator
BEYOND = timedelta(days=1)  # a visit that ends so long after the days shown is in the way of none of their slots


def at_work(tenant: ColumnElement[Any], provider: Wanted, clinic: Wanted) -> Select[Any]:
    """The id of a provider, or else of each who works at a clinic, by their locators."""
    if provider is not None:
        him = select(PROVIDERS.id.label("provider_id"))
        return him.where(PROVIDERS.tenant_id == tenant, PROVIDERS.locator == provider)
    here = (PROVIDER_CLINICS.tenant_id == CLINICS.tenant_id, PROVIDER_CLINICS.clinic_id == CLINICS.id)
    return select(PROVIDER_CLINICS.provider_id).where(CLINICS.tenant_id == tenant, CLINICS.locator == clinic, *here)


def elsewhere(tenant: ColumnElement[Any], work: Select[Any]) -> ColumnElement[str]:
    """A text that changes with the tenant's buffer, and with the slots in which providers have visits, at whichever
    clinic; `work` is a query of each `provider_id` with the moments between which it counts, `begins` and `ends`.

    Slots of the calendar itself change their version when a place in them is taken; those of another clinic, whose
    visits close one here, are none of its. Each provider is asked for alone, by an index that has all of it.
    """
    each = work.subquery("work")
    taken = select(func.sum(APPOINTMENTS.slot_id).label("slots")).where(
        APPOINTMENTS.tenant_id == tenant, IS_ACTIVE, APPOINTMENTS.provider_id == each.c.provider_id,
        APPOINTMENTS.busy_until > each.c.begins, APPOINTMENTS.busy_until < each.c.ends + BEYOND,
    )  # fmt: skip
    his = lateral(taken.correlate(each), "taken")
    slots = select(func.coalesce(func.sum(his.c.slots), 0)).select_from(each.join(his, true()))
    buffer = select(SETTINGS.buffer_minutes).where(SETTINGS.tenant_id == tenant)
    return func.concat_ws(".", *(cast(one.scalar_subquery(), Text) for one in (buffer, slots)))
