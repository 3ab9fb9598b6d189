"""Next free: bookable slots of all providers in the order of time, narrowed by what a patient asks for."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import Select, Time, cast, func, lateral, literal, select, true, tuple_
from sqlalchemy.sql import ColumnElement

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query
from careapp.db import at_most, db
from careapp.late import may_be_late
from careapp.overviews.slot_cells import SlotCell, booked_for, cell_rows, cells_of_free
from careapp.overviews.zones import PLACE, tenant_zone
from careapp.paging import decode_cursor, page_of
from careapp.providers.models import PROVIDERS
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.scheduling.models import SLOTS
from careapp.scheduling.refusing import can_be_offered
from careapp.views import Page

HORIZON = timedelta(days=90)  # searched from the given day on; further off, begin with a later day
HOW_MANY = 20

# Parts of a day on the slot's own clock: from, included, to, not included.
PARTS_OF_DAY: dict[str, tuple[time, time]] = {
    "MORNING": (time(0), time(12)),
    "AFTERNOON": (time(12), time(17)),
    "EVENING": (time(17), time.max),
}


@dataclass(frozen=True)
class Wanted:
    """What a free slot must be: all of it, where given. `part` is a key of PARTS_OF_DAY, `minutes` the least length."""

    specialty: str | None = None
    clinic: str | None = None
    provider: str | None = None
    part: str | None = None
    minutes: int | None = None


@may_be_late
@query(Permission.SLOT_VIEW)
def find_next_free(
    actor: Actor, wanted: Wanted, *, since: datetime | None = None, party: str | None = None,
    moving: str | None = None, limit: int = HOW_MANY, cursor: str | None = None,
) -> Page[SlotCell]:  # fmt: skip
    """The next bookable slots, from now or from `since` on, for a patient or a moved appointment where one is named.

    A slot that has begun is left out: a walk-in goes to today's list. What is offered passes all of booking's rules.
    Raises NotFound for an unknown patient or appointment, Invalid for a cursor that is not one of ours.
    """
    whom, moment = booked_for(actor, party=party, moving=moving), clock.now()
    first = max(since or moment, moment)
    conditions = [
        SLOTS.starts_at >= first, SLOTS.starts_at < first + HORIZON, *_conditions(actor, wanted),
        *can_be_offered(actor.tenant_id, moment, patient_id=whom.patient_id, moving=whom.appointment_id),
    ]  # fmt: skip
    of = ("next free", *vars(wanted).values(), since, party, moving)
    if cursor is not None:
        conditions.append(tuple_(SLOTS.starts_at, SLOTS.id) > tuple_(*decode_cursor(cursor, of, datetime, int)))
    rows = db.session.execute(_soonest(actor, wanted, conditions, limit + 1)).all()
    return page_of(rows, limit, cells_of_free, lambda row: (row.starts_at, row.id), of)


def _soonest(actor: Actor, wanted: Wanted, conditions: list[ColumnElement[bool]], limit: int) -> Select[Any]:
    """The soonest slots that meet the conditions: those of each provider by his own index, then the first of all."""
    people = select(PROVIDERS.id).where(PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.status == PARTICIPATES)
    if wanted.specialty:
        people = people.where(PROVIDERS.specialty == wanted.specialty)
    if wanted.provider:
        people = people.where(PROVIDERS.locator == wanted.provider)
    who = people.subquery("who")
    in_time = cell_rows(actor).where(SLOTS.provider_id == who.c.id, *conditions).order_by(SLOTS.starts_at, SLOTS.id)
    his = lateral(in_time.limit(at_most(limit)), "his")
    return select(his).select_from(who.join(his, true())).order_by(his.c.starts_at, his.c.id).limit(at_most(limit))


def _conditions(actor: Actor, wanted: Wanted) -> list[ColumnElement[bool]]:
    """What is wanted of a slot itself; who offers it is _soonest()'s."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.clinic:
        conditions.append(PLACE.c.locator == wanted.clinic)
    if wanted.minutes:
        conditions.append(SLOTS.ends_at - SLOTS.starts_at >= timedelta(minutes=wanted.minutes))
    if wanted.part:
        first, last = PARTS_OF_DAY[wanted.part]
        zone = func.coalesce(PLACE.c.time_zone, tenant_zone(actor.tenant_id))
        on_the_clock = cast(func.timezone(zone, SLOTS.starts_at), Time)
        conditions += [on_the_clock >= literal(first), on_the_clock < literal(last)]
    return conditions
