"""A clinic's week: what each provider offers on each day, added up by the database; it shows nobody's visits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Date,
    DateTime,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from careapp import clock
from careapp.access import Actor
from careapp.db import db
from careapp.overviews.slot_cells import BookedFor
from careapp.overviews.zones import PLACE, at_place
from careapp.providers.models import PROVIDERS
from careapp.scheduling.models import SLOTS
from careapp.scheduling.refusing import can_be_offered
from careapp.scheduling.slots import LONGEST_SLOT, ROWS, scope_of, within
from careapp.scheduling.states import BLOCKED
from careapp.views import View

FREE, OVER, CLOSED, FULL = "free", "over", "blocked", "full"
FREE_SHOWN = 6  # free times of one provider's day


class Offer(View):
    """What one provider offers on one day: the states of his slots, how many of them are free and with how many
    places, and the first of these, as their locators and starts.
    """

    provider_locator: str
    provider_name: str
    day: date
    states: Sequence[str]
    places: int
    free: int
    locators: Sequence[str]
    starts: Sequence[datetime]


@dataclass(frozen=True)
class Week:
    """Which slots: from `start` to `end`, at a clinic, of a specialty if one is named; days are those of `zone`."""

    start: datetime
    end: datetime
    clinic: str
    specialty: str | None
    zone: str


def read_offers(actor: Actor, week: Week, whom: BookedFor) -> list[Offer]:
    """What a clinic's providers offer, by provider and day, for `whom` where that is known."""
    given = {
        **scope_of(actor), **vars(week), "not_before": week.start - LONGEST_SLOT, "moment": clock.now(),
        "patient": whom.patient_id, "moving": whom.appointment_id or 0,
    }  # fmt: skip
    statement = _offers(actor.clinic_ids is not None, week.specialty is not None, whom.patient_id is not None)
    return [Offer.of(row) for row in db.session.execute(statement, given)]


@cache
def _offers(scoped: bool, of_specialty: bool, for_patient: bool) -> Select[Any]:
    """One row a provider and day; built once for each shape.

    OFFSET 0 keeps the slots a query of their own: PostgreSQL would else put the state's expression, with its look at
    the provider's other visits, in each of the five places that ask for it.
    """
    slots = _slots(scoped, of_specialty, for_patient).offset(0).subquery("offered")
    one = slots.c
    in_order = (one.starts_at, one.id)
    is_free = one.state == FREE
    first = {
        name: type_coerce(func.array_agg(aggregate_order_by(column, *in_order)).filter(is_free), ARRAY(column.type))
        for name, column in (("locators", one.locator), ("starts", one.starts_at))
    }
    whose = (one.provider_locator, one.provider_name, one.day)
    none = {"locators": cast([], ARRAY(Text)), "starts": cast([], ARRAY(DateTime(timezone=True)))}
    return select(
        *whose, func.array_agg(one.state.distinct()).label("states"),
        func.coalesce(func.sum(one.places).filter(is_free), 0).label("places"),
        func.count().filter(is_free).label("free"),
        *(func.coalesce(first[name][1:FREE_SHOWN], none[name]).label(name) for name in first),
    ).group_by(*whose)  # fmt: skip


def _slots(scoped: bool, of_specialty: bool, for_patient: bool) -> Select[Any]:
    """The slots of the week, each in one word: over before blocked before free, and full for whatever else it is."""
    tenant: BindParameter[Any] = bindparam("tenant")
    moment: BindParameter[Any] = bindparam("moment", type_=DateTime(timezone=True))
    patient: BindParameter[Any] | None = bindparam("patient") if for_patient else None
    offered = and_(*can_be_offered(tenant, moment, patient_id=patient, moving=bindparam("moving")))
    state = case((SLOTS.ends_at <= moment, OVER), (SLOTS.status == BLOCKED, CLOSED), (offered, FREE), else_=FULL)
    inside = (
        SLOTS.starts_at > bindparam("not_before"), SLOTS.starts_at < bindparam("end"),
        SLOTS.ends_at > bindparam("start"),
    )  # fmt: skip
    wanted = [PLACE.c.locator == bindparam("clinic")]
    wanted += [PROVIDERS.specialty == bindparam("specialty")] if of_specialty else []
    columns = (
        SLOTS.id, SLOTS.locator, SLOTS.starts_at, (SLOTS.capacity - SLOTS.booked).label("places"),
        PROVIDERS.locator.label("provider_locator"), PROVIDERS.name.label("provider_name"),
        cast(func.timezone(bindparam("zone"), SLOTS.starts_at), Date).label("day"), state.label("state"),
    )  # fmt: skip
    rows = ROWS.join(PLACE, at_place(SLOTS)).with_only_columns(*columns, maintain_column_froms=True)
    return rows.where(SLOTS.tenant_id == tenant, within(scoped, SLOTS.clinic_id), *inside, *wanted)
